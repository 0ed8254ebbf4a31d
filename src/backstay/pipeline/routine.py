"""``/rest/v1/rpc/{name}`` of a reflected database: one of its functions that was listed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa

from backstay.catalog.facts import ArgumentFacts
from backstay.catalog.routine import Routine
from backstay.db.statement import Database
from backstay.errors import RequestError
from backstay.pipeline.context import in_context
from backstay.pipeline.explain import explained
from backstay.pipeline.plans import Plans, once
from backstay.pipeline.read import paged
from backstay.pipeline.remember import room_of
from backstay.pipeline.request import DataRequest
from backstay.pipeline.script import Demands, check_number, demands_of_call
from backstay.pipeline.surface import Surface
from backstay.pipeline.unit import Joined
from backstay.pipeline.zone import in_zone
from backstay.plan.call import no_function
from backstay.plan.feature import no_geometry
from backstay.plan.read import plan_rows
from backstay.plan.routine import argument_texts, choose
from backstay.plan.shape import shape_of
from backstay.policy import Grant, Part
from backstay.request import Sent, negotiate, parse_call, parse_query, sent_pairs
from backstay.request.media import Media
from backstay.request.prefer import Preferences
from backstay.request.read import Query
from backstay.response.reply import Reply
from backstay.response.rows import frame_call, render_read
from backstay.response.said import said
from backstay.response.size import check_size
from backstay.sql.call import call_rows, call_value
from backstay.sql.dialect import Form
from backstay.sql.prepared import Prepared, prepare
from backstay.sql.statement import Row, Rows, Statement, Steps


class Routines:
    """Calls functions of the database."""

    def __init__(self, surface: Surface, database: Database) -> None:
        self._surface = surface
        self._database = database
        self._routines = surface.routines or {}
        self._plans: Plans[Prepared] = Plans(512, room_of)

    async def answer(self, request: DataRequest, name: str) -> Reply:
        """Call the function *name*.

        Raises:
            BackstayError: PGRST202, PGRST203, PGRST101, PGRST128, or whatever the function raises.
        """
        if "/" in name:
            raise RequestError("PGRST125", "Invalid path specified in request URL")
        surface, reads = self._surface, request.method in ("GET", "HEAD")
        if not reads and request.method not in ("POST", "OPTIONS"):
            raise RequestError("PGRST101", f"Cannot use the {request.method} method on RPC")
        preferences = surface.preferences(request)
        profile = surface.check_profile(request.header(b"accept-profile" if reads else b"content-profile"))
        if request.method == "OPTIONS":
            known = self._routines.get(name)
            if known is None:
                raise no_function(name, (), surface.catalog.schema)
            writes = all(routine.facts.may_write for routine in known)
            return Reply(200, ((b"allow", b"OPTIONS,POST" if writes else b"OPTIONS,GET,HEAD,POST"),))
        inside = isinstance(self._database, Joined)
        asked, statement_bound = await surface.planner.make(request, lambda: self._bound(request, name), inside=inside)
        routine, media, form, query = asked.routine, asked.media, asked.form, asked.query
        demands = demands_of_call(preferences, gives_set=routine.facts.is_set)
        call = _Call(routine, preferences, demands, media, form, profile, query)

        def around(statement: Statement) -> Steps[Rows]:
            return in_context(request, statement, read_only=reads)

        def steps() -> Steps[Reply]:
            own = around(statement_bound)
            zone = preferences.timezone
            rows = yield from own if zone is None else in_zone(zone, own)
            # Whatever refuses the answer does so in here, and undoes what the function has done.
            reply = _reply(call, rows[0])
            check_size(len(reply.body), surface.budget.answer_bytes)
            return reply

        if media.kind == "plan":
            return await explained(self._database, surface.dialect, media, statement_bound, profile, around=around)
        return await self._database.transact(steps, rollback=surface.undoes(request), foreign=True)

    def foresee(self, request: DataRequest, name: str) -> None:
        """Make ahead the call of *name*.

        Raises:
            BackstayError: what would refuse it.
        """
        self._bound(request, name)

    def _bound(self, request: DataRequest, name: str) -> tuple[_Asked, Statement]:
        """What is called, and the statement that calls it."""

        def make() -> tuple[_Asked, Statement]:
            asked = self._asked(request, name, self._surface.preferences(request))
            prepared = self._planned(request, asked)
            return asked, prepared.bind((*asked.values, *(text for _, text in asked.given)), request.principal)

        return once(request, self, make)

    def _asked(self, request: DataRequest, name: str, preferences: Preferences) -> _Asked:
        surface = self._surface
        sent, query = self._sent(request)
        routine = choose(name, self._routines, sent, surface.catalog.schema)
        media = negotiate(request.header(b"accept"), surface.offers(request.principal))
        if media.kind == "geojson" and routine.rows is None:
            raise no_geometry()
        query = paged(query, request, surface)
        shape, values = shape_of(query)
        form: Form = surface.dialect.form(media.form) if routine.rows is not None else "json"
        given = tuple(argument_texts(routine, sent))
        return _Asked(routine, given, query, shape, values, media, form, counted(preferences))

    def _planned(self, request: DataRequest, asked: _Asked) -> Prepared:
        routine, arguments = asked.routine, [argument for argument, _ in asked.given]

        def make() -> Prepared:
            slots = len(asked.values)
            statement = self._statement(routine, arguments, asked.shape, slots, request, asked.form, asked.counts)
            return prepare(statement, self._surface.dialect.compiler)

        key = (routine, tuple(argument.name for argument in arguments), asked.shape, asked.form, asked.counts)
        return self._plans.of(request, key, make)

    def _sent(self, request: DataRequest) -> tuple[Sent, Query]:
        if request.method == "POST":
            query = self._surface.query(request)
            return parse_call(request.body, request.header(b"content-type"), query.columns), query
        # What begins like an operator is a filter, even on a column that is called like an argument.
        parsed = parse_query(request.query_text, arguments=frozenset(), limits=self._surface.limits)
        return sent_pairs(parsed.arguments), parsed.query

    def _statement(
        self,
        routine: Routine,
        arguments: list[ArgumentFacts],
        shape: Query,
        slots: int,
        request: DataRequest,
        form: Form,
        count: bool,
    ) -> sa.Select[Any]:
        if routine.rows is None:
            return call_value(routine, arguments, self._surface.dialect, slots)
        scope = self._surface.scope(request.principal)
        whole = Grant((Part(sa.true(), frozenset(routine.rows.columns), f"the function {routine.name}"),))
        # Rows of a table that is served pass its rules; rows of the function's own are the function's to give.
        grant = scope.grant("read", routine.rows) if routine.served else whole
        node = plan_rows(routine.rows, grant, shape, scope)
        dialect, most = self._surface.dialect, self._surface.max_rows
        return call_rows(routine, arguments, node, dialect, slots, max_rows=most, form=form, count=count)


class _Asked(NamedTuple):
    """A call as asked: *given* are its arguments with their texts."""

    routine: Routine
    given: tuple[tuple[ArgumentFacts, Any], ...]
    query: Query
    shape: Query
    values: tuple[Any, ...]
    media: Media
    form: Form
    counts: bool


@dataclass(frozen=True, slots=True)
class _Call:
    """Everything about a call's answer that does not come from the database."""

    routine: Routine
    preferences: Preferences
    demands: Demands
    media: Media
    form: Form
    profile: str | None
    query: Query


