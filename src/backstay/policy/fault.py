"""What a policy raised while it was called, as its author may mend it: what was seen, and what to write."""

from __future__ import annotations

import ast
import builtins
from enum import EnumType
from types import ModuleType
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import RelationshipProperty
from sqlalchemy.orm.attributes import QueryableAttribute
from sqlalchemy.sql import operators
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from backstay.catalog.inheritance import mapper_of
from backstay.policy.slip import near_word
from backstay.policy.words import Raised

#: Methods of Python's texts, and the functions of SQL that do the same.
_TEXTS: Final = {"lower": "lower", "upper": "upper", "replace": "replace"} | {
    "strip": "trim",
    "lstrip": "ltrim",
    "rstrip": "rtrim",
}
_OPERATORS: Final = [name for name in dir(operators.ColumnOperators) if not name.startswith("_")]
_GENERAL: Final = "Correct that line: it runs when the app starts, with a symbolic me, and never for a request."
_CASE: Final = "Write case((condition, value), …, else_=…)."
#: How SQLAlchemy begins a message, and what to write.
_SAID: Final = {
    "IN expression list": "Write .in_([…]) of values, or .in_(select(Member.team_id).where(…)) of rows.",
    "SQL expression for WHERE/HAVING role expected, got [": "Write or_(*conditions) or and_(*conditions).",
    "Textual SQL expression": "Write a comparison of columns: a text is no condition.",
    "SQL expression for WHERE/HAVING role expected": "Give it a comparison such as Post.author_id == me.id.",
    'The "whens" argument': _CASE,
    "Operator 'getitem' is not supported": f"{_CASE}  func.substr() takes a part of a text.",
    "exists() takes": "Write exists().where(…).",
    "Me.has_role() takes": 'Write me.has_role("a") | me.has_role("b").',
    "Mapped instance expected": "Compare its key column, or write .has(…) or .any(…).",
    "'any()' not implemented": "Write .has(…).",
    "'has()' not implemented": "Write .any(…).",
    "maximum recursion depth": "It calls itself: leave that out.",
}


class Told(NamedTuple):
    """What was *seen*, and the *advice* that goes with it."""

    seen: str
    advice: str


def told_fault(fault: Exception, at: Raised | None) -> Told:
    """What *fault*, which was raised *at* a place, stands for."""
    if isinstance(fault, AttributeError) and fault.obj is not None and fault.name:
        return told_missing(fault.obj, fault.name)
    said = next(iter(str(fault).splitlines()), "")
    if isinstance(fault, NameError) and fault.name:
        known = [*at.frame.f_globals, *at.frame.f_locals, *vars(builtins)] if at is not None else []
        return Told(said, _did_you_mean(fault.name, known) or "Import it, or correct its name.")
    call = at.node if at is not None and isinstance(at.node, ast.Call) else None
    if isinstance(fault, TypeError) and call is not None and said.endswith("object is not callable"):
        called = ast.unparse(call.func)
        return Told(f"{called} is called, and is no function", f"Leave out the brackets: {called}.")
    looked = at.node if at is not None and isinstance(at.node, ast.Subscript) else None
    if looked is not None and said.endswith(("is not subscriptable", "is not a generic class")):
        owner, word = ast.unparse(looked.value), getattr(looked.slice, "value", None)
        advice = f"Write {owner}.{word}." if isinstance(word, str) else _GENERAL
        return Told(f"{owner} is no list and no dict to look in", advice)
    meant = next((meant for begin, meant in _SAID.items() if said.startswith(begin)), None)
    if meant is None and at is not None:
        meant = at.advice
    name = type(fault).__name__
    if not said or not isinstance(fault, sa.exc.SQLAlchemyError | NotImplementedError | RecursionError | TypeError):
        said = f"{name}: {said}" if said else name
    return Told(_short(said), meant or _GENERAL)


def _short(text: str) -> str:
    # Addresses in memory tell nobody anything.
    text = (
        text.partition(" object resolved from ")[0]
        .partition(", got ")[0]
        .partition(" should be explicitly ")[0]
        .strip()
    )
    return text if len(text) <= 160 else text[:159] + "…"


def told_missing(owner: Any, name: str) -> Told:
    """*owner* has no attribute *name*."""
    mapper = mapper_of(owner)
    if mapper is not None:
        names = [str(each) for each in mapper.all_orm_descriptors.keys()]  # noqa: SIM118 - it iterates over values
        return Told(f"{owner.__name__} has no {name}", _one_of(name, names, f"{owner.__name__}.", "It has"))
    if isinstance(owner, ReadOnlyColumnCollection):
        names = [str(each) for each in owner.keys()]  # noqa: SIM118 - it iterates over values
        return Told(f"its table has no column {name}", _one_of(name, names, "", "It has"))
    if isinstance(owner, QueryableAttribute) and isinstance(owner.prop, RelationshipProperty):
        return _behind(owner, owner.prop, name)
    if isinstance(owner, QueryableAttribute | sa.ColumnElement):
        told = f"{owner.class_.__name__}.{owner.key}" if isinstance(owner, QueryableAttribute) else "it"
        advice = f"Write func.{_TEXTS[name]}(…)." if name in _TEXTS else _did_you_mean(name, _OPERATORS, ".")
        value = "column" if isinstance(owner, QueryableAttribute) else "value of the database"
        return Told(f"{told} is a {value}, and has no {name}", advice or "Compare it, or give it to a func.…().")
    if isinstance(owner, EnumType):
        return Told(
            f"{owner.__name__} has no {name}", _one_of(name, list(owner.__members__), f"{owner.__name__}.", "It has")
        )
    shown = f"the module {owner.__name__}" if isinstance(owner, ModuleType) else f"a {type(owner).__name__}"
    return Told(f"{shown} has no {name}", _did_you_mean(name, dir(owner)) or _GENERAL)


def _behind(owner: Any, relationship: RelationshipProperty[Any], name: str) -> Told:
    told, model = f"{owner.class_.__name__}.{owner.key}", relationship.mapper.class_.__name__
    seen = f"{told} is a relationship, and has no {name}"
    names = [str(each) for each in relationship.mapper.all_orm_descriptors.keys()]  # noqa: SIM118 - as above
    near = name if name in names else near_word(name, names)
    asked = "any" if relationship.uselist else "has"
    if near is None:
        return Told(seen, f"Write {told}.{asked}(…): {model} has {', '.join(names)}.")
    further = relationship.mapper.relationships.get(near)
    says = f"{near} == …" if further is None else f"{near}.{'any' if further.uselist else 'has'}(…)"
    return Told(seen, f"Write {told}.{asked}({model}.{says}).")


def _one_of(name: str, names: list[str], before: str, otherwise: str) -> str:
    shown = [each for each in names if not each.startswith("_")]
    return _did_you_mean(name, shown, before) or f"{otherwise} {', '.join(shown)}."


def _did_you_mean(name: str, names: list[str], before: str = "") -> str | None:
    near = near_word(name, [each for each in names if each != name])
    return None if near is None else f"Did you mean {before}{near}?"
