"""Writes under a precondition: judged and done in one transaction.

1. The row is locked before it is compared, so that no other writer comes between (SQLite has one writer anyway).
   Who may not write it may not lock it, and no more than two rows are locked where a URL means many.
2. ``If-Match`` on a row that is not there: BST412, for an item BST404.
3. ``If-None-Match: *`` creates or fails; the database's own constraint decides, so that a race has one winner.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal
from urllib.parse import quote, unquote_to_bytes

import msgspec

from backstay.catalog import Table
from backstay.db.statement import Database, Statement
from backstay.db.violation import ConstraintError
from backstay.errors import PlanError, RequestError
from backstay.pipeline.data import Data
from backstay.pipeline.etag import Tags, etag_of, failed, parse_tags, tagging_key
from backstay.pipeline.plans import Known, Plans, known, once
from backstay.pipeline.refusal import is_of_key
from backstay.pipeline.request import DataRequest
from backstay.pipeline.surface import Surface
from backstay.plan.scope import find_table
from backstay.plan.shape import shape_of
from backstay.plan.write import plan_lock
from backstay.request import negotiate
from backstay.request.media import Media, media_type
from backstay.request.name import quote as quote_name
from backstay.request.prefer import parse_prefer
from backstay.response.reply import Reply
from backstay.response.rows import not_single
from backstay.sql.write import lock_sql

_OBJECT: Final = "application/vnd.pgrst.object+json"
#: What the version is called where it is read beside what the URL selects.
_VERSION: Final = "__backstay_version"
#: A precondition is about one row; the second one says that there are more.
_LOCKED: Final = 2
_WRITINGS: Final[Mapping[str, Literal["update", "delete"]]] = {"PATCH": "update", "PUT": "update", "DELETE": "delete"}


class Conditional:
    """Answers writes with ``If-Match`` or ``If-None-Match``.  `answer` must run inside a transaction."""

    def __init__(self, surface: Surface, database: Database, data: Data) -> None:
        self._surface = surface
        self._database = database
        self._data = data
        self._locks: Plans[Known] = Plans(512, lambda found: found.room)

    async def answer(self, request: DataRequest) -> Reply:
        """Lock the row of *request*, judge its preconditions, and answer it.

        Raises:
            DatabaseError: BST412, when one does not hold; nothing is changed.
            PlanError: PGRST116, when there is not exactly one row and the client asked for one object.
        """
        match, none_match = request.header(b"if-match"), request.header(b"if-none-match")
        table = find_table(self._surface.scope(request.principal), request.path)
        if _is_fixed(table, request):
            return await self._data.answer(request)
        creates = _creates(request)
        if not creates:
            await self._database.fetch_all(self._lock(request))
        tag = await self._tag(request, table)
        if match is not None and not await self._matches(parse_tags(match), tag, request, table):
            if tag is None and request.method != "PUT" and self._media(request).kind == "object":
                # Without the precondition it would have failed too, and that comes first (RFC 9110 §13.2.1).
                raise not_single(0)
            raise failed(tag)
        if none_match is not None and tag is not None:
            tags = parse_tags(none_match)
            if tags.any or tag in tags.strong | tags.weak:
                raise failed(tag)
        write = _write(request)
        return await (self._create(write) if creates else self._data.answer(write))

    def foresee(self, request: DataRequest) -> None:
        """Make the plans that answering *request* takes.

        Raises:
            BackstayError: what would refuse it.
        """
        table = find_table(self._surface.scope(request.principal), request.path)
        if not _is_fixed(table, request):
            if not _creates(request):
                self._lock(request)
            self._data.foresee(self._reading(request, request.query))
            match, version = request.header(b"if-match"), self._version(request, table)
            if match is not None and version is not None and parse_tags(match).versions:
                self._data.foresee(self._reading(request, _selecting(version, request.query)))
        self._data.foresee(_write(request))

    async def insert(self, request: DataRequest) -> Reply:
        """``POST``, with or without ``If-None-Match: *``, which makes new rows, or none.

        Raises:
            DatabaseError: BST412, when a row with this key is there.
        """
        creates = request.headers.get(b"if-none-match", b"").strip() == b"*"
        return await (self._create(request) if creates else self._data.answer(request))

    async def _create(self, request: DataRequest) -> Reply:
        if parse_prefer(request.header(b"prefer")).resolution is not None:
            raise RequestError(
                "BST400", "If-None-Match: * and a resolution of duplicates contradict each other", hint="Send one."
            )
        try:
            return await self._data.answer(request)
        except ConstraintError as error:
            if is_of_key(error, find_table(self._surface.scope(request.principal), request.path)):
                raise failed(None) from None
            raise

    def _lock(self, request: DataRequest) -> Statement:
        """What locks the row of *request*."""
        return once(request, self, lambda: self._locking(request))

    def _locking(self, request: DataRequest) -> Statement:
        surface, action = self._surface, _WRITINGS[request.method]
        shape, values = shape_of(surface.query(request))

        def make() -> Known:
            plan = plan_lock(request.path, shape, surface.scope(request.principal), action)
            return known(surface, None, "json", lambda _: lock_sql(plan, surface.dialect, _LOCKED), plan.rows)

        return self._locks.of(request, (action, request.path, shape), make).bind(values, request.principal)

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
        if tags.any or tag in tags.strong:
            return True
        version = self._version(request, table)
        if version is None or not tags.versions:
            return False
        reply = await self._read(request, _selecting(version, request.query))
        return reply is not None and msgspec.json.decode(reply.body).get(_VERSION) in tags.versions

    def _version(self, request: DataRequest, table: Table) -> str | None:
        """The column of *table* that a tag may name the value of; ``None`` where this caller reads none."""
        version = table.column_for("version")
        readable = self._surface.scope(request.principal).grant("read", table).columns
        return version.name if version is not None and version.name in readable else None

    def _media(self, request: DataRequest) -> Media:
        return negotiate(request.header(b"accept"), self._surface.offers(request.principal))

    def _reading(self, request: DataRequest, query: bytes) -> DataRequest:
        """The ``GET`` of the same URL with *query*, of one object."""
        media, read = self._media(request), request.reading(plainly=True)
        accept = media_type(media) if media.kind == "object" else _OBJECT
        return read._replace(query=query, headers={**read.headers, b"accept": accept.encode()})

    async def _read(self, request: DataRequest, query: bytes) -> Reply | None:
        try:
            return await self._data.answer(self._reading(request, query))
        except PlanError as error:
            if error.code != "PGRST116":
                raise
            return None


def _is_fixed(table: Table, request: DataRequest) -> bool:
    """Whether nothing of *table* can be changed so, nor locked: the write itself says so."""
    return table.read_only or _WRITINGS[request.method] not in table.writes


def _creates(request: DataRequest) -> bool:
    """Whether *request* puts a new row or none.  It finds none to lock, and gives no right to keep others from one."""
    tags = request.header(b"if-none-match")
    return tags is not None and request.method == "PUT" and parse_tags(tags).any


def _write(request: DataRequest) -> DataRequest:
    """*request* when its preconditions hold."""
    headers = {name: value for name, value in request.headers.items() if name not in (b"if-match", b"if-none-match")}
    if _creates(request):
        # Another writer may create the row just now: an insert fails then, where PUT would merge.
        headers[b"if-none-match"] = b"*"
    return request._replace(headers=headers)


def _selecting(column: str, query: bytes) -> bytes:
    """*query*, which selects *column* besides, as `_VERSION`: what else it selects is what it may filter by."""
    pairs = [part for part in query.split(b"&") if part]
    selects = [part for part in pairs if unquote_to_bytes(part.partition(b"=")[0]) == b"select"]
    asked = (selects[0].partition(b"=")[2] if selects else b"") or b"*"
    select = b"select=%s,%s:%s" % (asked, _VERSION.encode(), quote(quote_name(column)).encode())
    return b"&".join((select, *(part for part in pairs if part not in selects)))
