"""Pages by key: ``Prefer: page=keyset``, then the ``Link`` headers.

A page begins behind the last row of the one before, not at a number: rows that come and go meanwhile neither repeat nor
skip any, and the thousandth page costs what the first did.

1. The order is the client's with the primary key behind it, so that no two rows are equal.
2. A cursor holds the order's values of one row.  It becomes filters that the client could have written itself, judged
   by the same policies: it grants nothing, so it needs no secret.
3. It carries a digest over its values, the table, the order and the filters: one that belongs to another query, or
   that was changed by mistake, is refused.  Whoever can compute the digest may write one, which gives no more than
   filters would.
4. Pages of all but the usual sizes share a plan, as those of other reads do.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import msgspec

from backstay.catalog import Family, Table
from backstay.db.statement import Database, Row, Statement
from backstay.errors import PlanError, RequestError
from backstay.pipeline.plans import Known, Plans, known, once
from backstay.pipeline.request import DataRequest
from backstay.pipeline.surface import Surface
from backstay.pipeline.unit import Joined
from backstay.plan.read import plan_read
from backstay.plan.scope import find_table
from backstay.plan.shape import shape_of
from backstay.request import negotiate
from backstay.request.field import Field
from backstay.request.filters import Filter
from backstay.request.logic import Condition, Logic
from backstay.request.media import MediaKind
from backstay.request.order import OrderTerm
from backstay.request.page import Page
from backstay.request.read import Query
from backstay.request.select import ColumnItem
from backstay.response.reply import Reply
from backstay.response.rows import Frame, frame_read
from backstay.sql.select import select_rows

_LISTS: Final[frozenset[MediaKind]] = frozenset(("array", "csv"))
#: Values that text carries exactly, and that compare as they sort.
_SORTABLE: Final[frozenset[Family]] = frozenset(
    ("boolean", "integer", "float", "numeric", "text", "uuid", "timestamptz", "timestamp", "date", "time", "enum")
)
Way: TypeAlias = Literal["behind", "before"]
_WAYS: Final[dict[str, Way]] = {"n": "behind", "p": "before"}
_MARKS: Final[dict[Way, str]] = {"behind": "n", "before": "p"}
_KEY: Final = "__backstay_key_"
_DIGEST: Final = 9
_MOST_CHARS: Final = 4000


@dataclass(frozen=True, slots=True)
class Term:
    """One column of the order.  *nullable*: whether it may hold a null at all."""

    name: str
    descending: bool
    nulls_first: bool
    nullable: bool

    def turned(self) -> Term:
        return replace(self, descending=not self.descending, nulls_first=not self.nulls_first)


@dataclass(frozen=True, slots=True)
class Cursor:
    """The rows *behind* (or *before*) the row with these *values*, one text or null for each term of the order."""

    way: Way
    values: tuple[str | None, ...]


def split_cursor(query: bytes) -> tuple[bytes, str | None]:
    """The query string without its cursor, and the cursor.  ``cursor=eq.5`` is a filter: our cursors have no dot.

    >>> split_cursor(b"order=id&cursor=abc"), split_cursor(b"cursor=eq.5")
    ((b'order=id', 'abc'), (b'cursor=eq.5', None))
    """
    if b"cursor=" not in query:
        return query, None
    parts = query.split(b"&")
    ours = [part for part in parts if part.startswith(b"cursor=") and b"." not in part]
    if len(ours) != 1:
        return query, None
    return b"&".join(part for part in parts if part is not ours[0]), ours[0][7:].decode("ascii", "replace")


class Sought(NamedTuple):
    """A statement, bound with the values that are asked for."""

    known: Known
    values: tuple[Any, ...]
    statement: Statement


@dataclass(frozen=True, slots=True)
class Asked:
    """A page as asked: *size* rows, one more of which *page* looks for; *terms* are how many its order has."""

    terms: int
    cursor: Cursor | None
    size: int
    bound: bytes
    frame: Frame
    page: Sought
    total: Sought | None


class Keysets:
    """Answers reads page by page."""

    def __init__(self, surface: Surface, database: Database) -> None:
        self._surface = surface
        self._database = database
        self._inside = isinstance(database, Joined)
        self._plans: Plans[Known] = Plans(512, lambda found: found.room)

    async def answer(self, request: DataRequest, token: str | None) -> Reply:
        """One page; *token* is ``None`` or empty for the first.

        Raises:
            RequestError: PGRST100 (the cursor is not one for this query, or comes with an offset), PGRST107.
            PlanError: PGRST127 (no primary key, or an order that has no cursor), and those of every read.
        """
        surface, inside = self._surface, self._inside
        asked = await surface.planner.make(request, lambda: self.plan(request, token), inside=inside)
        cursor, size, convert = asked.cursor, asked.size, asked.frame.convert
        row = await self._fetch(request, asked.page)
        body, warning = asked.page.known.page(row[0])
        rows = msgspec.json.decode(body, type=list[dict[str, msgspec.Raw]])
        more, rows = len(rows) > size, rows[: max(size, 0)]
        if cursor is not None and cursor.way == "before":
            rows.reverse()
        total = None if asked.total is None else int((await self._fetch(request, asked.total))[2])
        body, keys = _without_keys(rows, asked.terms)
        if convert is not None:
            plain = body
            body = await surface.planner.render(len(body), lambda: convert(plain), inside=inside)
        shown = f"0-{len(rows) - 1}" if rows and cursor is None else "*"
        headers = [*asked.frame.headers, (b"content-range", f"{shown}/{'*' if total is None else total}".encode())]
        if link := _links(request.query, keys, cursor, more, asked.bound):
            headers.append((b"link", link))
        headers += warning
        status = 206 if total is not None and len(rows) < total else 200
        return Reply(status, tuple(headers), body.encode(), rows=len(rows))

    def plan(self, request: DataRequest, token: str | None) -> Asked:
        """What is asked for, planned and bound; it raises as `answer` does."""
        return once(request, (self, token), lambda: self._asked(request, token))

    def _asked(self, request: DataRequest, token: str | None) -> Asked:
        surface = self._surface
        preferences = surface.preferences(request)
        profile = surface.check_profile(request.header(b"accept-profile"))
        query = surface.query(request)
        scope = surface.scope(request.principal)
        table = find_table(scope, request.path)
        media = negotiate(request.header(b"accept"), surface.offered & _LISTS)
        terms = _terms(query, table, scope.grant("read", table).columns)
        bound = _binding(table, query, terms)
        cursor = None if not token else _read(token, bound, terms)
        size = self._size(query)
        within = tuple(item for item in query.pages if item[0])
        total = None
        if preferences.count is not None:
            # The rows of all pages together.
            total = self._sought(request, replace(query, pages=(((), Page(0)), *within), orders=()), count=True)
        walked = [term.turned() for term in terms] if cursor is not None and cursor.way == "before" else terms
        where = () if cursor is None else (((), _behind(walked, cursor.values)),)
        paged = replace(
            query,
            items=(*query.items, *(ColumnItem(Field(term.name), f"{_KEY}{i}") for i, term in enumerate(terms))),
            conditions=(*query.conditions, *where),
            orders=(((), tuple(map(_order, walked))), *(item for item in query.orders if item[0])),
            pages=(((), Page(size + 1 if size > 0 else size)), *within),
        )
        frame = frame_read(request.path, request.query_text, media, replace(preferences, page="keyset"), profile)
        return Asked(len(terms), cursor, size, bound, frame, self._sought(request, paged), total)

    def _most(self) -> int:
        return self._surface.max_rows if self._surface.max_rows is not None else 1000

    def _size(self, query: Query) -> int:
        if query.page.offset:
            raise RequestError("PGRST100", "A cursor and an offset contradict each other", hint="Send limit alone.")
        limit = query.page.limit
        return min(limit, self._most()) if isinstance(limit, int) else self._most()

    def _sought(self, request: DataRequest, query: Query, *, count: bool = False) -> Sought:
        surface = self._surface
        shape, values = shape_of(query)

        def make() -> Known:
            plan = plan_read(request.path, shape, surface.scope(request.principal), count=count)
            if plan.node.aggregated:
                raise _no_cursor("rows that an aggregate makes have no key")
            # One more than the largest page has, of whatever size this one is: that would be a plan for each size.
            most = self._most() + 1
            return known(surface, plan.node, "json", lambda form: select_rows(plan, surface.dialect, max_rows=most))

        found = self._plans.of(request, (request.path, shape, count), make)
        found.foreseen(request, values)
        return Sought(found, values, found.bind(values, request.principal))

    async def _fetch(self, request: DataRequest, sought: Sought) -> Row:
        await sought.known.look(sought.values, request, self._database, self._surface, inside=self._inside)
        return await self._database.fetch(sought.statement)


def _terms(query: Query, table: Table, visible: frozenset[str]) -> list[Term]:
    asked = next((terms for path, terms in query.orders if not path), ())
    if not table.primary_key or not visible.issuperset(table.primary_key):
        raise _no_cursor(f"{table.name} has no primary key that this caller sees")
    found: list[Term] = []
    for term in asked:
        # A hidden column is looked for like a missing one: the plan refuses both in the same words.
        column = table.columns.get(term.field.name) if term.field.name in visible else None
        if term.relation is not None or term.field.path or (column and column.family not in _SORTABLE):
            raise _no_cursor("the order must be by plain columns of the table itself")
        nulls_first = term.descending if term.nulls is None else term.nulls == "first"
        found.append(Term(term.field.name, term.descending, nulls_first, column is None or column.nullable))
    named = {term.name for term in found}
    return found + [Term(name, False, False, False) for name in table.primary_key if name not in named]


def _order(term: Term) -> OrderTerm:
    return OrderTerm(Field(term.name), None, term.descending, "first" if term.nulls_first else "last")


def _behind(terms: Sequence[Term], values: Sequence[str | None]) -> Condition:
    """The rows that come after *values*: for some term they are greater, and equal in every term before it."""
    ways: list[Condition] = []
    equal: list[Condition] = []
    for term, value in zip(terms, values, strict=True):
        after = _after(term, value)
        if after is not None:
            ways.append(Logic("and", (*equal, after)) if equal else after)
        field = Field(term.name)
        equal.append(Filter(field, "is", "null") if value is None else Filter(field, "eq", value))
    # The last term is a part of the primary key: it is never null, so there is a way.
    return Logic("or", tuple(ways))


def _after(term: Term, value: str | None) -> Condition | None:
    field = Field(term.name)
    if value is None:
        return Filter(field, "is", "not_null") if term.nulls_first else None
    greater = Filter(field, "lt" if term.descending else "gt", value)
    if term.nulls_first or not term.nullable:
        return greater
    return Logic("or", (greater, Filter(field, "is", "null")))


def _without_keys(rows: list[dict[str, msgspec.Raw]], terms: int) -> tuple[str, list[tuple[str | None, ...]]]:
    """The rows as JSON without the values that are only for the cursor, and these of the first and the last."""
    keys: list[tuple[str | None, ...]] = []
    for number, row in enumerate(rows):
        raw = [row.pop(f"{_KEY}{i}") for i in range(terms)]
        if number in (0, len(rows) - 1):
            keys.append(tuple(map(_text, raw)))
    return msgspec.json.encode(rows).decode(), keys


def _text(raw: msgspec.Raw) -> str | None:
    data = bytes(raw)
    if data == b"null":
        return None
    return str(json.loads(data)) if data.startswith(b'"') else data.decode()


def _links(query: bytes, keys: list[tuple[str | None, ...]], cursor: Cursor | None, more: bool, bound: bytes) -> bytes:
    if not keys:
        return b""
    before = cursor is not None and cursor.way == "before"
    links: list[bytes] = []
    # Whoever came from a page can go back to it.
    if before or more:
        links.append(_link(query, _write(Cursor("behind", keys[-1]), bound), b"next"))
    if (before and more) or (cursor is not None and not before):
        links.append(_link(query, _write(Cursor("before", keys[0]), bound), b"prev"))
    return b", ".join(links)


def _link(query: bytes, token: str, rel: bytes) -> bytes:
    """Relative to the URL of the request (RFC 8288 §3.1): the server need not know under which name it was asked."""
    rest = query.translate(None, b"<>\r\n\0 ")
    return b'<?%s%scursor=%s>; rel="%s"' % (rest, b"&" if rest else b"", token.encode(), rel)


def _binding(table: Table, query: Query, terms: Sequence[Term]) -> bytes:
    """What a cursor belongs to."""
    return repr((table.name, query.conditions, [(t.name, t.descending, t.nulls_first) for t in terms])).encode(
        "utf-8", "surrogatepass"
    )


def _write(cursor: Cursor, bound: bytes) -> str:
    payload = json.dumps([_MARKS[cursor.way], *cursor.values], ensure_ascii=False, separators=(",", ":")).encode()
    digest = blake2b(payload + bound, digest_size=_DIGEST).digest()
    return urlsafe_b64encode(digest + payload).decode().rstrip("=")


def _read(token: str, bound: bytes, terms: Sequence[Term]) -> Cursor:
    try:
        if len(token) > _MOST_CHARS:
            raise ValueError(token)
        data = urlsafe_b64decode(token + "=" * (-len(token) % 4))
        digest, payload = data[:_DIGEST], data[_DIGEST:]
        if digest != blake2b(payload + bound, digest_size=_DIGEST).digest():
            raise ValueError(token)
        way, *values = msgspec.json.decode(payload, type=list[str | None])
        if way is None or len(values) != len(terms):
            raise ValueError(token)
        found = Cursor(_WAYS[way], tuple(values))
    except (ValueError, KeyError, msgspec.DecodeError):
        raise RequestError(
            "PGRST100",
            "The cursor does not belong to this query",
            hint="Follow the Link headers as they are; begin anew after changing the order or a filter.",
        ) from None
    return found


def _no_cursor(details: str) -> PlanError:
    return PlanError("PGRST127", "Feature not implemented", details=f"There are no cursors here: {details}.")
