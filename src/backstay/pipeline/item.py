"""``/rest/v1/{table}/{key}``: one row by its primary key.

An item is the ordinary request for the table with a filter on each key column and one object as its representation, so
that nothing about policies, plans or statements is decided here.

1. The parts of a composite key stand in the order of the table's key, with commas between them; a comma or a slash
   inside a value is percent-encoded.
2. A key that no row can have, a row that is not there and a row that the caller may not see look alike: BST404.  A
   row that the caller sees and may not change is told as that, 42501: it tells nothing that a read would not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from backstay.catalog import Table
from backstay.errors import BackstayError, Forbidden, PlanError, RequestError
from backstay.pipeline.request import DataRequest
from backstay.pipeline.surface import Surface
from backstay.plan.coerce import coerce
from backstay.plan.scope import find_table
from backstay.request import negotiate
from backstay.request.media import MediaKind
from backstay.request.name import quote as quote_name
from backstay.response.reply import Reply

_OFFERED: Final[frozenset[MediaKind]] = frozenset(("array", "object"))
_OBJECT: Final = b"application/vnd.pgrst.object+json"
_JSON: Final = (b"content-type", b"application/json; charset=utf-8")

#: Headers of a page that say nothing about a single row.
_PAGE_HEADERS: Final = frozenset((b"content-range", b"content-location"))


def item_request(request: DataRequest, surface: Surface) -> DataRequest:
    """The request for the table that means the item of *request*.

    Raises:
        RequestError: PGRST125 (not an item's path), PGRST117 (``POST``), PGRST107 (neither JSON nor one object).
        PlanError: PGRST205 (no such table), BST404 (no such row).
    """
    name, key = _split(request)
    table = find_table(surface.scope(request.principal), name)
    if not table.primary_key or not key:
        raise RequestError("PGRST125", "Invalid path specified in request URL")
    if request.method == "POST":
        raise RequestError(
            "PGRST117",
            "Unsupported HTTP method: POST",
            hint="POST to the table; change a row with PATCH.",
            headers=(("Allow", methods_of(table, item=True)),),
        )
    filters = [
        f"{quote(quote_name(column), safe='')}=eq.{quote(value, safe='')}" for column, value in _keys(table, key)
    ]
    query = b"&".join([*(part.encode() for part in filters), *([request.query] if request.query else [])])
    return request._replace(path=name, query=query, headers=_headers(request, surface))


def methods_of(table: Table, *, item: bool) -> str:
    """The ``Allow`` header of *table*, or of an *item* of it."""
    writes = frozenset() if table.read_only else table.writes
    methods = ["OPTIONS,GET,HEAD"]
    methods += ["POST"] if "create" in writes and not item else []
    methods += ["PUT"] if {"create", "update"} <= writes and table.primary_key else []
    methods += ["PATCH"] if "update" in writes else []
    methods += ["DELETE"] if "delete" in writes else []
    return ",".join(methods)


def is_empty_change(request: DataRequest) -> bool:
    """Whether it is a ``PATCH`` that sets nothing, without a precondition."""
    headers = request.headers
    return (
        request.method == "PATCH"
        and b"if-match" not in headers
        and b"if-none-match" not in headers
        and request.body.translate(None, b" \t\r\n") == b"{}"
    )


def item_reply(request: DataRequest, reply: Reply) -> Reply:
    """*reply* of the table's request as that of the item: plain JSON unless the client named the object type."""
    plain = negotiate(request.header(b"accept"), _OFFERED).kind != "object"
    headers = tuple(
        _JSON if plain and name == b"content-type" else (name, value)
        for name, value in reply.headers
        if name not in _PAGE_HEADERS
    )
    return reply._replace(headers=headers)


def not_theirs(request: DataRequest) -> Forbidden:
    """42501: the caller may read the row, and no policy lets it be changed or deleted by this caller."""
    action = "delete" if request.method == "DELETE" else "update"
    return Forbidden(
        "42501",
        f"permission denied for the row at /{request.path[:200]}",
        hint=f"The row is there: this caller may read it, and no policy lets this caller {action} it.",
    )


def no_item(request: DataRequest) -> PlanError:
    """BST404: there is no such row, or the caller may not see it."""
    return PlanError(
        "BST404",
        f"There is no row at /{request.path[:200]}",
        details="The result contains 0 rows",
        hint="It is not there, or no policy shows it to this caller.",
    )


def _split(request: DataRequest) -> tuple[str, str]:
    """The table, decoded, and the key, still encoded where the server passed the path on as it came."""
    raw = request.raw_path.partition(b"?")[0].partition(b"/rest/v1/")[2].decode("ascii", "replace")
    parts = raw.split("/") if raw else request.path.split("/")
    if len(parts) != 2:
        raise RequestError("PGRST125", "Invalid path specified in request URL")
    name, key = parts
    return (_decoded(name), key) if raw else (name, quote(key, safe=","))


def _keys(table: Table, key: str) -> list[tuple[str, str]]:
    """The key columns with the text of their values.

    Raises:
        PlanError: BST404, when no row can have such a key.
    """
    names = table.primary_key
    parts = key.split(",") if len(names) > 1 else [key]
    if len(parts) != len(names):
        raise _impossible(table, key)
    found = [(name, _decoded(part)) for name, part in zip(names, parts, strict=True)]
    for name, text in found:
        try:
            coerce(text, table.columns[name].type)
        except BackstayError:
            raise _impossible(table, key) from None
    return found


def _impossible(table: Table, key: str) -> PlanError:
    return PlanError(
        "BST404",
        f"There is no row at /{table.name}/{key[:100]}",
        details="The result contains 0 rows",
        hint=f"The key is {','.join(table.primary_key)}; a comma inside a value is written %2C.",
    )


def _decoded(text: str) -> str:
    try:
        return unquote_to_bytes(text).decode("utf-8")
    except UnicodeError:
        raise RequestError("PGRST125", "Invalid path specified in request URL") from None


def _headers(request: DataRequest, surface: Surface) -> Mapping[bytes, bytes]:
    headers = {name: value for name, value in request.headers.items() if name != b"range"}
    media = negotiate(request.header(b"accept"), _OFFERED & surface.offered)
    headers[b"accept"] = _OBJECT + (b";nulls=stripped" if media.nulls_stripped else b"")
    return headers
