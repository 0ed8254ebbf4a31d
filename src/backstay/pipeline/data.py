"""One data request from its parts to its reply: the file to read first.

``HTTP → request → plan → sql → db → response → HTTP``.  Reading, writing, calling and describing are a file
each; this one only chooses.
"""

from __future__ import annotations

from collections.abc import Mapping

from backstay.catalog import Function
from backstay.db.statement import Database
from backstay.db.violation import ConstraintError
from backstay.errors import DatabaseError, RequestError
from backstay.pipeline.call import Calls
from backstay.pipeline.describe import Described, Descriptions
from backstay.pipeline.first import tells_first, uncomputed
from backstay.pipeline.item import methods_of
from backstay.pipeline.read import Reads
from backstay.pipeline.refusal import told_alone
from backstay.pipeline.request import DataRequest
from backstay.pipeline.routine import Routines
from backstay.pipeline.surface import Surface
from backstay.pipeline.write import Writes
from backstay.plan.scope import find_table
from backstay.response.reply import Reply


class Data:
    """The data plane over one database."""

    def __init__(
        self,
        surface: Surface,
        database: Database,
        functions: Mapping[str, Function],
        described: Described | None = None,
    ) -> None:
        self._surface = surface
        self._functions = functions
        self._computed = frozenset().union(*(table.computed for table in surface.catalog.tables.values()))
        self._reads = Reads(surface, database)
        self._writes = Writes(surface, database)
        self._calls = Calls(surface, database, functions)
        self._routines = Routines(surface, database)
        self._descriptions = Descriptions(surface, functions, described or Described())

    async def answer(self, request: DataRequest) -> Reply:
        """Answer one request.

        Raises:
            BackstayError: whatever refuses it, with its code.
        """
        try:
            return await self._answer(request)
        except DatabaseError as error:
            if tells_first(error, request.query_text, self._computed, self._surface.limits):
                raise uncomputed() from error
            raise

    async def _answer(self, request: DataRequest) -> Reply:
        if request.path.startswith("rpc/"):
            return await self._call(request, request.path[4:])
        if not request.path:
            # Of hundreds of tables it is as much work as many plans.
            return await self._surface.planner.make(request, lambda: self._descriptions.answer(request))
        match request.method:
            case "GET" | "HEAD":
                return await self._reads.answer(request)
            case "POST" | "PATCH" | "PUT" | "DELETE":
                return await self._writes.answer(request)
            case "OPTIONS":
                return self._options(request)
            case method:
                raise RequestError("PGRST117", f"Unsupported HTTP method: {method}")

    async def _call(self, request: DataRequest, name: str) -> Reply:
        try:
            return await (self._routines if self._is_routine(name) else self._calls).answer(request, name)
        except ConstraintError as error:
            raise told_alone(error, self._surface.scope(request.principal)) from error

    def foresee(self, request: DataRequest) -> None:
        """Make the plan of *request* ahead.

        Raises:
            BackstayError: what would refuse it.
        """
        name = request.path[4:] if request.path.startswith("rpc/") else None
        if name is not None:
            (self._routines if self._is_routine(name) else self._calls).foresee(request, name)
        elif request.path and request.method != "OPTIONS":
            (self._reads if request.method in ("GET", "HEAD") else self._writes).foresee(request)

    def _is_routine(self, name: str) -> bool:
        routines = self._surface.routines
        return routines is not None and (name in routines or name not in self._functions)

    def _options(self, request: DataRequest) -> Reply:
        scope = self._surface.scope(request.principal)
        self._surface.require_table(scope, request.path)
        allowed = methods_of(find_table(scope, request.path), item=False)
        return Reply(200, ((b"allow", allowed.encode()),))
