"""What an annotation of a function can hold: JSON that comes in, and JSON that goes out."""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import is_dataclass
from typing import Any, Final, Union, get_args, get_origin

import msgspec
from msgspec import inspect as shapes

#: A fault of an annotation: what is wrong, and what to write.
Fault = tuple[str, str]

_TYPES: Final = (
    "Builtins, UUID, dates, Decimal, enums, lists, dataclasses, TypedDict, msgspec structs and pydantic models"
    " can be annotated."
)


def fault_of_argument(hint: Any) -> Fault | None:
    """Why no request can bring a *hint*; ``None`` where one can."""
    try:
        shape = shapes.type_info(hint)
    except (TypeError, ValueError, NameError, AttributeError) as fault:
        return _first(fault), _TYPES
    strange = next((each for each in _customs(shape) if not is_pydantic(each)), None)
    if strange is None:
        return None
    if hasattr(strange, "__mapper__"):
        return f"{strange.__name__} is a model", "Take its key, and load the row with a session."
    return f"JSON has no {strange.__qualname__}", _TYPES


def fault_of_result(hint: Any) -> Fault | None:
    """Why a *hint* cannot be sent; ``None`` where it can."""
    for member in members_of(hint):
        try:
            shape = shapes.type_info(member)
        except (TypeError, ValueError, NameError, AttributeError) as fault:
            return _first(fault), _TYPES
        for strange in _customs(shape):
            if hasattr(strange, "__mapper__"):
                advice = f"Return {strange.__name__} or list[{strange.__name__}] by itself, or a dataclass of your own."
                return f"rows of {strange.__name__} are shown by policies, and not inside another value", advice
            if not is_pydantic(strange) and not hasattr(strange, "_mapping"):
                lazy = issubclass(strange, Iterator) or strange.__module__ == "collections.abc"
                return f"JSON has no {strange.__qualname__}", "Return a list." if lazy else _TYPES
    return None


def fault_of_default(default: Any, hint: Any) -> Fault | None:
    """Why *default* is none of its *hint*."""
    if default is msgspec.UNSET or not _is_told(default):
        return None
    wrong = mismatch(default, msgspec.json.encode(default), hint)
    if wrong is None:
        return None
    if default is None:
        return "None is not of its type", f"Write {_named(hint)} | None."
    return f"the default {default!r} is not of its type: {wrong}", f"It is annotated {_named(hint)}."


def mismatch(value: Any, body: bytes, hint: Any) -> str | None:
    """Why *value*, which is *body* as JSON, is not what *hint* says; ``None`` where it is."""
    if isinstance(hint, type) and is_pydantic(hint):
        return None if isinstance(value, hint) else f"Expected `{hint.__name__}`, got `{type(value).__name__}`"
    return _unlike(body, hint)


def _unlike(body: bytes, hint: Any) -> str | None:
    """Why the JSON of *body* is not what *hint* says."""
    wrong: str | None = None
    for member in members_of(hint):
        try:
            msgspec.json.decode(body, type=member, dec_hook=_made)
        except msgspec.ValidationError as fault:
            wrong = wrong or _first(fault)
        else:
            return None
    return wrong


def members_of(hint: Any) -> tuple[Any, ...]:
    """The members of a union, which msgspec reads one by one where they are several structs; else *hint* itself."""
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def is_pydantic(kind: Any) -> bool:
    """Whether *kind* checks itself, as models and dataclasses of pydantic do."""
    return hasattr(kind, "model_validate") or hasattr(kind, "__pydantic_validator__")


def _customs(shape: Any) -> Iterator[type[Any]]:
    """The classes within *shape* that msgspec leaves to others."""
    pending, seen = [shape], set[int]()
    while pending:
        each = pending.pop()
        if isinstance(each, shapes.CustomType) or hasattr(getattr(each, "cls", None), "__mapper__"):
            yield each.cls
        elif isinstance(each, shapes.Type | shapes.Field) and id(each) not in seen:
            seen.add(id(each))
            for name in each.__struct_fields__:
                found = getattr(each, name)
                pending += found if isinstance(found, tuple) else [found]


def _made(hint: type[Any], value: Any) -> Any:
    """What another library made: it has checked itself when it was made."""
    if not is_pydantic(hint):
        return value
    if not isinstance(value, dict) and not getattr(hint, "__pydantic_root_model__", False):
        raise ValueError(f"Expected `{hint.__name__}`")
    return object.__new__(hint)


def _is_told(value: Any) -> bool:
    return isinstance(value, type(None) | bool | int | float | str | bytes | list | tuple | dict | set) or is_dataclass(
        value
    )


def _named(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint).replace("typing.", "")


def _first(fault: Exception) -> str:
    return next(iter(str(fault).splitlines()), type(fault).__name__)
