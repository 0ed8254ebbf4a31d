"""Python's questions about what a value is, where the value is a symbol: one answer for all callers and rows.

``isinstance(Post.public, bool)``, ``callable(me.has_role)``, ``operator.is_not(me.id, None)``, ``type(…)`` and the like
call nothing of what they are asked about, so no class can refuse them.  They are seen when they are called, and what
stands between their brackets is looked at.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Iterable
from types import FrameType
from typing import Any, Final

from sqlalchemy.ext.associationproxy import AssociationProxyInstance
from sqlalchemy.sql import operators

from backstay.policy.me import Caller, Me
from backstay.policy.symbol import Question
from backstay.policy.watch import Watch, is_model, is_special, unwatched
from backstay.policy.words import Words, enclosing, segment

_SYMBOLIC: Final = (operators.ColumnOperators, AssociationProxyInstance, Question)
#: What asks of its first argument alone, and of all.
_OF_ONE: Final = (callable, dir, hasattr, getattr, id, isinstance, type, vars)
_OF_ALL: Final = (operator.contains, operator.countOf, operator.indexOf, operator.is_, operator.is_not, operator.not_)
_OF_LISTS: Final = frozenset({"count", "index", "remove"})

_SEEN: Final = "asks Python what an expression is, which is the same for every caller and row"
_ADVICE: Final = (
    "It is no value, but SQL: write .is_(None) or .is_not(None), ==, .in_(), case(), cast(), me.has_role(…) and"
    ' @allow(…, to="authenticated").'
)


def asks(function: Any) -> bool:
    """Whether *function* tells what its arguments are."""
    if isinstance(getattr(function, "__self__", None), list | tuple) and function.__name__ in _OF_LISTS:
        return True
    return any(function is each for each in (*_OF_ONE, *_OF_ALL))


def refuse_asked(watch: Watch, frame: FrameType, function: Any) -> None:
    """Refuse that *frame* calls *function*, which `asks`, with a symbol.

    Raises:
        ConfigError: BST-E023.
    """
    call = next((node for node in reversed(enclosing(frame.f_code, frame.f_lasti)) if isinstance(node, ast.Call)), None)
    # Of a call of `type` no profiler is told: whoever asks has seen some call, in a function that mentions it.
    if (
        call is None
        or not call.args
        or (function is type and value_of(call.func, frame.f_globals, frame.f_locals) is not type)
    ):
        return
    given = list(_given(call, frame))
    if function in (getattr, hasattr) and _lacks(*given[:2]):
        raise watch.refuse_missing(frame, *given[:2])
    of_one = any(function is each for each in _OF_ONE)
    about = given[:1] if of_one else [*given, getattr(function, "__self__", None)]
    # What has a name of its own may be either, and helpers tell them apart; `Post.public` is always an expression.
    if of_one and isinstance(call.args[0], ast.Name) and not hasattr(given[0], "injected_as"):
        return
    if any(map(is_symbolic, about)) and not _may(function, given):
        raise watch.refuse(frame, _SEEN, Words(segment(frame.f_code.co_filename, call), _ADVICE))


def _lacks(owner: Any = None, name: Any = None) -> bool:
    """Whether *owner* is a model without an attribute *name*; one of ``DeclarativeBase`` says so itself."""
    return is_model(owner) and isinstance(name, str) and not is_special(name) and not hasattr(owner, name)


def _may(function: Any, given: list[Any]) -> bool:
    """Whether an expression is told from plain values here, or asked for what every expression has."""
    if function in (getattr, hasattr) and hasattr(given[0], "injected_as"):
        return True  # It says so itself.
    if function is getattr:
        return len(given) < 3
    if function is hasattr and len(given) > 1:
        return bool(hasattr(given[0], str(given[1])))
    if function is isinstance and len(given) > 1:
        kinds = given[1] if isinstance(given[1], tuple) else getattr(given[1], "__args__", (given[1],))
        if isinstance(given[0], Me):
            # A helper may be for functions too, which get one.
            return all(kind is Caller for kind in kinds)
        return all(str(getattr(kind, "__module__", "")).startswith(("sqlalchemy", "backstay")) for kind in kinds)
    return False


def _given(call: ast.Call, frame: FrameType) -> Iterable[Any]:
    for each in call.args:
        if isinstance(each, ast.Starred):
            found = value_of(each.value, frame.f_globals, frame.f_locals)
            yield from found if isinstance(found, list | tuple) else ()
        else:
            yield value_of(each, frame.f_globals, frame.f_locals)


def value_of(one: ast.expr, outer: dict[str, Any], inner: Any = None) -> Any:
    """What *one* is, where it stands; ``None`` for what cannot be looked at."""
    with unwatched():
        try:
            return eval(compile(ast.Expression(one), "<policy>", "eval"), outer, inner or {})  # noqa: S307 - the author's words
        except Exception:
            return None


def is_symbolic(value: Any) -> bool:
    """Whether *value* is an expression of SQL or ``me``, or has one in it."""
    if isinstance(value, list | tuple | set | frozenset):
        return any(map(is_symbolic, value))
    return isinstance(value, _SYMBOLIC) or hasattr(value, "injected_as")
