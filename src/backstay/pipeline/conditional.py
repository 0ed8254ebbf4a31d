"""Writes under a precondition: judged and done in one transaction.

1. The row is locked before it is compared, so that no other writer comes between (SQLite has one writer anyway).
   Who may not write it may not lock it, and no more than two rows are locked where a URL means many.
2. ``If-Match`` on a row that is not there: BST412, for an item BST404.
3. ``If-None-Match: *`` creates or fails; the database's own constraint decides, so that a race has one winner.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Final, Literal

import msgspec

from backstay.catalog import Table
from backstay.db.statement import Database, Steps
from backstay.errors import DatabaseError, PlanError, RequestError
from backstay.pipeline.data import Data
from backstay.pipeline.etag import Tags, etag_of, failed, parse_tags, tagging_key
from backstay.pipeline.remember import Remembered, room_of
from backstay.pipeline.request import DataRequest
from backstay.pipeline.sealed import Opener, looked_with, opener
from backstay.pipeline.surface import Surface
from backstay.plan.opening import opening_of
from backstay.plan.scope import find_table
from backstay.plan.shape import shape_of
from backstay.plan.write import plan_lock
from backstay.request import parse_query
from backstay.request.name import quote
from backstay.response.reply import Reply
from backstay.response.rows import not_single
from backstay.sql.prepared import Prepared, prepare
from backstay.sql.write import lock_sql

_OBJECT: Final = b"application/vnd.pgrst.object+json"
_JUDGED: Final = frozenset((b"if-match", b"if-none-match", b"prefer", b"range"))
#: A precondition is about one row; the second one says that there are more.
_LOCKED: Final = 2
_WRITINGS: Final[Mapping[str, Literal["update", "delete"]]] = {"PATCH": "update", "PUT": "update", "DELETE": "delete"}


class Conditional:
    """Answers writes with ``If-Match`` or ``If-None-Match``.  `answer` must run inside a transaction."""

    def __init__(self, surface: Surface, database: Database, data: Data) -> None:
        self._surface = surface
        self._database = database
        self._data = data
        self._locks: Remembered[Hashable, tuple[Prepared, Opener | None]] = Remembered(
            512, weigh=lambda known: room_of(known[0], *looked_with(known[1]))
        )

    async def answer(self, request: DataRequest) -> Reply:
        """Lock the row of *request*, judge its preconditions, and answer it.

        Raises:
            DatabaseError: BST412, when one does not hold; nothing is changed.
            PlanError: PGRST116, when there is not exactly one row and the client asked for one object.
        """
        match, none_match = request.header(b"if-match"), request.header(b"if-none-match")
        table = find_table(self._surface.scope(request.principal), request.path)
        if table.read_only or _WRITINGS[request.method] not in table.writes:
            # Nothing of it can be changed, nor locked: the write itself says so.
            return await self._data.answer(request)
        creates = none_match is not None and request.method == "PUT" and parse_tags(none_match).any
        if not creates:
            # What is only made new finds no row, and the right to make one is none to keep others from theirs.
            await self._lock(request)
        tag = await self._tag(request, table)
        if match is not None and not await self._matches(parse_tags(match), tag, request, table):
            if tag is None and request.method != "PUT" and request.headers.get(b"accept", b"").startswith(_OBJECT):
                # Without the precondition it would have failed too, and that comes first (RFC 9110 §13.2.1).
                raise not_single(0)
            raise failed(tag)
        if none_match is not None and tag is not None:
            tags = parse_tags(none_match)
            if tags.any or tag in tags.strong | tags.weak:
                raise failed(tag)
        headers = {
            name: value for name, value in request.headers.items() if name not in (b"if-match", b"if-none-match")
        }
        if creates:
            # Another writer may create the row just now: an insert fails then, where PUT would merge.
            headers[b"if-none-match"] = b"*"
            return await self.create(request._replace(headers=headers))
        return await self._data.answer(request._replace(headers=headers))

    async def create(self, request: DataRequest) -> Reply:
        """``POST`` or ``PUT`` with ``If-None-Match: *``: a new row, or nothing.

        Raises:
            DatabaseError: BST412, when a row with this key is there.
        """
        if "resolution=" in (request.header(b"prefer") or ""):
            raise RequestError(
                "BST400", "If-None-Match: * and a resolution of duplicates contradict each other", hint="Send one."
            )
        try:
            return await self._data.answer(request)
        except DatabaseError as error:
            if error.code == "23505":
                raise failed(None) from None
            raise

    async def _lock(self, request: DataRequest) -> None:
        surface = self._surface
        query = parse_query(request.query.decode("utf-8", "surrogateescape"), limits=surface.limits).query
        shape, values = shape_of(query)
        key = (request.method, request.path, shape, request.principal.kind)
        known = self._locks.get(key)
        if known is None:
            plan = plan_lock(request.path, shape, surface.scope(request.principal), _WRITINGS[request.method])
            opens = opener(opening_of(None, plan.rows), surface) if surface.seals else None
            known = self._locks.put(
                key, (prepare(lock_sql(plan, surface.dialect, _LOCKED), surface.dialect.compiler), opens)
            )
        prepared, opens = known
        statement = prepared.bind(values if opens is None else opens.values(values), request.principal)

        def steps() -> Steps[None]:
            yield statement

        await self._database.transact(steps)

    async def _tag(self, request: DataRequest, table: Table) -> str | None:
        """The entity tag that ``GET`` of the same URL has now; ``None`` where it has no single row."""
        reply = await self._read(request, request.query)
        if reply is None:
            return None
        version = table.column_for("version")
        return etag_of(reply.body, None if version is None else version.name, tagging_key(self._surface.keyring))

    async def _matches(self, tags: Tags, tag: str | None, request: DataRequest, table: Table) -> bool:
        if tag is None:
            return False
        version = table.column_for("version")
        if tags.any or tag in tags.strong:
            return True
        if version is None or not tags.versions:
            return False
        select = b"select=" + quote(version.name).encode()
        rest = b"&".join(part for part in request.query.split(b"&") if not part.startswith(b"select="))
        reply = await self._read(request, select + b"&" + rest if rest else select)
        return reply is not None and msgspec.json.decode(reply.body).get(version.name) in tags.versions

    async def _read(self, request: DataRequest, query: bytes) -> Reply | None:
        headers = {name: value for name, value in request.headers.items() if name not in _JUDGED}
        if not headers.get(b"accept", b"").startswith(_OBJECT):
            headers[b"accept"] = _OBJECT
        if b"content-profile" in headers:
            headers[b"accept-profile"] = headers[b"content-profile"]
        # What is only for writes means nothing to a read.
        try:
            return await self._data.answer(request._replace(method="GET", query=query, headers=headers, body=b""))
        except PlanError as error:
            if error.code != "PGRST116":
                raise
            return None
