"""JSON that means one thing (RFC 8259, I-JSON RFC 7493): the standard parser with its doors closed.

1. A key stands once in its object, ``NaN`` and ``Infinity`` do not exist, text is UTF-8.
2. Integers are 64-bit; other numbers are `decimal.Decimal`, exactly as written.
3. Depth and values are counted before parsing, on the text without its strings, so that no input reaches Python's
   own limit and none keeps the event loop for long.
4. ``\\u0000`` and lone surrogates are refused: neither can be stored as text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache
from typing import Any, NoReturn

from backstay.errors import RequestError
from backstay.request.limits import DEFAULT_BODY_LIMITS, BodyLimits

_FOLD = bytes.maketrans(b"{}", b"[]")
_NEITHER_BRACKET_NOR_COMMA = bytes(set(range(256)) - set(b"[]{},"))

_MIN_INTEGER, _MAX_INTEGER = -(2**63), 2**63 - 1


class _Refused(ValueError):
    """Why a document that the grammar allows is refused; its text is the details of the error."""


def parse_json(body: bytes, limits: BodyLimits = DEFAULT_BODY_LIMITS) -> Any:
    """The value of *body*: dict, list, str, bool, None, int or `decimal.Decimal`.

    >>> parse_json(b'{"price": 19.90}')
    {'price': Decimal('19.90')}

    Raises:
        RequestError: PGRST102, for everything that is not one strict JSON document within *limits*; BST413, for one
            with too many values.
    """
    try:
        text = body.decode("utf-8")
        _check_size(body, limits)
        value = _decoder(limits.number_chars).decode(text)
        if "\\u" in text:
            _check_text(value)
    except _Refused as refused:
        raise invalid_json(str(refused)) from None
    except json.JSONDecodeError as error:
        raise invalid_json(f"{error.msg}: line {error.lineno}, column {error.colno}") from None
    except UnicodeDecodeError:
        raise invalid_json("The body is not valid UTF-8.") from None
    except RecursionError:
        raise invalid_json(f"More than {limits.depth} levels of arrays and objects.") from None
    return value


def invalid_json(details: str) -> RequestError:
    """PostgREST's error for a body that is not JSON, with the *details* that it leaves out."""
    return RequestError("PGRST102", "Empty or invalid json", details=details)


def _check_size(body: bytes, limits: BodyLimits) -> None:
    """Refuse what nests too deeply or holds too many values, at the speed of C and before the parser sees it."""
    brackets = body.count(b"[") + body.count(b"{") > limits.depth
    if not brackets and body.count(b",") < limits.values:
        return
    if b"\\" in body:
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    outside = b"".join(body.split(b'"')[::2]).translate(_FOLD, _NEITHER_BRACKET_NOR_COMMA)
    commas, arrays = outside.count(b","), outside.count(b"[")
    if commas < limits.values:
        _check_depth(outside.replace(b",", b""), limits.depth)
    if commas >= limits.values or arrays > limits.values:
        raise RequestError(
            "BST413",
            "Too many values in one request",
            hint=f"A body has at most {limits.values} values, and as many arrays and objects.",
        )


def _check_depth(brackets: bytes, depth: int) -> None:
    """Every pass takes the innermost level off; a run of brackets that cannot be short enough ends them early."""
    too_deep = b"[" * (depth + 1)
    for _ in range(depth):
        if not brackets:
            return
        if too_deep in brackets:
            break
        brackets = brackets.replace(b"[]", b"")
    if brackets:
        raise _Refused(f"More than {depth} levels of arrays and objects, or brackets that do not match.")


def _check_text(value: Any) -> None:
    """Refuse what an escape can put into a string but no database can store.  Depth is bounded by now."""
    texts: Iterable[Any]
    if isinstance(value, str):
        if "\0" in value:
            raise _Refused("\\u0000 cannot be stored as text.")
        if not value.isascii():
            try:
                value.encode("utf-8")
            except UnicodeEncodeError:
                raise _Refused("A \\u escape is half of a surrogate pair.") from None
        return
    if isinstance(value, dict):
        texts = (*value.keys(), *value.values())
    elif isinstance(value, list):
        texts = value
    else:
        return
    for text in texts:
        _check_text(text)


@lru_cache(8)
def _decoder(number_chars: int) -> json.JSONDecoder:
    def integer(text: str) -> int:
        if len(text) > 20 or not _MIN_INTEGER <= (number := int(text)) <= _MAX_INTEGER:
            raise _Refused(f"The integer {text[:30]} has more than 64 bits; send it as a string.")
        return number

    def fraction(text: str) -> Decimal:
        if len(text) > number_chars:
            raise _Refused(f"A number has more than {number_chars} characters.")
        # 1e999999999 is eleven characters here and a gigabyte where somebody writes it out.
        exponent = text.lower().partition("e")[2] if "e" in text or "E" in text else ""
        if exponent and (len(exponent) > 9 or abs(int(exponent)) > number_chars):
            raise _Refused(f"The exponent of {text[:30]} is beyond ±{number_chars}.")
        return Decimal(text)

    return json.JSONDecoder(
        object_pairs_hook=_object, parse_int=integer, parse_float=fraction, parse_constant=_constant
    )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _Refused(f"The key {json.dumps(key[:100])} stands twice in one object.")
            seen.add(key)
    return found


def _constant(name: str) -> NoReturn:
    raise _Refused(f"{name} is not JSON.")
