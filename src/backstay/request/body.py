"""The body of a write or a call: JSON, CSV or a form, as rows or as arguments."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from backstay.errors import RequestError
from backstay.request.limits import DEFAULT_BODY_LIMITS, BodyLimits
from backstay.request.strictjson import invalid_json, parse_json


@dataclass(frozen=True, slots=True)
class Payload:
    """What a write is to store.

    *rows* map column names to JSON values (fractions are `decimal.Decimal`; CSV and forms give text or ``None``).
    *keys* are the names in the order in which they first stand.
    """

    rows: tuple[Mapping[str, Any], ...]
    keys: tuple[str, ...]


_JSON = frozenset(("application/json", "application/vnd.pgrst.array+json", "application/vnd.pgrst.object+json"))
_CSV = "text/csv"
_FORM = "application/x-www-form-urlencoded"


def parse_body(
    body: bytes,
    content_type: str | None,
    limits: BodyLimits = DEFAULT_BODY_LIMITS,
    *,
    columns_given: bool = False,
) -> Payload:
    """Read the rows of a POST, PATCH or PUT.

    Args:
        content_type: the header; without it the body is JSON.
        columns_given: the query string names the columns, so the objects of an array may differ in their keys.

    >>> parse_body(b'[{"id": 1}, {"id": 2}]', "application/json").keys
    ('id',)

    Raises:
        RequestError: PGRST102 (not of its type, or keys differ), BST413 (too large), BST415 (type unknown).
    """
    kind = body_type(body, content_type, limits)
    if kind == _CSV:
        return _parse_csv(body, limits)
    if kind == _FORM:
        row = _parse_form(body, limits)
        return Payload((row,), tuple(row))
    value = parse_json(body, limits)
    if isinstance(value, dict):
        check_names(len(value), limits)
        return Payload((value,), tuple(value))
    if not isinstance(value, list):
        raise invalid_json("Rows are an object or an array of objects.")
    check_rows(len(value), limits)
    keys = _keys(value, columns_given)
    check_names(len(keys), limits)
    return Payload(tuple(value), keys)


def parse_arguments(
    body: bytes, content_type: str | None, limits: BodyLimits = DEFAULT_BODY_LIMITS
) -> Mapping[str, Any]:
    """Read the named arguments of a function call: a JSON object or a form.  An empty body has none.

    Raises:
        RequestError: PGRST102, BST413, BST415 as `parse_body`.
    """
    kind = body_type(body, content_type, limits)
    if kind == _FORM:
        return _parse_form(body, limits)
    if kind == _CSV:
        raise _unsupported(_CSV)
    if not body:
        return {}
    value = parse_json(body, limits)
    if not isinstance(value, dict):
        raise invalid_json("Arguments are an object: one key for each.")
    check_names(len(value), limits)
    return value


def parse_value(body: bytes, content_type: str | None, limits: BodyLimits = DEFAULT_BODY_LIMITS) -> Any:
    """Read a body that is JSON, and nothing else.

    Raises:
        RequestError: PGRST102, BST413, BST415 as `parse_body`.
    """
    kind = body_type(body, content_type, limits)
    if kind in (_CSV, _FORM):
        raise _unsupported(kind)
    return parse_json(body, limits)


def _keys(rows: list[Any], columns_given: bool) -> tuple[str, ...]:
    keys: dict[str, None] = {}
    for index, row in enumerate(rows):
        if not isinstance(row, dict):
            _fail("All object keys must match", f"Element {index} of the array is not an object.")
        if index == 0 or columns_given:
            keys.update(dict.fromkeys(row))
        elif keys.keys() != row.keys():
            _fail(
                "All object keys must match",
                f"Object {index} of the array does not have the keys of object 0.",
                hint="Name the keys in the columns parameter to let objects leave some out.",
            )
    return tuple(keys)


def body_type(body: bytes, content_type: str | None, limits: BodyLimits, others: frozenset[str] = frozenset()) -> str:
    """The type of a body of bearable size, without parameters: JSON, CSV, a form, or one of *others*.

    Raises:
        RequestError: BST413, BST415.
    """
    if len(body) > limits.size_bytes:
        raise RequestError(
            "BST413", "The request body is too large", hint=f"A body has at most {limits.size_bytes} bytes."
        )
    if content_type is None or not content_type.strip():
        return "application/json"
    name, *parameters = (part.strip().lower() for part in content_type.split(";"))
    if name not in _JSON and name not in (_CSV, _FORM) and name not in others:
        raise _unsupported(name)
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key == "charset" and value.strip('"') not in ("utf-8", "utf8", "us-ascii"):
            raise _unsupported(content_type)
    return "application/json" if name in _JSON else name


def _parse_csv(body: bytes, limits: BodyLimits) -> Payload:
    """A header and its lines; the field ``NULL`` is null, empty lines do not count."""
    reader = csv.reader(io.StringIO(body_text(body).removeprefix("\ufeff"), newline=""), strict=True)
    try:
        header = next(reader, None)
        if not header:
            _fail("not enough input", "A CSV body begins with a line of column names.")
        if len(set(header)) != len(header) or "" in header:
            _fail("Invalid CSV header", "A column name is empty or stands twice.")
        check_fields(len(header), limits)
        rows: list[Mapping[str, Any]] = []
        for line in reader:
            if not line:
                continue
            if len(line) != len(header):
                _fail(
                    "All lines must have same number of fields",
                    f"Line {reader.line_num} has {len(line)} fields, the header {len(header)}.",
                )
            rows.append({key: None if field == "NULL" else field for key, field in zip(header, line, strict=True)})
            check_rows(len(rows), limits)
    except csv.Error as error:
        _fail("Invalid CSV", f"Line {reader.line_num}: {error}.")
    return Payload(tuple(rows), tuple(header))


def _parse_form(body: bytes, limits: BodyLimits) -> dict[str, Any]:
    text = body_text(body)
    if not text:
        return {}
    check_fields(text.count("&") + 1, limits)
    try:
        pairs = parse_qsl(text, keep_blank_values=True, encoding="utf-8", errors="strict", max_num_fields=None)
    except ValueError:
        _fail("Invalid form", "The form is not valid UTF-8.")
    row = dict(pairs)
    if len(row) != len(pairs):
        _fail("Invalid form", "A field stands twice.")
    if any("\0" in part for pair in pairs for part in pair):
        _fail("Invalid form", "NUL cannot be stored as text.")
    return row


def body_text(body: bytes) -> str:
    """*body* as text without NUL.

    Raises:
        RequestError: PGRST102.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        _fail("Invalid body", "The body is not valid UTF-8.")
    if "\0" in text:
        _fail("Invalid body", "NUL cannot be stored as text.")
    return text


def check_rows(count: int, limits: BodyLimits) -> None:
    """Raises BST413 for more rows than a request may bring."""
    if count > limits.rows:
        raise RequestError(
            "BST413", "Too many rows in one request", hint=f"Send at most {limits.rows} rows at once."
        )  # fmt: skip


def check_names(count: int, limits: BodyLimits = DEFAULT_BODY_LIMITS) -> None:
    """Raises BST413 for more names than any table has columns: each would be looked up, and told (S7)."""
    if count > limits.names:
        raise RequestError(
            "BST413", "Too many names in one request", hint=f"Rows have at most {limits.names} different columns."
        )


def check_fields(count: int, limits: BodyLimits) -> None:
    """Raises BST413 for more fields than a row may have."""
    if count > limits.fields:
        raise RequestError("BST413", "Too many fields in one row", hint=f"A row has at most {limits.fields} fields.")


def _unsupported(name: str) -> RequestError:
    return RequestError(
        "BST415",
        f"Content-Type not acceptable: {name[:200]}",
        hint="Send application/json, text/csv or application/x-www-form-urlencoded, in UTF-8.",
    )


def _fail(message: str, details: str, *, hint: str | None = None) -> NoReturn:
    raise RequestError("PGRST102", message, details=details, hint=hint)
