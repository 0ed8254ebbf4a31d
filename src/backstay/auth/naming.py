"""The roles that an app names: in the rules it has, in its functions, and in its permissions.

A role is a word that somebody asks for.  One that nothing asks for, as a slip of the pen, gives nothing to whoever gets
it, and nobody would notice; so it is not given.
"""

from __future__ import annotations

import dis
from collections.abc import Collection, Iterable, Iterator
from itertools import pairwise
from types import CodeType
from typing import Any, Final

from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import BinaryExpression, BindParameter

from backstay.auth.refusal import invalid
from backstay.catalog import Function
from backstay.policy import MeParameter, Rule
from backstay.policy.slip import near_word

#: Characters of a wrong name that are told: as many as a right one has at most.
_SHOWN: Final = 63


def roles_asked(rules: Iterable[Rule], functions: Iterable[Function]) -> frozenset[str]:
    """What *rules* and *functions* ask of the caller beside ``to=``: ``me.has_role("…")`` and ``me.role == "…"``."""
    found = {role for rule in rules for element in visitors.iterate(rule.rows) for role in _asked(element)}
    return frozenset(found.union(*(_in_code(getattr(item.call, "__code__", None)) for item in functions)))


def _asked(element: Any) -> Iterator[str]:
    if isinstance(element, MeParameter) and element.me_source[0] == "has_role":
        yield element.me_source[1]
    elif isinstance(element, BinaryExpression):
        for one, other in ((element.left, element.right), (element.right, element.left)):
            if isinstance(one, MeParameter) and one.me_source == ("role",) and isinstance(other, BindParameter):
                value = other.value
                yield from (role for role in ([value] if isinstance(value, str) else value or ()))


def _in_code(code: CodeType | None) -> Iterator[str]:
    """The roles that a function of Python asks for by name: it is called with a caller, and not with a symbol."""
    if code is None:
        return
    for one, other in pairwise(dis.get_instructions(code)):
        if one.argval == "has_role" and other.opname == "LOAD_CONST" and isinstance(other.argval, str):
            yield other.argval
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _in_code(inner)


def check_named(role: str, known: Collection[str], what: str = "The app names no role") -> None:
    """Let *role* be given, where it is one of those *known*; *what* begins the refusal.

    >>> check_named("support", ["support", "admin"])
    >>> check_named("suport", ["support", "admin"])
    Traceback (most recent call last):
    backstay.auth.refusal.AuthError: validation_failed: The app names no role 'suport'

    Raises:
        AuthError: validation_failed.
    """
    if role in known:
        return
    shown = role[:_SHOWN]
    near = near_word(shown, known)
    meant = "" if near is None else f"Did you mean {near!r}?  "
    others = ", ".join(sorted(known))
    hint = f"{meant}Its policies, functions and permissions name {others}, as it last started."
    raise invalid(f"{what} {shown!r}", hint=hint)
