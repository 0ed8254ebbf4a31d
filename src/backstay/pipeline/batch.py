"""``POST /rest/v1/batch``: several requests in one transaction, all or nothing.

1. Each operation is a request of the same caller, judged as if it came alone; later ones see what earlier ones did.
2. The first that is refused refuses all; ``details`` of its error tells which it was.
3. Limits hold inside too (LM12): each operation's own, at most 100 operations, and 1,000 rows in all, sent or returned.
   Rows that are nested in others count when they are written; rows that are embedded in others are bounded by the size
   of the answer.
4. A column's value may be ``{"$ref": "0.id"}``: what operation 0 returned as ``id`` of its only, or first, row.
5. Functions are called in the same transaction as everything else.
6. A batch holds no batch: what answers its operations reads no list of them (``plane.py``).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NoReturn
from urllib.parse import unquote, urlencode

import msgspec

from backstay.errors import BackstayError, PlanError, RequestError
from backstay.pipeline.request import DataRequest
from backstay.pipeline.unit import apart
from backstay.request.body import parse_value
from backstay.request.limits import VALUE_BYTES
from backstay.request.prefer import parse_prefer
from backstay.response.exact import read_exact, write_exact
from backstay.response.reply import Reply
from backstay.response.size import check_size

_OPERATIONS: Final = 100
_ROWS: Final = 1000
_URL_BYTES: Final = 8192
#: All query strings together: each of their values is looked at, and sent to the database.
_QUERY_BYTES: Final = 256 << 10
_METHODS: Final = frozenset(("GET", "POST", "PATCH", "PUT", "DELETE"))
_KEYS: Final = frozenset(("method", "path", "query", "headers", "body"))
_HEADERS: Final = frozenset(
    ("accept", "accept-profile", "content-profile", "if-match", "if-none-match", "prefer", "range")
)
_REFERENCE: Final = re.compile(r"([0-9]{1,3})\.(.+)", re.DOTALL)
#: What begins like one and is none.
_NEARLY: Final = re.compile(r"[\s+-]*\d")
_JSON: Final = ((b"content-type", b"application/json; charset=utf-8"),)


@dataclass(frozen=True, slots=True)
class Operation:
    """One request of a batch; *body* is JSON, ``None`` for none."""

    method: str
    path: str
    raw_path: bytes
    query: bytes
    headers: Mapping[bytes, bytes]
    body: Any
    #: *body* as it was sent, with what it refers to still unread.
    sent: bytes
    #: What was made of it ahead; ``None`` where it refers to earlier operations, and is not yet known.
    made: dict[Hashable, Any] | None


def parse_batch(body: bytes, content_type: str | None = None) -> list[Operation]:
    """Read the body of a batch.

    Raises:
        RequestError: PGRST102 (not a list of operations), BST413 (more than 100, or their query strings are too long),
            BST415 (not JSON).
    """
    value = parse_value(body, content_type)
    if not isinstance(value, list):
        raise RequestError("PGRST102", "A batch is a list", hint='[{"method": "POST", "path": "posts", "body": {}}]')
    if len(value) > _OPERATIONS:
        raise RequestError("BST413", "Too many operations in one batch", hint=f"Send at most {_OPERATIONS} at once.")
    operations = [_operation(number, each) for number, each in enumerate(value)]
    if sum(len(operation.query) for operation in operations) > _QUERY_BYTES:
        raise RequestError(
            "BST413",
            "The query strings of one batch are too long",
            hint=f"All together have at most {_QUERY_BYTES >> 10} KiB; send long lists of values by themselves.",
        )
    return operations


def foreseeable(request: DataRequest, operations: Sequence[Operation]) -> list[DataRequest]:
    """*operations* as requests of their own, with what they refer to still unread."""
    return [_asked(request, operation, operation.sent) for operation in operations]


def _asked(request: DataRequest, operation: Operation, body: bytes) -> DataRequest:
    return request._replace(
        method=operation.method,
        path=operation.path,
        raw_path=operation.raw_path,
        query=operation.query,
        headers=operation.headers,
        body=body,
        made=operation.made,
    )


async def run_batch(
    request: DataRequest,
    operations: Sequence[Operation],
    answer: Callable[[DataRequest], Awaitable[Reply]],
    *,
    answer_bytes: int,
) -> Reply:
    """Answer *operations* one after the other by *answer*, inside a transaction.

    Raises:
        BackstayError: what the first refused operation raises, with its number in *details*; BST413.
    """
    results: list[dict[str, Any]] = []
    named = Named(results)
    rows = size = 0
    for number, operation in enumerate(operations):
        try:
            sent = operation.sent
            if operation.made is None:
                sent = await apart(partial(_resolved_body, operation.body, named), long=True)
            reply = await answer(_asked(request, operation, sent))
        except BackstayError as error:
            error.details = {"operation": number, "details": error.details}
            raise
        size += len(reply.body)
        check_size(size, answer_bytes)
        rows += max(len(operation.body) if isinstance(operation.body, list) else 1, reply.rows)
        if rows > _ROWS:
            raise RequestError(
                "BST413",
                "Too many rows in one batch",
                details={"operation": number, "details": None},
                hint=f"Send and ask for at most {_ROWS} rows in all; give reads a limit.",
            )
        results.append(_result(reply))
    body = msgspec.json.encode(results)
    # With what stands around them, and while all of it can still be undone.
    check_size(len(body), answer_bytes)
    return Reply(200, _JSON, body)


def _operation(number: int, value: Any) -> Operation:
    if not isinstance(value, dict) or not value.keys() <= _KEYS or not isinstance(value.get("path"), str):
        _refuse(number, f"An operation is an object with the keys {', '.join(sorted(_KEYS))}; path is a text.")
    method = value.get("method", "GET")
    if not isinstance(method, str) or method not in _METHODS:
        _refuse(number, f"method is one of {', '.join(sorted(_METHODS))}.")
    path, _, query = value["path"].removeprefix("/rest/v1/").partition("?")
    more = _query(number, value.get("query"))
    text = "&".join(part for part in (query, more) if part)
    if len(path) + len(text) > _URL_BYTES:
        raise RequestError("BST414", f"The URL of operation {number} is longer than {_URL_BYTES} bytes")
    named = unquote(path)
    if not named or named == "batch" or (named.startswith("rpc/") and not path.startswith("rpc/")):
        # As it will be understood, and not as it is written: %62atch would be a batch in a batch.
        _refuse(number, "path is a table, a row of one, or a function.")
    headers = _headers(number, value.get("headers"))
    if parse_prefer(headers.get(b"prefer", b"").decode()).tx is not None:
        _refuse(number, "tx is for the batch as a whole: it stands or falls together.")
    raw = b"/rest/v1/" + path.encode("utf-8", "replace")
    body = value.get("body")
    slip = next((one for one in _values(body) if _is_slip(one)), None)
    if slip is not None:
        _refuse(
            number,
            f'{str(slip["$ref"])[:100]!r} is no reference: write the operation, counted from 0, and a column, "0.id".',
        )
    sent = b"" if body is None else write_exact(body)
    made = None if _refers(body) else dict[Hashable, Any]()
    return Operation(method, named, raw if path.isascii() else b"", text.encode(), headers, body, sent, made)


def _values(body: Any) -> Iterator[Any]:
    """What stands in the columns of a body's rows."""
    rows = body if isinstance(body, list) else [body]
    return (value for row in rows if isinstance(row, dict) for value in row.values())


