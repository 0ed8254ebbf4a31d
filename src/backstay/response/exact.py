"""JSON that a database or we have made, read again with every digit.

What a row said goes into the next statement, a header or another form, and must not change on the way: a double has
only 16 of a number's digits.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Final

import msgspec

_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")
_MIN: Final = -(2**63)
_MAX: Final = 2**63 - 1
#: Digits of any integer of 64 bits, and its sign.
_LONGEST: Final = 20


def read_exact(body: str | bytes) -> Any:
    """The value of *body*, as a request could bring it: fractions are `decimal.Decimal`, and an integer of more than
    64 bits is text, as ``request/strictjson.py`` wants it.

    >>> read_exact('[12345678901234567.8901, 7, 12345678901234567890123]')
    [Decimal('12345678901234567.8901'), 7, '12345678901234567890123']
    """
    return json.loads(body, parse_float=Decimal, parse_int=_integer)


def write_exact(value: Any) -> bytes:
    """*value* as JSON that `read_exact` gives again, and so does a request.

    >>> write_exact([Decimal("12345678901234567.8901"), None])
    b'[12345678901234567.8901,null]'
    """
    return _ENCODER.encode(value)


def _integer(text: str) -> int | str:
    return number if len(text) <= _LONGEST and _MIN <= (number := int(text)) <= _MAX else text
