"""Policies that a loop makes: Python looks up the names in each when it is called, and that is after the loop.

In ``for level in (1, 2): @allow(…) def policy(me): return Note.stars <= level`` both rules say 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dis import get_instructions
from inspect import unwrap
from types import CodeType
from typing import Any


def code_of(function: Any) -> CodeType | None:
    """What *function* was compiled to; that of another turn of a loop is the same."""
    return getattr(unwrap(getattr(function, "func", function)), "__code__", None)


def meanings(function: Any) -> Mapping[str, Any]:
    """What the names in *function* mean now: those of its module and of the functions around it.

    >>> meanings(lambda: meanings) == {"meanings": meanings}
    True
    """
    code, plain = code_of(function), unwrap(getattr(function, "func", function))
    if code is None:
        return {}
    module: Mapping[str, Any] = getattr(plain, "__globals__", {})
    return {name: module[name] for name in _names(code) if name in module} | _closure(code, plain)


def _names(code: CodeType) -> set[str]:
    """The names of the module that *code* looks up; an attribute may be called alike."""
    inner = (each for each in code.co_consts if isinstance(each, CodeType))
    own = {each.argval for each in get_instructions(code) if each.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    return own.union(*map(_names, inner))


def _closure(code: CodeType, function: Any) -> dict[str, Any]:
    found = {}
    for name, cell in zip(code.co_freevars, getattr(function, "__closure__", None) or (), strict=False):
        try:
            found[name] = cell.cell_contents
        except ValueError:
            continue  # It is given later.
    return found


def changed(function: Any, meant: Mapping[str, Any]) -> tuple[str, Any, Any] | None:
    """A name in *function* that means something else than it *meant*, and what it meant and means."""
    for name, now in meanings(function).items():
        then = meant.get(name, now)
        if then is not now and not (type(then) is type(now) and isinstance(then, str | int | float) and then == now):
            return name, then, now
    return None
