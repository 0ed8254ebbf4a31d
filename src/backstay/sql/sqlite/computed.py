"""Decimals that SQLite computes: exact, in their order, and with the digits that PostgreSQL would show.

What is computed has neither the affinity nor the collation of a column: SQLite would compare a number with a text of
the request as with a word.  And SQLAlchemy gives a product or a quotient the scale of its first factor.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql import elements, operators
from sqlalchemy.sql.functions import FunctionElement

from backstay.catalog import family_of
from backstay.catalog.standing import function_name
from backstay.sql.dialect import Typed
from backstay.sql.sqlite.path import DECIMALS, number
from backstay.sql.sqlite.value import is_native


def computed(typed: Typed) -> Typed:
    """*typed* in the form that its type has in a column: a decimal as text, whose digits nothing bounds."""
    if family_of(typed.type) != "numeric":
        return typed
    scale, value = _scale(typed.expression), typed.expression
    text = sa.func.backstay_decimal(value) if scale is None else sa.func.backstay_scaled(value, number(scale))
    return Typed(sa.collate(sa.type_coerce(text, sa.Text()), DECIMALS), sa.Numeric())


def _scale(element: Any) -> int | None:
    """The digits behind the point that *element* has, whatever its row; ``None``: nobody knows."""
    match element:
        case sa.ColumnClause():
            if family_of(element.type) == "numeric" and is_native(element.type):
                return getattr(element.type, "scale", 0)
            return 0 if family_of(element.type) == "integer" else None
        case sa.BindParameter(value=int()):
            return 0
        case sa.BindParameter(value=Decimal() as value) if value.is_finite():
            return max(0, -int(value.as_tuple().exponent))
        case sa.Null():
            return 0
        case sa.Cast() if family_of(element.type) in ("numeric", "integer"):
            return getattr(element.type, "scale", 0)
        case elements.Grouping() | sa.Label():
            return _scale(element.element)
        case sa.TypeCoerce():
            return _scale(element.clause)
        case sa.UnaryExpression(operator=operators.neg):
            return _scale(element.element)
        case sa.BinaryExpression(operator=operators.add | operators.sub):
            return _largest(element.left, element.right)
        case sa.BinaryExpression(operator=operators.mul):
            left, right = _scale(element.left), _scale(element.right)
            return None if left is None or right is None else left + right
        case sa.Case():
            return _largest(*(then for _, then in element.whens), *([] if element.else_ is None else [element.else_]))
        case FunctionElement() if function_name(element) in ("coalesce", "abs"):
            return _largest(*element.clauses)
        case _:
            return None


def _largest(*parts: Any) -> int | None:
    scales = [_scale(part) for part in parts]
    known = [scale for scale in scales if scale is not None]
    return max(known) if len(known) == len(scales) else None
