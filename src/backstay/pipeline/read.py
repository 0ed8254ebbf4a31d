"""``GET`` and ``HEAD`` of a table.

``text → ask → shape → plan → statement → row → reply``: each arrow is one call below.  What depends only on the
request's text and the principal's kind is remembered, twice: under the text itself, and under the shape, so that a
request that differs from a known one only in its values does no SQLAlchemy work.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from backstay.db.statement import Database
from backstay.errors import RequestError
from backstay.pipeline.count import Estimate, counting
from backstay.pipeline.explain import explained
from backstay.pipeline.export import export
from backstay.pipeline.plans import Plans, once
from backstay.pipeline.remember import MOST_LETTERS, Remembered, letters, room_of
from backstay.pipeline.request import DataRequest
from backstay.pipeline.sealed import Opener, foreseen, looked_with, opener
from backstay.pipeline.surface import Surface
from backstay.pipeline.unit import Joined
from backstay.pipeline.zone import in_zone, rows_of
from backstay.plan.opening import opening_of
from backstay.plan.read import plan_read
from backstay.plan.shape import shape_of
from backstay.request import narrow, negotiate, parse_range
from backstay.request.media import MediaKind
from backstay.request.page import Page
from backstay.request.prefer import Preferences
from backstay.request.read import Query
from backstay.response.reply import Reply
from backstay.response.rows import Frame, frame_read, render_read
from backstay.sql.dialect import Form
from backstay.sql.prepared import Prepared, prepare
from backstay.sql.select import select_counted, select_lines, select_rows
from backstay.sql.statement import Statement

_STREAMED: Final[frozenset[MediaKind]] = frozenset(("ndjson",))

#: Bytes that are held for each letter of a query string, at most: a list of short values has a text for each.  And for
#: each letter that a read is known by.
_PER_LETTER: Final = 32
_PER_KEY_LETTER: Final = 4


@dataclass(frozen=True, slots=True)
class KnownRead:
    """A request text that has been here before: only ``me`` and the rows are still open."""

    prepared: Prepared
    values: tuple[Any, ...]
    offset: int
    frame: Frame
    #: The number of rows may be no more than *about* right; *estimate* asks the planner for it.
    about: bool = False
    estimate: Estimate | None = None
    zone: str | None = None
    #: Rows go out one by one, as NDJSON.
    streamed: bool = False
    #: How the database answers is asked, not the answer.
    asks_plan: bool = False
    profile: str | None = None
    #: Opens encrypted values, where there are any.
    opener: Opener | None = None


class Reads:
    """Answers reads; holds nothing but what it remembers."""

    def __init__(self, surface: Surface, database: Database) -> None:
        self._surface = surface
        self._database = database
        self._fetch = database.fetch
        self._transact = database.transact
        self._inside = isinstance(database, Joined)
        self._texts: Remembered[tuple[Any, ...], KnownRead] = Remembered(4096, weigh=_room)
        self._shapes: Plans[tuple[Prepared, Opener | None, Form, Estimate | None]] = Plans(
            2048, lambda found: room_of(found[0], found[0] if found[3] else None, *looked_with(found[1]))
        )

    async def answer(self, request: DataRequest) -> Reply:
        """Answer one read.  What it waits for is the database, and a plan where there is none yet."""
        principal = request.principal
        if request.made is not None:
            known, statement = once(request, self, lambda: self._bound(request))
        else:
            found = self._texts.get(_text_of(request))
            if found is None:
                # With its values, which may be as long as the query string is.
                planner = self._surface.planner
                known, statement = await planner.make(request, lambda: self._bound(request), inside=self._inside)
            else:
                known, statement = found, found.prepared.bind(found.values, principal)
        if known.opener is not None and known.opener.looks:
            await known.opener.look(known.values, request, self._database, self._surface, inside=self._inside)
        if known.asks_plan:
            dialect, media = self._surface.dialect, known.frame.media
            return await explained(self._database, dialect, media, statement, known.profile, reads=True)
        if known.streamed:
            if request.method == "HEAD":
                return Reply(200, known.frame.headers)
            change = None if known.opener is None else known.opener.body
            return await export(self._database, statement, known.frame.headers, change)
        if known.zone is None:
            row = await self._fetch(statement)
        else:
            zone = known.zone
            row = (await self._transact(lambda: in_zone(zone, rows_of(statement))))[0]
        body, rows, total = row
        if known.estimate is not None:
            total = await known.estimate.total(total, known.values, principal, self._fetch)
        if known.about and rows:
            # An estimate must not deny rows that are on this very page.
            total = max(total, known.offset + rows)
        return await self._rendered(known, body, rows, total)

    async def _rendered(self, known: KnownRead, body: str, rows: int, total: int | None) -> Reply:
        opens = known.opener

        def render() -> Reply:
            if opens is None:
                return render_read(known.frame, body, rows, total, known.offset)
            # Who asks for one object may write it back: there, nothing is null that is not.
            opened, warning = (opens.body(body), ()) if known.frame.singular else opens.page(body)
            reply = render_read(known.frame, opened, rows, total, known.offset)
            return reply._replace(headers=(*reply.headers, *warning))

        if opens is None and known.frame.convert is None:
            return render()
        return await self._surface.planner.render(len(body), render, inside=self._inside)

    def foresee(self, request: DataRequest) -> None:
        """Make ahead what answering *request* takes besides the rows.

        Raises:
            BackstayError: what would refuse it.
        """
        known, _ = once(request, self, lambda: self._bound(request))
        foreseen(request, known.opener, known.values)

    def _bound(self, request: DataRequest) -> tuple[KnownRead, Statement]:
        known = self._known(request)
        return known, known.prepared.bind(known.values, request.principal)

    def _known(self, request: DataRequest) -> KnownRead:
        key = _text_of(request)
        known = self._texts.get(key)
        if known is None:
            known = self._read(request)
            # What is longer is planned under its shape only, so that nobody fills the memory with it.
            if letters(key) <= MOST_LETTERS:
                self._texts.put(key, known)
        return known

    def _read(self, request: DataRequest) -> KnownRead:
        surface = self._surface
        preferences = surface.preferences(request)
        profile = surface.check_profile(request.header(b"accept-profile"))
        text, query = request.query_text, surface.query(request)
        # Names are looked up before the representation is chosen: an unknown table is 404 whatever is accepted.
        scope = surface.scope(request.principal)
        surface.require_table(scope, request.path)
        media = negotiate(request.header(b"accept"), surface.offers(request.principal) | _STREAMED)
        query = paged(query, request, surface)
        shape, values = shape_of(query)
        if media.kind == "ndjson":
            preferences = replace(preferences, count=None, timezone=None)
            prepared, opens, _, _ = self._prepared(request.path, shape, preferences, request, "lines")
            frame = frame_read(request.path, text, media, preferences, profile)
            values = values if opens is None else opens.values(values)
            return KnownRead(prepared, values, 0, frame, streamed=True, opener=opens)
        form = surface.dialect.form(media.form)
        prepared, opens, form, estimate = self._prepared(request.path, shape, preferences, request, form)
        frame = frame_read(request.path, text, media, preferences, profile, form)
        return KnownRead(
            prepared,
            values if opens is None else opens.values(values),
            query.offset,
            frame,
            preferences.count in ("planned", "estimated"),
            estimate,
            preferences.timezone,
            asks_plan=media.kind == "plan",
            profile=profile,
            opener=opens,
        )

    def _prepared(
        self, table: str, shape: Query, preferences: Preferences, request: DataRequest, form: Form | Literal["lines"]
    ) -> tuple[Prepared, Opener | None, Form, Estimate | None]:
        """The statement, what opens its encrypted values, the form that its body has, and what estimates its rows."""
        key = (table, shape, preferences.count, form)
        return self._shapes.of(request, key, lambda: self._plan(table, shape, preferences, request, form))

    def _plan(
        self, table: str, shape: Query, preferences: Preferences, request: DataRequest, form: Form | Literal["lines"]
    ) -> tuple[Prepared, Opener | None, Form, Estimate | None]:
        surface = self._surface
        plan = plan_read(table, shape, surface.scope(request.principal))
        how = counting(preferences.count, plan.node, surface, request.principal)
        plan = replace(plan, count=how.here, count_most=how.most)
        made: Form = "json" if form == "lines" else form
        found_opener = None
        if surface.seals:
            found_opener = opener(opening_of(plan.node, features=form == "features"), surface)
        made = made if found_opener is None else found_opener.form(made)
        if form == "lines":
            statement = select_lines(plan, surface.dialect, max_rows=surface.max_rows, most=surface.max_export_rows)
        else:
            statement = select_rows(plan, surface.dialect, max_rows=surface.max_rows, form=made)
        prepared, estimate, explain = prepare(statement, surface.dialect.compiler), None, surface.dialect.explain
        if how.asks and explain.expects is not None:
            counted = prepare(select_counted(plan, surface.dialect), surface.dialect.compiler)
            estimate = Estimate(counted, how.most, explain.ask, explain.expects)
        return prepared, found_opener, made, estimate


def _room(key: tuple[Any, ...], known: KnownRead) -> int:
    own = _PER_LETTER * len(key[1]) + _PER_KEY_LETTER * letters(key)
    return own + room_of(known.prepared, *looked_with(known.opener))


def _text_of(request: DataRequest) -> tuple[Any, ...]:
    """All of *request* that its plan depends on, as it came."""
    headers = request.headers
    return (
        request.path,
        request.query,
        headers.get(b"accept"),
        headers.get(b"prefer"),
        headers.get(b"range") if request.method == "GET" else None,
        headers.get(b"accept-profile"),
        request.principal.kind,
    )


def paged(query: Query, request: DataRequest, surface: Surface) -> Query:
    """*query* with the ``Range`` header in its page, and the page within its bounds."""
    asked = query.page
    if request.method == "GET":
        asked = narrow(asked, parse_range(request.header(b"range")))
    if surface.max_offset is not None and isinstance(asked.offset, int) and asked.offset > surface.max_offset:
        raise RequestError(
            "PGRST100",
            f"an offset may be at most {surface.max_offset}",
            hint="Filter by the last row's key instead, e.g. id=gt.… with the same order.",
        )
    if asked == Page():
        return query
    return replace(query, pages=(((), asked), *(item for item in query.pages if item[0])))
