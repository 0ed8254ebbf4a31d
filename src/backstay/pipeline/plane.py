"""The whole data plane: `Data`, and around it what PostgREST does not have.

Everything here is asked for by a header, a path or a parameter that PostgREST's clients do not send, so that they
notice nothing.  Each feature is a file; this one only chooses.  What needs several steps in one transaction answers
through a second plane that works inside of it (``pipeline/unit.py``).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from backstay.catalog import Function
from backstay.db.statement import Database
from backstay.db.transaction import run_inside, steps_of
from backstay.db.violation import ConstraintError
from backstay.errors import BackstayError, PlanError, RequestError, Unjudged
from backstay.pipeline.batch import Operation, foreseeable, parse_batch, run_batch
from backstay.pipeline.compared import Compared
from backstay.pipeline.conditional import Conditional
from backstay.pipeline.data import Data
from backstay.pipeline.describe import Described
from backstay.pipeline.etag import etag_of, tagged, tagging_key, unless_known
from backstay.pipeline.idempotency import Keys, parse_key
from backstay.pipeline.item import is_empty_change, item_reply, item_request, methods_of, no_item, not_theirs
from backstay.pipeline.keyset import Keysets, split_cursor
from backstay.pipeline.nested import Nested, Tree
from backstay.pipeline.planner import is_long
from backstay.pipeline.plans import once
from backstay.pipeline.refusal import told_alone
from backstay.pipeline.request import Ahead, DataRequest
from backstay.pipeline.sealed import look_ahead
from backstay.pipeline.surface import Surface
from backstay.pipeline.unit import InSession, Joined
from backstay.pipeline.unjudged import is_unjudged
from backstay.request.prefer import Preferences, applied, parse_prefer
from backstay.response.reply import Reply

_READING: Final = frozenset(("GET", "HEAD", "OPTIONS"))
#: What changes an item that is there: where none was changed, it is looked for.
_CHANGING: Final = frozenset(("PATCH", "DELETE"))
_UNSAFE: Final = frozenset(("POST", "PATCH", "PUT", "DELETE"))
_OBJECT: Final = b"application/vnd.pgrst.object"


@dataclass(frozen=True, slots=True)
class _Nesting:
    """The nested insert that a request is; ``None`` where it is none."""

    tree: Tree | None


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
        self._inner = isinstance(database, Joined)
        self._keysets = Keysets(surface, database)
        self._conditional = Conditional(surface, database, self._data)
        self._nested = Nested(surface, database, self._data, self._conditional.insert)

    async def answer(self, request: DataRequest) -> Reply:
        """Answer one request.

        Raises:
            BackstayError: whatever refuses it, with its code.
        """
        if self._surface.seals:
            request = request._replace(compared=Compared(self._surface.budget.database_seconds))
        try:
            operations = None
            if self._is_batch(request):
                content_type = request.header(b"content-type")
                operations = await self._surface.planner.make(request, lambda: parse_batch(request.body, content_type))
            # A batch that writes nothing may be done again, and must not hold writers up.
            keyed = b"idempotency-key" in request.headers and request.method in _UNSAFE
            if keyed and (operations is None or not _only_reads(operations)):
                return await self._once(request, operations)
            return await self._any(request, operations)
        except BackstayError as error:
            if is_unjudged(error, self._surface.rules, request.principal):
                raise Unjudged from error
            if isinstance(error, ConstraintError) and not error.told:
                # Of the end of a transaction, where deferred constraints are looked at: no operation has told it.
                raise told_alone(error, self._surface.scope(request.principal)) from error
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

    async def _any(self, request: DataRequest, operations: Sequence[Operation] | None = None) -> Reply:
        """Answer *request*, a batch of *operations* where there are some: no operation of a batch has any."""
        if operations is not None:
            return await self._batch(request, operations)
        if self._names_batch(request):
            return _no_batch(request)
        if self._is_item(request):
            return await self._item(request)
        return await self._rows(request)

    def foresee(self, request: DataRequest, operations: Sequence[Operation] | None = None) -> None:
        """Make the plans that answering *request* takes; whatever refuses it does so in its turn."""
        for one in (request,) if operations is None else foreseeable(request, operations):
            try:
                self._foresee(one)
            except BackstayError:
                # All of them are refused with it, at the latest; what is not known yet may still be right.
                if one.made is not None:
                    return

    def _foresee(self, request: DataRequest) -> None:
        if self._is_item(request):
            request = item_request(request, self._surface)
            if is_empty_change(request):
                request = request.reading(plainly=False)
            elif request.method in _CHANGING:
                with contextlib.suppress(BackstayError):
                    self._data.foresee(request.reading(plainly=True))
        page = self._page(request)
        if page is not None:
            self._keysets.plan(*page)
        elif _is_conditional(request):
            self._conditional.foresee(request)
        else:
            try:
                self._data.foresee(request)
            except PlanError as error:
                tree = self._tree(request, error)
                if tree is None:
                    raise
                self._nested.foresee(tree)

    async def _within(
        self,
        request: DataRequest,
        work: Callable[[DataRequest], Coroutine[Any, Any, Reply]],
        foresee: Callable[[DataRequest], None],
        *,
        calls: Sequence[Function] = (),
        reads: bool = False,
    ) -> Reply:
        """*work* in one transaction, that around where there is one; what it asks of `Joined` is a part of it.

        Its plans are made before: in there, nobody could be let by meanwhile.  *calls* are the functions that it calls,
        which wait for more than the database.
        """
        if self._inner:
            return await work(request)
        ahead = Ahead()
        ready, long = request._replace(ahead=ahead, made={}), is_long(request)

        def foreseeing() -> None:
            ahead.looks.clear()
            foresee(ready)

        await self._surface.planner.make(ready, foreseeing)
        if not reads:
            await look_ahead(ready, self._database, self._surface)
        ahead.begun = True
        undone = self._surface.undoes(request)
        if calls:
            threaded = any(not function.is_async for function in calls)
            async with (
                self._surface.workers.place() if threaded else contextlib.nullcontext(),
                self._database.session(read_only=reads, rollback=undone, isolated=ahead.isolated) as session,
            ):
                around = InSession(self._database, session, self._surface.planner.beside)
                return await around.answer(work(ready))
        if reads:
            return await self._database.snapshot(lambda: steps_of(lambda: work(ready)), long=long)
        return await self._database.transact(
            lambda: steps_of(lambda: work(ready)), rollback=undone, isolated=ahead.isolated, long=long
        )

    async def _once(self, request: DataRequest, operations: Sequence[Operation] | None) -> Reply:
        """*request*, or its stored answer where its ``Idempotency-Key`` was here before."""
        keys = self._keys
        if keys is None:
            raise PlanError(
                "PGRST127",
                "Feature not implemented",
                details="This database is served as it is: there is no table for the keys of Idempotency-Key.",
            )
        key, calls = parse_key(request.header(b"idempotency-key") or ""), self._functions_of(request, operations)
        scope, inside = keys.scope(request, calls=bool(calls)), self._inside

        def work(ready: DataRequest) -> Coroutine[Any, Any, Reply]:
            return keys.once(ready, scope, key, lambda: inside._any(ready, operations), run_inside)

        def foresee(ready: DataRequest) -> None:
            inside.foresee(ready, operations)

        return await keys.alone(scope, key, lambda: self._within(request, work, foresee, calls=calls))

    def _functions_of(self, request: DataRequest, operations: Sequence[Operation] | None) -> list[Function]:
        """The Python functions that run inside the transaction of *request*, which waits for more than the database."""
        paths = [request.path] if operations is None else [operation.path for operation in operations]
        named = [path[4:] for path in paths if path.startswith("rpc/")]
        return [self._functions[name] for name in named if name in self._functions]

    def _is_item(self, request: DataRequest) -> bool:
        return "/" in request.path and not request.path.startswith("rpc/") and not self._surface.stands_in

    async def _item(self, request: DataRequest) -> Reply:
        asked = item_request(request, self._surface)
        if request.method == "OPTIONS":
            methods = methods_of(self._surface.catalog.tables[asked.path], item=True)
            return Reply(200, ((b"allow", methods.encode()),))
        try:
            reply = await self._unchanged(asked) if is_empty_change(asked) else await self._rows(asked)
        except PlanError as error:
            if error.code == "PGRST116":
                raise await self._no_item(request, asked) from None
            raise
        return item_reply(request, reply)

    async def _no_item(self, request: DataRequest, asked: DataRequest) -> BackstayError:
        """Why *asked* found nothing: a row that the caller may read is there, and not the caller's to change."""
        if request.method in _CHANGING:
            with contextlib.suppress(BackstayError):
                await self._data.answer(asked.reading(plainly=True))
                return not_theirs(request)
        return no_item(request)

    async def _unchanged(self, request: DataRequest) -> Reply:
        """A change of an item that sets nothing: the table's update would not even look whether there is a row."""
        read = await self._rows(request.reading(plainly=False))
        return read if parse_prefer(request.header(b"prefer")).returning == "representation" else Reply(204)

    async def _batch(self, request: DataRequest, operations: Sequence[Operation]) -> Reply:
        inside, most = self._inside, self._surface.budget.answer_bytes
        reply = await self._within(
            request,
            lambda ready: run_batch(ready, operations, inside._any, answer_bytes=most),
            lambda ready: inside.foresee(ready, operations),
            calls=self._functions_of(request, operations),
            reads=_only_reads(operations),
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
        match request.method:
            case "GET" | "HEAD":
                page = self._page(request)
                if page is not None:
                    return await self._keysets.answer(*page)
                return self._with_tag(request, await self._data.answer(request))
            case "PATCH" | "PUT" | "DELETE" if _is_conditional(request):
                inside = self._inside._conditional
                return self._with_tag(request, await self._within(request, inside.answer, self._inside.foresee))
            case "POST" if not request.path.startswith("rpc/"):
                return await self._insert(request)
            case "PATCH" | "PUT":
                return self._with_tag(request, await self._data.answer(request))
            case _:
                return await self._data.answer(request)

    def _page(self, request: DataRequest) -> tuple[DataRequest, str | None] | None:
        """The page by key that *request* asks for, and its cursor; ``None`` where it asks for none."""
        paged = parse_prefer(request.header(b"prefer")).page is not None
        if not paged and (b"cursor=" not in request.query or self._surface.stands_in):
            return None
        if request.method not in ("GET", "HEAD"):
            return None
        query, token = split_cursor(request.query)
        return (request._replace(query=query), token) if paged or token is not None else None

    async def _insert(self, request: DataRequest) -> Reply:
        try:
            return await self._conditional.insert(request)
        except PlanError as refused:
            error, inner = refused, self._inner
            tree = await self._surface.planner.make(request, lambda: self._tree(request, error), inside=inner)
            if tree is None:
                raise
        inside = self._inside._nested
        return await self._within(
            request,
            lambda ready: inside.insert(replace(tree, request=ready)),
            lambda ready: inside.foresee(replace(tree, request=ready)),
        )

    def _tree(self, request: DataRequest, error: PlanError) -> Tree | None:
        """The nested insert that *request* is, if it was refused by *error* because a relation is no column.

        The plan refuses that before anything is written.
        """
        # In PostgREST's place, a path, a parameter or a body alone means what it means there.
        if error.code != "PGRST204" or request.method != "POST" or self._surface.stands_in:
            return None
        return once(request, self, lambda: _Nesting(self._nested.read(request))).tree

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


def _only_reads(operations: Sequence[Operation]) -> bool:
    return all(operation.method in _READING for operation in operations)


def _is_conditional(request: DataRequest) -> bool:
    """Whether *request* changes rows under a precondition, which is judged in its transaction."""
    if b"if-match" not in request.headers and b"if-none-match" not in request.headers:
        return False
    return request.method in ("PATCH", "PUT", "DELETE")
