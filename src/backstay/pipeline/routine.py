"""``/rest/v1/rpc/{name}`` of a reflected database: one of its functions that was listed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from backstay.catalog.facts import ArgumentFacts
from backstay.catalog.routine import Routine
from backstay.db.statement import Database
from backstay.errors import PlanError, RequestError
from backstay.pipeline.explain import explained
from backstay.pipeline.read import paged
from backstay.pipeline.remember import Remembered
from backstay.pipeline.request import DataRequest
from backstay.pipeline.script import check_number, demands_of_call
from backstay.pipeline.surface import Surface
from backstay.pipeline.zone import in_zone, rows_of
from backstay.plan.call import no_function
from backstay.plan.near import nearest
from backstay.plan.read import plan_rows
from backstay.plan.shape import shape_of
from backstay.plan.value import text_of
from backstay.policy import Grant, Part
from backstay.request import negotiate, parse_arguments, parse_query
from backstay.request.read import Query
from backstay.response.reply import Reply
from backstay.response.rows import frame_read, not_single, render_read
from backstay.sql.call import call_rows, call_value
from backstay.sql.prepared import Prepared, prepare
from backstay.sql.statement import Rows, Statement, Steps


class Routines:
    """Calls functions of the database."""

    def __init__(self, surface: Surface, database: Database) -> None:
        self._surface = surface
        self._database = database
        self._routines = surface.routines
        self._prepared: Remembered[Any, Prepared] = Remembered(512)

    def __contains__(self, name: str) -> bool:
        return name in self._routines

    async def answer(self, request: DataRequest, name: str) -> Reply:
        """Call the function *name*.

        Raises:
            BackstayError: PGRST202, PGRST203, PGRST101, or whatever the function raises.
        """
        surface, reads = self._surface, request.method in ("GET", "HEAD")
        if not reads and request.method not in ("POST", "OPTIONS"):
            raise RequestError("PGRST101", f"Cannot use the {request.method} method on RPC")
        preferences = surface.preferences(request)
        profile = surface.check_profile(request.header(b"accept-profile" if reads else b"content-profile"))
        if request.method == "OPTIONS":
            writes = all(routine.facts.may_write for routine in self._routines[name])
            return Reply(200, ((b"allow", b"OPTIONS,POST" if writes else b"OPTIONS,GET,HEAD,POST"),))
        given, query = self._given(request, name)
        query = paged(query, request, surface)
        routine = self._chosen(name, given, posted=request.method == "POST")
        arguments = [argument for argument in routine.facts.arguments if argument.name in given]
        texts = tuple(_text(given[argument.name], argument) for argument in arguments)
        media = negotiate(request.header(b"accept"), surface.offers(request.principal))
        shape, values = shape_of(query)
        form = surface.dialect.form(media.form) if routine.rows is not None else "json"
        names = tuple(argument.name for argument in arguments)
        key = (name, names, shape, form, preferences.count is not None, request.principal.kind)
        prepared = self._prepared.get(key)
        if prepared is None:
            statement = self._statement(
                routine, arguments, shape, len(values), request, form, preferences.count is not None
            )
            prepared = self._prepared.put(key, prepare(statement, surface.dialect.compiler))
        statement_bound = prepared.bind((*values, *texts), request.principal)
        if media.kind == "plan":
            return await explained(self._database, surface.dialect, media, statement_bound, profile, read_only=reads)
        zone = preferences.timezone
        demands = demands_of_call(preferences, gives_set=routine.facts.is_set)

        frame = frame_read(f"rpc/{name}", "", media, preferences, profile, form, called=True)
        single = frame.singular and (routine.rows is not None or routine.facts.is_set)

        def steps() -> Steps[Rows]:
            own = rows_of(statement_bound) if not reads else _reading(statement_bound)
            found = yield from (own if zone is None else in_zone(zone, own))
            # Refused here, so that what the function did is undone.
            check_number(found[0][1], demands)
            if single and found[0][1] != 1:
                raise not_single(found[0][1])
            return found

        body, rows, total = (await self._database.transact(steps, rollback=surface.undoes(request)))[0]
        if routine.facts.gives == "void":
            told = tuple(pair for pair in frame.headers if pair[0] == b"preference-applied")
            return Reply(204, told)
        if routine.rows is None and not routine.facts.is_set:
            kept = (b"content-type", b"preference-applied", b"content-profile")
            headers = tuple(pair for pair in frame.headers if pair[0] in kept)
            shown = b"0-0/*" if preferences.count is None else b"0-0/1"
            return Reply(200, (*headers, (b"content-range", shown)), body.encode())
        offset = next((page.offset for path, page in query.pages if not path), 0)
        reply = render_read(frame, body, rows, total, offset if isinstance(offset, int) else 0)
        if routine.rows is not None and not routine.facts.is_set and media.kind == "array" and form == "json":
            # One row that is not a set stands alone.
            alone = reply.body[1:-1] if rows else b"null"
            reply = Reply(reply.status, reply.headers, alone)
        headers = tuple(pair for pair in reply.headers if pair[0] not in (b"content-location", b"vary"))
        return Reply(reply.status, headers, reply.body)

    def _given(self, request: DataRequest, name: str) -> tuple[Mapping[str, Any], Query]:
        text = request.query.decode("utf-8", "surrogateescape")
        limits = self._surface.limits
        if request.method == "POST":
            body = parse_arguments(request.body, request.header(b"content-type"))
            return body, parse_query(text, limits=limits).query
        names = frozenset().union(*(routine.names for routine in self._routines[name]))
        parsed = parse_query(text, arguments=names, limits=limits)
        return dict(parsed.arguments), parsed.query

    def _chosen(self, name: str, given: Mapping[str, Any], *, posted: bool) -> Routine:
        found = [r for r in self._routines[name] if r.required <= given.keys() <= r.names]
        if not found:
            refusal = no_function(name, tuple(given), self._surface.catalog.schema)
            if posted and isinstance(refusal.details, str):
                refusal.details = refusal.details.replace(
                    ", but no", " or with a single unnamed json/jsonb parameter, but no"
                )
            signatures = [f"({', '.join(sorted(routine.names))})" for routine in self._routines[name]]
            near = nearest(f"({', '.join(sorted(given))})", signatures, score=0.33)
            if near is not None:
                called = f"{self._surface.catalog.schema}.{name}{near[0]}"
                refusal.hint = f"Perhaps you meant to call the function {called}"
            raise refusal
        if len(found) > 1:
            listed = ", ".join(_signature(routine) for routine in found)
            raise PlanError(
                "PGRST203",
                f"Could not choose the best candidate function between: {listed}",
                hint="Try renaming the parameters or the function itself in the database so function overloading "
                "can be resolved",
            )
        return found[0]

    def _statement(
        self,
        routine: Routine,
        arguments: list[ArgumentFacts],
        shape: Query,
        slots: int,
        request: DataRequest,
        form: Any,
        count: bool,
    ) -> sa.Select[Any]:
        if routine.rows is None:
            return call_value(routine, arguments, slots)
        scope = self._surface.scope(request.principal)
        whole = Grant((Part(sa.true(), frozenset(routine.rows.columns), f"the function {routine.name}"),))
        # Rows of a table that is served pass its rules; rows of the function's own are the function's to give.
        grant = scope.grant("read", routine.rows) if routine.served else whole
        node = plan_rows(routine.rows, grant, shape, scope)
        dialect, most = self._surface.dialect, self._surface.max_rows
        return call_rows(routine, arguments, node, dialect, slots, max_rows=most, form=form, count=count)


def _reading(statement: Statement) -> Steps[Rows]:
    yield Statement("SET TRANSACTION READ ONLY")
    return (yield statement)


def _text(value: Any, argument: ArgumentFacts) -> str | None:
    return value if isinstance(value, str) and _is_plain(argument) else text_of(value, argument.type)


def _is_plain(argument: ArgumentFacts) -> bool:
    return not isinstance(argument.type, sa.JSON)


def _signature(routine: Routine) -> str:
    listed = ", ".join(
        f"{a.name} => {getattr(a.type, 'sql_name', str(a.type)).lower()}" for a in routine.facts.arguments
    )
    return f"{routine.facts.name.schema}.{routine.name}({listed})"
