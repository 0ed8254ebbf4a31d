"""Arguments that the author of an app wrote wrongly: a finding with its place, where Python has a ``TypeError``."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, Final, NoReturn, TypeVar

from backstay.errors import ConfigError
from backstay.place import place_here

T = TypeVar("T")

#: Words that are written for an argument, and those that it may be.
_MEANT: Final[Mapping[str, tuple[str, ...]]] = {
    "role": ("to", "permissions"),
    "roles": ("to", "permissions"),
    "who": ("to",),
    "fields": ("columns",),
    "rule": ("policies",),
    "rules": ("policies",),
    "rpc": ("functions",),
    "tables": ("models",),
    "base": ("models",),
    "config": ("settings",),
    "url": ("settings",),
    "database": ("settings",),
}


def refuse_unknown(call: str, unknown: Mapping[str, object], *takes: str) -> None:
    """Let pass where nothing is *unknown*: keywords beside those that *call* *takes*.

    Raises:
        ConfigError: BST-E095, with the keyword that was perhaps meant.
    """
    for name in unknown:
        meant = [other for other in _MEANT.get(name, ()) if other in takes]
        near = (meant or difflib.get_close_matches(name, takes, n=1, cutoff=0.7))[:1]
        hint = "".join(f"Did you mean {other}=?  " for other in near)
        raise ConfigError("BST-E095", f"{place_here()}: {call} has no {name}=", hint=f"{hint}It takes {_all(takes)}.")


def listed(call: str, name: str, value: Iterable[T]) -> tuple[T, ...]:
    """What stands in the list *value*, the argument *name* of *call*.

    Raises:
        ConfigError: BST-E096, for one thing that is no list, and for a text.
    """
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        one = getattr(value, "__name__", None) or getattr(value, "name", None)
        example = one if isinstance(one, str) and one.isidentifier() else "…"
        refuse(call, f"takes {name}= as a list, and got {told(value)}", f"Write {name}=[{example}].")
    return tuple(value)


def refuse(call: str, what: str, hint: str) -> NoReturn:
    """Say that an argument of *call* is not what it takes.

    Raises:
        ConfigError: BST-E096.
    """
    raise ConfigError("BST-E096", f"{place_here()}: {call} {what}", hint=hint)


def told(value: Any) -> str:
    """What *value* is, by its name and without addresses in memory.

    >>> told([1, "a", dict]), told(told)
    ("[1, 'a', dict] (list)", 'told (function)')
    """
    if isinstance(value, type):
        return f"the class {value.__name__}"
    text = shown(value)
    return f"{text} ({type(value).__name__})" if text else f"a {type(value).__name__}"


def shown(value: Any) -> str:
    """*value* by its name, or as it is written; empty where nobody can read that."""
    if isinstance(value, list | tuple | set | frozenset):
        inside = ", ".join(shown(each) or "…" for each in value)
        text = (
            f"[{inside}]" if isinstance(value, list) else f"({inside})" if isinstance(value, tuple) else f"{{{inside}}}"
        )
    elif isinstance(owner := getattr(value, "class_", None), type) and hasattr(value, "key"):
        text = f"{owner.__name__}.{value.key}"
    elif isinstance(name := getattr(value, "__name__", None), str):
        text = name
    else:
        text = repr(value) if value is None or isinstance(value, str | int | float | dict) else str(value)
    text = " ".join(text.split())
    if " at 0x" in text:
        return ""
    return text if len(text) <= 80 else text[:79] + "…"


def _all(names: Iterable[str]) -> str:
    return ", ".join(f"{name}=" for name in names)
