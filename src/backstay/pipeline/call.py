"""``/rest/v1/rpc/{name}``: a Python function, one transaction around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any, Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.exc import StaleDataError

from backstay.catalog import Function, Table
from backstay.catalog.inheritance import whole_model
from backstay.db.session import bounded
from backstay.db.statement import Database, Rows
from backstay.db.transaction import drive_async
from backstay.errors import PlanError, RequestError
from backstay.pipeline.etag import failed
from backstay.pipeline.planner import is_long
from backstay.pipeline.plans import Known, Plans, known, once
from backstay.pipeline.request import DataRequest
from backstay.pipeline.returned import are_many, keys_of, rows_of, taken
from backstay.pipeline.script import Demands, check_number, demands_of_call
from backstay.pipeline.surface import Surface
from backstay.pipeline.unit import Joined
from backstay.plan.call import find_function, may_call, no_function, read_arguments
from backstay.plan.feature import no_geometry
from backstay.plan.fill import fill_rows
from backstay.plan.read import plan_rows
from backstay.plan.shape import shape_of
from backstay.policy import Caller
from backstay.request import negotiate, parse_arguments, parse_query
from backstay.request.media import Media, media_type
from backstay.request.prefer import Preferences, applied
from backstay.request.read import Query
from backstay.response.form import csv_of, feature_collection, strip_nulls
from backstay.response.reply import Reply
from backstay.response.rows import not_single
from backstay.response.size import bytes_of, check_size
from backstay.response.value import check_result, encode_result, is_small, letters_of
from backstay.sql.dialect import Form
from backstay.sql.statement import Statement
from backstay.sql.write import key_columns, read_sql

#: Letters that are counted for a large answer at least, while nobody knows how many they are.
_UNKNOWN: Final = 64 << 10


class Answered(NamedTuple):
    """What a function returned: JSON text, the rows in it, and, where counted, how many there are without the page."""

    body: str
    rows: int
    total: int | None = None
    offset: int = 0


class _Asked(NamedTuple):
    """A call as asked: *given* are its arguments, which are text where they come from a query string."""

    function: Function
    given: Mapping[str, Any]
    query: Query
    textual: bool


class _Rows(NamedTuple):
    """What reads the rows of *table* that a function returns."""

    table: Table
    known: Known
    values: tuple[Any, ...]
    form: Form
    offset: int


class _Call(NamedTuple):
    """A call that is ready: *rows* reads the rows of a model that it returns."""

    function: Function
    arguments: dict[str, Any]
    rows: _Rows | None
    media: Media
    demands: Demands
    preferences: Preferences
    profile: str | None


class Calls:
    """Answers calls."""

    def __init__(self, surface: Surface, database: Database, functions: Mapping[str, Function]) -> None:
        self._surface = surface
        self._database = database
        self._functions = functions
        self._names = frozenset().union(*(frozenset(f.parameters) for f in functions.values()))
        self._inside = isinstance(database, Joined)
        self._plans: Plans[Known] = Plans(512, lambda found: found.room)

    async def answer(self, request: DataRequest, name: str) -> Reply:
        """Call the function *name*.

        Raises:
            BackstayError: PGRST202 (no such function for this caller), PGRST101 (``GET`` of one that writes), 22P02
                (an argument), or whatever the function raises.
        """
        if "/" in name or not name:
            raise RequestError("PGRST125", "Invalid path specified in request URL")
        if request.method == "OPTIONS":
            return self._options(request, name)
        # Before the session: while a plan is made nobody should wait for it.
        call = await self._surface.planner.make(
            request, lambda: once(request, self, lambda: self._call(request, name)), inside=self._inside
        )

        def render(answer: Answered) -> Reply:
            return _reply(call.function, answer, call.media, call.preferences, call.profile)

        try:
            return await self._run(call, request, render)
        except StaleDataError as error:
            # A `Versioned` row was changed between the function's reading and its writing.
            raise failed(None) from error

    def _options(self, request: DataRequest, name: str) -> Reply:
        found = self._functions.get(name)
        if found is None or not may_call(found, request.principal.kind):
            raise no_function(name, (), self._surface.catalog.schema)
        return Reply(200, ((b"allow", b"OPTIONS,GET,HEAD,POST" if found.read_only else b"OPTIONS,POST"),))

    def foresee(self, request: DataRequest, name: str) -> None:
        """Make ahead what calling the function *name* takes; only its plan, where its arguments are still to be found.

        Raises:
            BackstayError: what would refuse it.
        """
        if request.made is not None:
            rows = once(request, self, lambda: self._call(request, name)).rows
        else:
            media = negotiate(request.header(b"accept"), self._surface.offered)
            rows = self._planned(request, self._asked(request, name), media, self._surface.preferences(request))
        if rows is not None:
            rows.known.foreseen(request, rows.values)

    def _call(self, request: DataRequest, name: str) -> _Call:
        preferences = self._surface.preferences(request)
        profile_header = b"accept-profile" if request.method in ("GET", "HEAD") else b"content-profile"
        profile = self._surface.check_profile(request.header(profile_header))
        asked = self._asked(request, name)
        function = asked.function
        arguments = read_arguments(function, asked.given, textual=asked.textual)
        media = negotiate(request.header(b"accept"), self._surface.offered)
        if media.kind == "geojson" and function.model is None:
            raise no_geometry()
        demands = demands_of_call(preferences, gives_set=function.gives_set)
        rows = self._planned(request, asked, media, preferences)
        return _Call(function, arguments, rows, media, demands, preferences, profile)

    def _asked(self, request: DataRequest, name: str) -> _Asked:
        who, schema = request.principal.kind, self._surface.catalog.schema
        if request.method == "POST":
            given = parse_arguments(request.body, request.header(b"content-type"))
            function = find_function(self._functions, name, who, tuple(given), schema)
            return _Asked(function, given, self._surface.query(request), textual=False)
        if request.method not in ("GET", "HEAD"):
            raise RequestError("PGRST101", f"Cannot use the {request.method} method on RPC", hint="Use POST, or GET.")
        there = self._functions.get(name)
        names = frozenset(there.parameters) if there is not None else self._names
        parsed = parse_query(request.query_text, arguments=names, limits=self._surface.limits)
        pairs = dict(parsed.arguments)
        function = find_function(self._functions, name, who, tuple(pairs), schema)
        if not function.read_only:
            raise RequestError(
                "PGRST101",
                f"Cannot use the {request.method} method on the function {name}: it may write",
                hint="Call it by POST, or declare it @function(read_only=True).",
            )
        return _Asked(function, pairs, parsed.query, textual=True)

    def _planned(self, request: DataRequest, asked: _Asked, media: Media, preferences: Preferences) -> _Rows | None:
        """What reads the rows that the function returns; ``None`` where it returns none of a model."""
        function, surface, query = asked.function, self._surface, asked.query
        if function.model is None:
            return None
        table = self._table(function)
        shape, values = shape_of(query)
        form: Form = "features" if media.kind == "geojson" else "json"
        slots, counted = len(values), preferences.count is not None

        def make() -> Known:
            scope, most = surface.scope(request.principal), surface.max_rows
            node = plan_rows(table, scope.grant("read", table), shape, scope)

            def statement(made: Form) -> Any:
                return read_sql(node, surface.dialect, slots, max_rows=most, form=made, count=counted)

            return known(surface, node, form, statement)

        found = self._plans.of(request, (table.name, shape, slots, counted, form), make)
        return _Rows(table, found, values, form, query.offset)

    async def _run(self, call: _Call, request: DataRequest, render: Callable[[Answered], Reply]) -> Reply:
        """Make *call* in its transaction; whatever refuses its answer undoes what it has done."""
        function, rows, media = call.function, call.rows, call.media
        injected, principal = set(function.injected.values()), request.principal
        undone = self._surface.undoes(request)
        async with AsyncExitStack() as stack:
            session: AsyncSession | None = None
            if not function.is_async:
                # Before the transaction, which would be open while it waits.
                await stack.enter_async_context(self._surface.workers.place())
            if injected & {"db", "sync_db"} or function.model is not None:
                session = await stack.enter_async_context(
                    self._database.session(read_only=function.read_only, rollback=undone)
                )
            # A transaction has this bound by itself.
            async with bounded(what="function") if session is None else nullcontext():
                result = await self._invoke(function, call.arguments, session, Caller(principal))
            # Within the transaction: what is not as it is described undoes what it has written.
            # What it has done outside of a transaction nobody undoes: it is not refused for want of a thread.
            planner = self._surface.planner
            render_aside = planner.render if session is None and function.read_only else planner.render_beside
            if rows is not None and session is not None:
                answer = await self._rows(function, result, session, rows, request)
            else:
                value = partial(_value, function, result, media, self._surface.budget.answer_bytes)
                answer = value() if is_small(result) else await render_aside(max(_UNKNOWN, letters_of(result)), value)
            check_number(answer.rows, call.demands)
            check_size(bytes_of(answer.body), self._surface.budget.answer_bytes)
            if media.kind == "object" and answer.rows != 1:
                raise not_single(answer.rows)
            reply = await render_aside(len(answer.body), lambda: render(answer))
            check_size(len(reply.body), self._surface.budget.answer_bytes)
        return reply

    async def _invoke(
        self, function: Function, arguments: dict[str, Any], session: AsyncSession | None, caller: Caller
    ) -> Any:
        given: dict[str, Any] = {"db": session, "me": caller}
        if session is not None and "sync_db" in function.injected.values():
            # Here and not in the thread: a pool of connections is the event loop's.
            await session.connection()
            given["sync_db"] = session.sync_session
        injected = {name: given.get(what) for name, what in function.injected.items()}
        if function.is_async:
            return await function.call(**injected, **arguments)
        return await self._surface.workers.run(
            lambda: taken(function, function.call(**injected, **arguments)), session if "sync_db" in given else None
        )

    async def _rows(
        self, function: Function, result: Any, session: AsyncSession, rows: _Rows, request: DataRequest
    ) -> Answered:
        """Rows of a model, read back through the caller's policies, with the query's select, filters and order."""
        principal, beside = request.principal, self._surface.planner.beside
        take = partial(rows_of, function, result)
        found = await beside(take) if are_many(result) else take()
        await session.flush()
        connection = await session.connection()

        async def run(asked: Statement) -> Rows:
            return (await connection.exec_driver_sql(asked.sql, asked.args)).all()

        opener = rows.known.opener
        if opener is not None and opener.looks:
            await drive_async(opener.looking(opener.values(rows.values), request, self._surface), run, beside)

        def bind() -> Statement:
            columns = key_columns(rows.table)
            filled = fill_rows(keys_of(function, found), columns, frozenset(rows.table.columns))
            packed = self._surface.dialect.pack(filled, len(columns))
            return rows.known.bind(rows.values, principal, packed)

        bound = await beside(bind) if are_many(found) or is_long(request) else bind()
        (answer,) = await run(bound)
        text, number = str(answer[0]), int(answer[1])
        body = text
        if rows.known.opener is not None:
            body = await self._surface.planner.render_beside(len(text), partial(rows.known.body, text))
        if rows.form == "features":
            body = feature_collection(body)
        elif function.result == "row":
            return Answered(body[1:-1], number) if number else Answered("null", 0)
        return Answered(body, number, answer[2], rows.offset)

    def _table(self, function: Function) -> Table:
        for table in self._surface.catalog.tables.values():
            if table.model is whole_model(function.model):
                return table
        raise PlanError("PGRST202", f"The function {function.name} returns rows of a model that the app does not serve")


def _value(function: Function, result: Any, media: Media, most: int) -> Answered:
    """What is no row of a model, as JSON of at most *most* bytes that is what *function* says it returns."""
    encoded = encode_result(result, most)
    check_result(function.name, result, encoded, function.result_type)
    body = encoded.decode()
    if not isinstance(result, list | tuple):
        return Answered(body, 1)
    return Answered(body[1:-1] if media.kind == "object" else body, len(result))


def _reply(function: Function, answer: Answered, media: Media, preferences: Preferences, profile: str | None) -> Reply:
    headers: list[tuple[bytes, bytes]] = []
    told = applied(replace(preferences, resolution=None, missing=None, returning=None, timezone=None))
    if told is not None:
        headers.append((b"preference-applied", told.encode()))
    if profile is not None:
        headers.append((b"content-profile", profile.encode()))
    if function.result == "void":
        return Reply(204, tuple(headers))
    rows, body = answer.rows, answer.body
    total = None if preferences.count is None else rows if answer.total is None else answer.total
    shown = f"{answer.offset}-{answer.offset + rows - 1}" if rows else "*"
    if media.kind == "object" and function.result == "rows":
        body = body[1:-1]
    if media.form == "csv":
        body = csv_of(body if body.startswith("[") else f"[{body}]" if body != "null" else "[]")
    elif media.form == "stripped":
        body = strip_nulls(body)
    content_range = f"{shown}/{'*' if total is None else total}"
    headers += [(b"content-type", media_type(media).encode()), (b"content-range", content_range.encode())]
    return Reply(206 if total is not None and rows < total else 200, tuple(headers), body.encode(), rows=rows)
