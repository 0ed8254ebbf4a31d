"""What a function returned → JSON.

1. A function may return anything, of any size: little is made on the event loop, and `is_small` says what is little.
2. What is larger than an answer may be is found out before all of it is made, and no step makes more than a piece of
   what stands in the outermost list or object: between two of them others have their turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from itertools import islice
from typing import Any, Final, TypeVar

import msgspec

from backstay.catalog.annotation import mismatch
from backstay.response.size import check_size

T = TypeVar("T")

#: Values, and texts by 64 letters, that are made on the event loop.
_FEW: Final = 300
_TEXT: Final = 64
#: Items of the outermost list or object that are made in one step.
_PIECE: Final = 1000
#: Items of it whose letters are counted: some tenths of a millisecond.
_COUNTED: Final = 5000


def is_small(value: Any) -> bool:
    """Whether there are but some hundred values in *value*, at any depth.

    >>> is_small({"a": [1, 2, 3]}), is_small([[0] * 100] * 100), is_small("x" * 100_000)
    (True, False, False)
    """
    pending, left = [value], _FEW
    while pending:
        each = pending.pop()
        left -= 1
        if isinstance(each, str | bytes | bytearray):
            left -= len(each) // _TEXT
        elif isinstance(each, int):
            left -= each.bit_length() // (8 * _TEXT)
        else:
            # One more than may be left says that it is too many.
            pending += islice(_within(each), left + 1)
        if left < len(pending):
            return False
    return True


def letters_of(value: Any) -> int:
    """About how many letters the JSON of *value* has at least: those of its texts, where they are its outermost.

    >>> letters_of("abc"), letters_of(["abc", 1]), letters_of({"a": "bc"})
    (3, 4, 3)
    """
    if isinstance(value, str | bytes | bytearray):
        return len(value)
    return sum(
        len(each) if isinstance(each, str | bytes | bytearray) else 1 for each in islice(_within(value), _COUNTED)
    )


def _within(value: Any) -> Iterator[Any]:
    """What stands in *value*, in whatever it keeps it."""
    if isinstance(value, dict):
        yield from value
        yield from value.values()
    elif isinstance(value, list | tuple | set | frozenset):
        yield from value
    elif isinstance(value, msgspec.Struct):
        yield from (getattr(value, name, None) for name in value.__struct_fields__)
    elif hasattr(value, "_mapping"):
        yield from value._mapping.values()
    elif is_dataclass(value) and not isinstance(value, type):
        yield from (getattr(value, field.name, None) for field in fields(value))
    elif hasattr(value, "model_dump"):
        yield from (*vars(value).values(), getattr(value, "__pydantic_extra__", None))


def encode_result(value: Any, most: int) -> bytes:
    """JSON of a scalar, a struct (dataclass, ``TypedDict``, msgspec, pydantic), or a list of them, of *most* bytes.

    >>> from decimal import Decimal
    >>> encode_result({"total": Decimal("12.50"), "tags": ("a", "b")}, 100)
    b'{"total":12.50,"tags":["a","b"]}'

    Raises:
        RequestError: BST413, when it has more.
    """
    # Copied at once: the app may go on with what it has returned.
    if type(value) is dict and len(value) > _PIECE:
        return b"{" + _joined(list(value.items()), dict, most) + b"}"
    if type(value) in (list, tuple, set, frozenset) and len(value) > _PIECE:
        return b"[" + _joined(list(value), list, most) + b"]"
    found = _ENCODER.encode(value)
    check_size(len(found), most)
    return found


def _joined(items: list[T], kind: Callable[[list[T]], Any], most: int) -> bytes:
    """The JSON of *items* without the brackets around them, made by pieces, each a *kind* of its own."""
    # No item has less than two bytes, with its comma.
    check_size(2 * len(items), most)
    found, size = list[bytes](), 1
    for at in range(0, len(items), _PIECE):
        piece = _ENCODER.encode(kind(items[at : at + _PIECE]))[1:-1]
        size += len(piece) + 1
        check_size(size, most)
        found.append(piece)
    return b",".join(found)


class WrongResult(TypeError):
    """A function returned what it is not annotated with: a bug of the app's, and no answer."""


def check_result(name: str, value: Any, body: bytes, hint: Any) -> None:
    """Refuse what the function *name* returned, which is *body* as JSON, if it is not what its annotation *hint* says.

    Raises:
        WrongResult: it is something else, which a client that believes the description would not read.
    """
    wrong = mismatch(value, body, hint)
    if wrong is not None:
        raise WrongResult(f"the function {name} returned a {type(value).__name__} that is not {hint}: {wrong}")


def _other(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return dump(mode="json")
    if hasattr(value, "_mapping"):
        return dict(value._mapping)
    raise TypeError(f"a function returned a {type(value).__name__}, which has no JSON form")


_ENCODER = msgspec.json.Encoder(enc_hook=_other, decimal_format="number")