def _reply(call: _Call, row: Row) -> Reply:
    """The answer of a call that gave *row*: (body, number of rows, total, headers, status).

    Raises:
        PlanError: PGRST116 or PGRST124, for too many rows.
        DatabaseError: PGRST111 or PGRST112, see `said`.
    """
    body, rows, total, headers, status = row
    facts = call.routine.facts
    check_number(rows, call.demands)
    frame = frame_call(call.media, call.preferences, call.profile, call.form)
    if facts.gives == "void":
        reply = Reply(204, (*frame.headers[1:], (b"content-range", _one(call))))
    elif call.routine.rows is None and not facts.is_set:
        if frame.convert is not None:
            # The one value stands for itself, whatever it is.
            body = frame.convert(f"[{body}]")
            body = body if call.media.form == "csv" else body[1:-1]
        reply = Reply(200, (*frame.headers, (b"content-range", _one(call))), body.encode())
    else:
        reply = render_read(frame, body, rows, total, call.query.offset)
        if call.routine.rows is not None and not facts.is_set and call.media.kind == "array" and call.form == "json":
            # One row that is not a set stands alone.
            reply = reply._replace(body=reply.body[1:-1] if rows else b"null")
    return said(reply, headers, status)


def _one(call: _Call) -> bytes:
    return b"0-0/1" if counted(call.preferences) else b"0-0/*"


def counted(preferences: Preferences) -> bool:
    return preferences.count is not None