def _refers(body: Any) -> bool:
    return any(_reference(value) is not None for value in _values(body))


def _query(number: int, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value.removeprefix("?")
    if not isinstance(value, dict) or not all(isinstance(v, str | int) or _is_texts(v) for v in value.values()):
        _refuse(number, "query is a text, or an object of texts and lists of texts.")
    return urlencode(value, doseq=True)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _headers(number: int, value: Any) -> dict[bytes, bytes]:
    found = {b"content-type": b"application/json"}
    if value is None:
        return found
    if not isinstance(value, dict):
        _refuse(number, "headers is an object of texts.")
    for name, text in value.items():
        if name.lower() not in _HEADERS or not isinstance(text, str) or not text.isprintable() or not text.isascii():
            _refuse(number, f"headers may be {', '.join(sorted(_HEADERS))}; everything else comes with the batch.")
        if len(text) > VALUE_BYTES:
            raise RequestError(
                "BST431", f"A header of operation {number} is longer than {VALUE_BYTES} bytes", hint="Shorten it."
            )
        found[name.lower().encode()] = text.encode()
    return found


class Named:
    """The rows that ``$ref`` can name: each answer is read once, however many refer to it."""

    def __init__(self, results: Sequence[Mapping[str, Any]]) -> None:
        self._results = results
        self._rows: dict[int, Any] = {}

    def row(self, number: int) -> Any:
        """What operation *number* returned: its only or first row, or what else its body is; ``None`` for nothing."""
        if number not in self._rows and number < len(self._results):
            body = self._results[number]["body"]
            rows = read_exact(bytes(body)) if isinstance(body, msgspec.Raw) else None
            self._rows[number] = rows[0] if isinstance(rows, list) and rows else rows
        return self._rows.get(number)


def _resolved_body(value: Any, named: Named) -> bytes:
    rows = [_resolved(row, named) for row in value] if isinstance(value, list) else _resolved(value, named)
    return write_exact(rows)


def _resolved(row: Any, named: Named) -> Any:
    return {key: _value(item, named) for key, item in row.items()} if isinstance(row, dict) else row


def _reference(value: Any) -> re.Match[str] | None:
    """What *value* refers to.  Other objects with a ``$ref``, as in a JSON schema, are what they are."""
    if not isinstance(value, dict) or value.keys() != {"$ref"} or not isinstance(value["$ref"], str):
        return None
    return _REFERENCE.fullmatch(value["$ref"])


def _is_slip(value: Any) -> bool:
    """Whether *value* was surely meant to refer to an operation; it would be stored as it is."""
    if not isinstance(value, dict) or value.keys() != {"$ref"} or _reference(value) is not None:
        return False
    return not isinstance(value["$ref"], str) or _NEARLY.match(value["$ref"]) is not None


def _value(value: Any, named: Named) -> Any:
    """*value*, or what it refers to."""
    found = _reference(value)
    if found is None:
        return value
    number, name = int(found[1]), found[2]
    row = named.row(number)
    if not isinstance(row, dict) or name not in row:
        raise PlanError(
            "PGRST102",
            f"{value['$ref']!r} refers to nothing",
            hint="An operation before this one must return the column: Prefer: return=representation.",
        )
    return row[name]


def _result(reply: Reply) -> dict[str, Any]:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in reply.headers}
    body: Any = None
    if reply.body:
        is_json = "json" in headers.get("content-type", "")
        body = msgspec.Raw(reply.body) if is_json else reply.body.decode()
    return {"status": reply.status, "headers": headers, "body": body}


def _refuse(number: int, details: str) -> NoReturn:
    raise RequestError("PGRST102", f"Operation {number} of the batch is malformed", details=details)
