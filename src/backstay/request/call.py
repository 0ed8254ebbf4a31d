"""What a call of a database's function brings: named arguments, or a body that is the only argument itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import parse_qsl

from backstay.errors import RequestError
from backstay.request.body import body_text, body_type, check_fields, check_rows, parse_body
from backstay.request.limits import DEFAULT_BODY_LIMITS, BodyLimits
from backstay.request.strictjson import invalid_json, parse_json

#: What a body may be besides a form or CSV: the type of the one argument without a name that takes it whole.
Whole: TypeAlias = Literal["json", "text", "xml", "bytea"]

_WHOLE: Final[Mapping[str, Whole]] = {
    "text/plain": "text",
    "text/xml": "xml",
    "application/octet-stream": "bytea",
}
_FORM: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Sent:
    """Arguments as they were sent.

    *named* holds the last value of each name, *all* the texts of those that can stand more than once.  *body* is the
    whole body as the text that PostgreSQL reads for *whole*, where it may be one argument.
    """

    named: Mapping[str, Any]
    all: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    whole: Whole | None = None
    body: str = ""


def sent_pairs(pairs: Iterable[tuple[str, str]]) -> Sent:
    """Arguments of a query string or a form.

    >>> sent_pairs([("v", "a"), ("v", "b")])
    Sent(named={'v': 'b'}, all={'v': ('a', 'b')}, whole=None, body='')
    """
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    every = {name: tuple(values) for name, values in found.items()}
    return Sent({name: values[-1] for name, values in every.items()}, every)


def parse_call(
    body: bytes,
    content_type: str | None,
    columns: tuple[str, ...] | None = None,
    limits: BodyLimits = DEFAULT_BODY_LIMITS,
) -> Sent:
    """Read the body of a ``POST`` to a function.

    Of several objects, or lines of CSV, the first counts.  *columns* names the keys that are arguments.

    Raises:
        RequestError: PGRST102, BST413, BST415 as `parse_body`.
    """
    kind = body_type(body, content_type, limits, frozenset(_WHOLE))
    if kind in _WHOLE:
        whole = _WHOLE[kind]
        return Sent({}, whole=whole, body="\\x" + body.hex() if whole == "bytea" else body_text(body))
    if kind == _FORM:
        return sent_pairs(_pairs(body_text(body), limits))
    if kind == "text/csv":
        rows = parse_body(body, content_type, limits, columns_given=columns is not None).rows
        return Sent(_only(rows[0] if rows else {}, columns))
    value = parse_json(body, limits) if body else {}
    if isinstance(value, list):
        rows = parse_body(body, content_type, limits, columns_given=columns is not None).rows
        named: Mapping[str, Any] = rows[0] if rows else {}
    elif isinstance(value, dict):
        named = value
    else:
        raise invalid_json("Arguments are an object: one key for each.")
    return Sent(_only(named, columns), whole="json", body=body_text(body) if body else "{}")


def _only(named: Mapping[str, Any], columns: tuple[str, ...] | None) -> Mapping[str, Any]:
    return named if columns is None else {name: named.get(name) for name in columns}


def _pairs(text: str, limits: BodyLimits) -> list[tuple[str, str]]:
    if not text:
        return []
    count = text.count("&") + 1
    check_rows(count, limits)
    try:
        pairs = parse_qsl(text, keep_blank_values=True, encoding="utf-8", errors="strict", max_num_fields=None)
    except ValueError:
        raise RequestError("PGRST102", "Invalid form", details="The form is not valid UTF-8.") from None
    if any("\0" in part for pair in pairs for part in pair):
        raise RequestError("PGRST102", "Invalid form", details="NUL cannot be stored as text.")
    check_fields(len({name for name, _ in pairs}), limits)
    return pairs
