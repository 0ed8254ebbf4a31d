"""``POST``, ``PATCH`` and ``DELETE`` of a table: one transaction each, all or nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, Literal, TypeAlias

from backstay.catalog import Table
from backstay.db.statement import Database
from backstay.errors import DatabaseError, PlanError, RequestError
from backstay.pipeline.ask import Ask
from backstay.pipeline.explain import explained
from backstay.pipeline.planner import is_long
from backstay.pipeline.plans import once
from backstay.pipeline.remember import MOST_LETTERS, Remembered, letters
from backstay.pipeline.request import DataRequest
from backstay.pipeline.sealed import foreseen
from backstay.pipeline.sight import Sights
from backstay.pipeline.surface import Surface
from backstay.pipeline.unit import Joined
from backstay.pipeline.work import Work, Works
from backstay.pipeline.zone import in_zone
from backstay.plan.scope import find_table
from backstay.plan.shape import shape_of
from backstay.request import negotiate
from backstay.request.media import Media
from backstay.request.prefer import Preferences
from backstay.request.read import Query
from backstay.response.reply import Reply
from backstay.response.rows import converter, not_single
from backstay.response.size import bytes_of, check_size
from backstay.response.written import Written, render_written
from backstay.sql.statement import Steps

Action: TypeAlias = Literal["insert", "update", "delete", "put"]

#: All of an `Ask` but the request itself.
Asked: TypeAlias = tuple[Table, Query, tuple[Any, ...], Preferences, Media, str | None]

#: Bytes that are held for each letter of a query string, at most: each column that it names is a value of its own.  And
#: for each letter that a write is known by: each preference that nobody knows is a text of its own.
_PER_LETTER: Final = 100
_PER_KEY_LETTER: Final = 16
#: More than any form puts around its rows.
_AROUND: Final = 100


class Writes:
    """Answers writes; holds nothing but what it remembers."""

    def __init__(self, surface: Surface, database: Database) -> None:
        self._surface = surface
        self._database = database
        self._inside = isinstance(database, Joined)
        self._works = Works(surface)
        self._asked: Remembered[tuple[Any, ...], Asked] = Remembered(
            2048, weigh=lambda key, _: _PER_LETTER * len(key[2]) + _PER_KEY_LETTER * letters(key)
        )
        self._sights = Sights(surface, database)

    async def answer(self, request: DataRequest) -> Reply:
        """Answer one write."""
        planner = self._surface.planner
        ask, action, work = await planner.make(
            request, lambda: once(request, self, lambda: self._work(request)), inside=self._inside
        )
        if ask.media.kind == "plan":
            return await self._explained(ask, work)
        written = _nothing(ask) if work is None else await self._run(ask, work)
        keyed = bool(ask.table.primary_key) or ask.shape.on_conflict is not None

        def render() -> Reply:
            return render_written(action, ask.table.name, written, ask.media, ask.preferences, ask.profile, keyed=keyed)

        try:
            return await planner.render(len(written.body or ""), render, inside=self._inside)
        except DatabaseError:
            # Too many answers wait to be made.  This write is committed, and who is told to try again does it twice.
            minimal = replace(ask.preferences, returning="minimal")
            return render_written(action, ask.table.name, written, ask.media, minimal, ask.profile, keyed=keyed)

    def foresee(self, request: DataRequest) -> None:
        """Make ahead what answering *request* takes; only its plans, where its values are still to be found.

        Raises:
            BackstayError: what would refuse it.
        """
        if request.made is None:
            self._works.foresee(self._ask(request))
        else:
            _, _, work = once(request, self, lambda: self._work(request))
            if work is not None:
                foreseen(request, work.opener, work.values)

    def _work(self, request: DataRequest) -> tuple[Ask, Action, Work | None]:
        """What *request* asks for, and what is to be done for it."""
        ask = self._ask(request)
        match request.method:
            case "POST":
                return ask, "insert", self._works.insert(ask)
            case "PATCH":
                return ask, "update", self._works.update(ask)
            case "PUT":
                return ask, "put", self._works.put(ask)
            case _:
                return ask, "delete", self._works.delete(ask)

    def _ask(self, request: DataRequest) -> Ask:
        """What *request* asks for besides its body, remembered under its text as reads are."""
        headers = request.headers
        key = (
            request.method,
            request.path,
            request.query,
            headers.get(b"accept"),
            headers.get(b"prefer"),
            headers.get(b"content-profile"),
            request.principal.kind,
        )
        known = self._asked.get(key)
        if known is None:
            known = self._read(request)
            # What is longer is read anew each time, so that nobody fills the memory with it.
            if letters(key) <= MOST_LETTERS:
                self._asked.put(key, known)
        return Ask(*known, request, self._surface.dialect.writes_inside)

    def _read(self, request: DataRequest) -> Asked:
        surface = self._surface
        preferences = surface.preferences(request)
        profile = surface.check_profile(request.header(b"content-profile"))
        query = surface.query(request)
        scope = surface.scope(request.principal)
        surface.require_table(scope, request.path)
        media = negotiate(request.header(b"accept"), surface.offers(request.principal))
        shape, values = shape_of(query)
        table = find_table(scope, request.path)
        if request.method != "POST" or not (table.primary_key or query.on_conflict):
            # There is nothing to resolve, so nothing is said to be resolved.
            preferences = replace(preferences, resolution=None)
        return table, shape, values, preferences, media, profile

    async def _explained(self, ask: Ask, work: Work | None) -> Reply:
        """How the database does it; with ``analyze`` it does it, and it is undone."""
        if work is None or work.statement is None:
            raise PlanError(
                "PGRST127",
                "Feature not implemented",
                details="There is a plan where one statement writes, not where none does or several do.",
                hint="Send rows with the same keys.",
            )
        return await explained(self._database, self._surface.dialect, ask.media, work.statement, ask.profile)

    async def _run(self, ask: Ask, work: Work) -> Written:
        zone, undone = ask.preferences.timezone, self._surface.undoes(ask.request)
        # What is committed by itself cannot be undone for what it would send back: so only where that is surely small,
        # with every value that was sent in every column that may be selected.
        sent = len(ask.request.body) + len(ask.request.query)
        small = sent * self._surface.limits.select_items <= self._surface.budget.answer_bytes
        alone = work.alone and (small or not ask.representation)
        if work.opener is not None and work.opener.looks:
            # Before the transaction: whoever could exchange them in between could write the row itself.
            await work.opener.look(
                work.values, ask.request, self._database, self._surface, inside=self._inside, writes=True
            )

        def steps() -> Steps[Written]:
            bounded = self._bounded(ask, work)
            return bounded if zone is None else in_zone(zone, bounded)

        try:
            return await self._database.transact(
                steps,
                rollback=undone,
                alone=alone and zone is None,
                isolated=work.isolated,
                long=is_long(ask.request),
            )
        except (PlanError, RequestError):
            raise
        except Exception as error:
            told = await self._sights.told(error, ask, work)
            if told is error:
                raise
            raise told from error

    def _bounded(self, ask: Ask, work: Work) -> Steps[Written]:
        """The steps of *work*, refused where what they send back is too large: while they can still be undone."""
        written = yield from work.steps()
        body, most = written.body or "", self._surface.budget.answer_bytes
        size = bytes_of(body)
        check_size(size, most)
        convert = converter(ask.media, written.form) if ask.representation else None
        if convert is not None and 2 * size + _AROUND > most:
            # No form takes more than twice the bytes of another: only here is it worth knowing how many.
            check_size(bytes_of(convert(body)), most)
        return written


def _nothing(ask: Ask) -> Written:
    """The outcome of a write that touches no row."""
    if ask.demands.single:
        raise not_single(0)
    return Written(0, "[]" if ask.representation else None, inserted=False)
