"""One condition as written: ``column=not.op(quantifier).value``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from backstay.request.field import Field

Quantifier: TypeAlias = Literal["any", "all"]


@dataclass(frozen=True, slots=True)
class Slot:
    """Stands where a value stood: number *index* of the request's values.

    A request whose values are replaced by slots is its *shape*, and the key under which its plan is remembered.
    """

    index: int


#: What a filter compares with: text; a list for ``in`` and for ``any``/``all``; or the slot that stands for either.
Value: TypeAlias = str | tuple[str, ...] | Slot


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition.  *value* is still text: only ``plan/`` knows the column's type.

    For ``is`` the value is one of ``null not_null true false unknown``, lower case, and is part of the shape.
    *language* is the text-search configuration of ``fts(lang)``.
    """

    field: Field
    op: str
    value: Value
    negated: bool = False
    quantifier: Quantifier | None = None
    language: str | None = None
