"""The whole data plane: `Data`, and around it what PostgREST does not have.

Everything here is asked for by a header, a path or a parameter that PostgREST's clients do not send, so that they
notice nothing.  Each feature is a file; this one only chooses.  What needs several steps in one transaction answers
through a second plane that works inside of it (``pipeline/unit.py``).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from backstay.catalog import Function
from backstay.db.statement import Database
from backstay.db.transaction import run_inside, steps_of
from backstay.errors import BackstayError, PlanError, RequestError, Unjudged
from backstay.pipeline.batch import foreseeable, parse_batch, run_batch
from backstay.pipeline.conditional import Conditional
from backstay.pipeline.data import Data
from backstay.pipeline.describe import Described
from backstay.pipeline.etag import etag_of, tagged, tagging_key, unless_known
from backstay.pipeline.idempotency import Keys, Run, parse_key
from backstay.pipeline.item import is_empty_change, item_methods, item_reply, item_request, no_item
from backstay.pipeline.keyset import Keysets, split_cursor
from backstay.pipeline.nested import Nested
from backstay.pipeline.request import DataRequest
from backstay.pipeline.surface import Surface
from backstay.pipeline.unit import InSession, Joined, run_mixed
from backstay.pipeline.unjudged import is_unjudged
from backstay.request.prefer import Preferences, applied
from backstay.response.reply import Reply

_READING: Final = frozenset(("GET", "HEAD", "OPTIONS"))
_UNSAFE: Final = frozenset(("POST", "PATCH", "PUT", "DELETE"))
_OBJECT: Final = b"application/vnd.pgrst.object"
#: Processor time for the plans of one batch: some hundred ordinary ones take half a second.
_PLANNING_SECONDS: Final = 2.0


class Plane:
    """Answers every request to ``/rest/v1``."""

    def __init__(
        self,
        surface: Surface,
        database: Database,
        functions: Mapping[str, Function],
        described: Described | None = None,
        *,
        keeps_keys: bool = True,
    ) -> None:
        self._functions = functions
        keyring = surface.keyring
        self._keys = Keys(surface.dialect, keyring=keyring, rules=surface.rules) if keeps_keys else None
        self._surface = surface
        self._database = database
        self._data = Data(surface, database, functions, replace(described or Described(), keeps_keys=keeps_keys))
        #: The same plane, in a transaction that this one runs.  It explains nothing: what it analyses would stay.
        self._inside: Plane = (
            self
            if isinstance(database, Joined)
            else Plane(replace(surface, plans=False), Joined(database.name), functions, described, keeps_keys=False)
        )
        self._nested = Nested(surface, database, self._data.answer)
        self._keysets = Keysets(surface, database)
        self._conditional = Conditional(surface, database, self._data)

    async def answer(self, request: DataRequest) -> Reply:
        """Answer one request.

        Raises:
            BackstayError: whatever refuses it, with its code.
        """
        try:
            if b"idempotency-key" in request.headers and request.method in _UNSAFE and not self._only_reads(request):
                return await self._once(request)
            return await self._any(request)
        except BackstayError as error:
            if is_unjudged(error, self._surface.rules, request.principal):
                raise Unjudged from error
            if error.status == 405 and not any(name == "Allow" for name, _ in error.headers):
                error.headers = (*error.headers, ("Allow", await self._allowed(request)))
            raise

    async def _allowed(self, request: DataRequest) -> str:
        """The methods that the path has, as ``OPTIONS`` lists them (RFC 9110 §15.5.6); those of any where none is."""
        try:
            reply = await self._any(request._replace(method="OPTIONS", query=b"", body=b""))
        except BackstayError:
            return "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE"
        return dict(reply.headers)[b"allow"].decode()

    async def _any(self, request: DataRequest) -> Reply:
        if "/" in request.path and not request.path.startswith("rpc/") and not self._surface.stands_in:
            return await self._item(request)
        return await self._rows(request)

    async def _once(self, request: DataRequest) -> Reply:
        """*request*, or its stored answer where its ``Idempotency-Key`` was here before."""
        keys = self._keys
        if keys is None:
            raise PlanError(
                "PGRST127",
                "Feature not implemented",
                details="This database is served as it is: there is no table for the keys of Idempotency-Key.",
            )
        key, calls = parse_key(request.header(b"idempotency-key") or ""), bool(self._functions_of(request))
        scope, inside = keys.scope(request, calls=calls), self._inside

        async def call() -> Reply:
            return await self._in_session(
                request,
                lambda inside, run: keys.once(request, scope, key, lambda: _mixed(inside._any(request), run), run),
            )

        async def answer() -> Reply:
            return await self._database.transact(
                lambda: steps_of(lambda: keys.once(request, scope, key, lambda: inside._any(request), run_inside)),
                rollback=self._surface.undoes(request),
            )

        return await keys.alone(scope, key, call if calls else answer)

    def _functions_of(self, request: DataRequest) -> list[Function]:
        """The Python functions that run inside the transaction of *request*, which waits for more than the database."""
        paths = [request.path]
        if self._is_batch(request):
            paths = [operation.path for operation in parse_batch(request.body)]
        named = [path[4:] for path in paths if path.startswith("rpc/")]
        return [self._functions[name] for name in named if name in self._functions]

    def _only_reads(self, request: DataRequest) -> bool:
        """Whether *request* is a batch that writes nothing: it may be done again, and must not hold writers up."""
        return self._is_batch(request) and all(one.method in _READING for one in parse_batch(request.body))

    async def _in_session(
        self, request: DataRequest, work: Callable[[Plane, Run], Awaitable[Reply]], *, read_only: bool = False
    ) -> Reply:
        """*work* in the transaction of a session, with the same plane inside of it and what runs its statements."""
        undone = self._surface.undoes(request)
        threaded = any(not function.is_async for function in self._functions_of(request))
        async with (
            self._surface.workers.place() if threaded else contextlib.nullcontext(),
            self._database.session(read_only=read_only, rollback=undone) as session,
        ):
            joined = InSession(self._database, session)
            inside = Plane(replace(self._surface, plans=False), joined, self._functions, keeps_keys=False)
            return await work(inside, joined.run)

    async def _item(self, request: DataRequest) -> Reply:
        asked = item_request(request, self._surface)
        if request.method == "OPTIONS":
            methods = item_methods(self._surface.catalog.tables[asked.path])
            return Reply(200, ((b"allow", methods.encode()),))
        try:
            reply = await self._unchanged(asked) if is_empty_change(asked) else await self._rows(asked)
        except PlanError as error:
            if error.code == "PGRST116":
                raise no_item(request) from None
            raise
        return item_reply(request, reply)

    async def _unchanged(self, request: DataRequest) -> Reply:
        """A change of an item that sets nothing: the table's update would not even look whether there is a row."""
        read = await self._rows(request._replace(method="GET", body=b""))
        if "return=representation" in (request.header(b"prefer") or ""):
            return read
        return Reply(204)

    async def _batch(self, request: DataRequest) -> Reply:
        operations, inside = parse_batch(request.body), self._inside
        most = self._surface.budget.answer_bytes

        def run(answer: Callable[[DataRequest], Awaitable[Reply]]) -> Coroutine[Any, Any, Reply]:
            return run_batch(request, operations, answer, answer_bytes=most)

        reads = all(operation.method in _READING for operation in operations)
        if not isinstance(self._database, Joined):
            # Inside the transaction a plan would be made on the event loop, or while everybody waits for the writer.
            foreseen = foreseeable(request, operations)
            await self._surface.planner.make(request, lambda: _foresee(inside._data, foreseen))
        if isinstance(self._database, Joined):
            reply = await run(self._any)
        elif self._functions_of(request):
            reply = await self._in_session(
                request,
                lambda inside, below: _mixed(run(inside._any), below),
                read_only=reads,
            )
        elif reads:
            reply = await self._database.snapshot(lambda: steps_of(lambda: run(inside._any)))
        else:
            reply = await self._database.transact(
                lambda: steps_of(lambda: run(inside._any)),
                rollback=self._surface.undoes(request),
            )
        told = applied(Preferences(tx=self._surface.preferences(request).tx))
        return (
            reply if told is None else reply._replace(headers=(*reply.headers, (b"preference-applied", told.encode())))
        )

    def _is_batch(self, request: DataRequest) -> bool:
        return request.method == "POST" and self._names_batch(request)

    def _names_batch(self, request: DataRequest) -> bool:
        surface = self._surface
        return request.path == "batch" and not surface.stands_in and "batch" not in surface.catalog.tables

    async def _rows(self, request: DataRequest) -> Reply:
        headers = request.headers
        # In PostgREST's place, a path, a parameter or a body alone means what it means there.
        own, paged = not self._surface.stands_in, b"page=keyset" in headers.get(b"prefer", b"")
        if self._is_batch(request):
            return await self._batch(request)
        if self._names_batch(request):
            return _no_batch(request)
        match request.method:
            case "GET" | "HEAD" if paged or (own and b"cursor=" in request.query):
                query, token = split_cursor(request.query)
                if token is None and not paged:
                    return self._with_tag(request, await self._data.answer(request))
                return await self._keysets.answer(request._replace(query=query), token)
            case "GET" | "HEAD":
                return self._with_tag(request, await self._data.answer(request))
            case "PATCH" | "PUT" | "DELETE" if b"if-match" in headers or b"if-none-match" in headers:
                inside = self._inside._conditional
                reply = await self._database.transact(
                    lambda: steps_of(lambda: inside.answer(request)), rollback=self._surface.undoes(request)
                )
                return self._with_tag(request, reply)
            case "POST" if headers.get(b"if-none-match", b"").strip() == b"*":
                return await self._conditional.create(request)
            case "POST" if own and not request.path.startswith("rpc/"):
                return await self._insert(request)
            case "PATCH" | "PUT":
                return self._with_tag(request, await self._data.answer(request))
            case _:
                return await self._data.answer(request)

    async def _insert(self, request: DataRequest) -> Reply:
        try:
            return await self._data.answer(request)
        except PlanError as error:
            # A relation is no column: the plan refuses it before anything is written.
            if error.code != "PGRST204":
                raise
            joined = isinstance(self._database, Joined)
            tree = await self._surface.planner.make(request, lambda: self._nested.read(request), inside=joined)
            if tree is None:
                raise
        inside = self._inside._nested
        return await self._database.transact(
            lambda: steps_of(lambda: inside.insert(tree)), rollback=self._surface.undoes(request)
        )

    def _with_tag(self, request: DataRequest, reply: Reply) -> Reply:
        """*reply* with an entity tag where it is one object of a table."""
        headers = reply.headers
        if reply.status != 200 or not headers or not headers[0][1].startswith(_OBJECT) or not reply.body:
            return reply
        table = self._surface.catalog.tables.get(request.path)
        if table is None:
            return reply
        version = table.column_for("version")
        tag = etag_of(reply.body, None if version is None else version.name, tagging_key(self._surface.keyring))
        reply = tagged(reply, tag)
        if request.method in ("GET", "HEAD"):
            return unless_known(reply, tag, request.header(b"if-none-match"))
        return reply


def _no_batch(request: DataRequest) -> Reply:
    """What another method than ``POST`` is told."""
    if request.method == "OPTIONS":
        return Reply(200, ((b"allow", b"OPTIONS,POST"),))
    raise RequestError("PGRST117", f"Unsupported HTTP method: {request.method}", hint="Send a batch by POST.")


async def _mixed(waiting: Coroutine[Any, Any, Reply], run: Run) -> Reply:
    return await run_mixed(waiting, run)


def _foresee(data: Data, requests: Sequence[DataRequest]) -> None:
    """Make the plans of *requests*; what refuses one refuses it in its turn.

    Raises:
        RequestError: BST413, when they have too little in common.
    """
    ends = time.thread_time() + _PLANNING_SECONDS
    for request in requests:
        if time.thread_time() > ends:
            raise RequestError(
                "BST413",
                "Too many different requests in one batch",
                hint="Send fewer, or ask alike: what only differs in its values is planned once.",
            )
        with contextlib.suppress(BackstayError):
            data.foresee(request)
