"""Computed fields: what `hybrid_property` and `column_property` say in SQL.

1. The expression of the class counts; a hybrid that has none (because it only works on instances) is not served.
2. A field *uses* columns, of its own table and of others: who may not read one of them may not read the field.
3. The type is the expression's; where SQLAlchemy does not know it, the hybrid's return annotation says it.
4. Which rows it looks at is told by the scope of each FROM (`standing`).  Where that cannot be told (text, windows and
   aggregates over whatever rows a request finds, functions that give rows), the field is not served.
"""

from __future__ import annotations

import re
import typing
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapper
from sqlalchemy.sql import coercions, roles
from sqlalchemy.sql.elements import ColumnElement

from backstay.catalog.family import Family, family_of
from backstay.catalog.inheritance import is_part, own_rows, sharing
from backstay.catalog.readable import unreadable
from backstay.catalog.size import oversized
from backstay.catalog.standing import elements, is_rows, standing, table_of
from backstay.catalog.truth import untrue
from backstay.errors import ConfigError


@dataclass(frozen=True, slots=True, eq=False)
class Computed:
    """A value that SQL makes of columns; clients read it under *name*, and never write it.

    *expression* stands on *table*; ``sql/`` moves it onto an alias.  *uses* are the columns of the row itself,
    *elsewhere* those of other tables, and of other rows of this one, that a subquery looks at.
    """

    name: str
    expression: ColumnElement[Any]
    type: sa.types.TypeEngine[Any]
    uses: frozenset[str]
    elsewhere: Mapping[str, frozenset[str]]
    table: sa.Table
    description: str | None = None

    @property
    def family(self) -> Family:
        return family_of(self.type)

    @property
    def nullable(self) -> bool:
        """Any expression may be NULL, as far as anybody knows."""
        return True


def computed_fields(table: sa.Table, mapper: Mapper[Any] | None) -> tuple[dict[str, Computed], tuple[str, ...]]:
    """The computed fields of the model of *table*, by attribute name, and a sentence for each that is not served.

    A column of the same name hides one.
    """
    found: dict[str, Computed] = {}
    left_out: list[str] = []
    if mapper is None or mapper.local_table is not table:
        return found, ()
    known: dict[str, str] = {}
    for each in sharing(mapper):
        for name, expression, annotation, doc in _declared(each):
            of = f"the computed field {each.class_.__name__}.{name}"
            if name in known:
                left_out.append(f"{of} is not served: the table has one of {known[name]}, of the same name")
                continue
            known[name] = each.class_.__name__
            try:
                own = own_rows(each, of)
            except ConfigError as fault:
                left_out.append(f"{of} is not served: {fault.message}")
                continue
            if name in table.columns:
                continue
            field = _read(name, expression, annotation, doc, table, own)
            if isinstance(field, Computed):
                found[name] = field
            else:
                left_out.append(
                    f"the computed field {table.name}.{name} is not served: {field}"
                    " (a name with an underscore in front is the model's own)"
                )
    return found, tuple(left_out)


def _read(
    name: str,
    expression: ColumnElement[Any],
    annotation: Any,
    doc: str | None,
    table: sa.Table,
    own: ColumnElement[bool] | None,
) -> Computed | str:
    """The field, or why there is none: the model may need it for itself."""
    large = oversized(expression)
    if large is not None:
        return f"it {large.seen}"
    type_ = _typed(expression, annotation)
    if type_ is None:
        return "nobody knows its type; annotate what it returns, or cast() it"
    if own is not None:
        expression = sa.case((own, expression))
    try:
        stands = standing(expression, table, f"the computed field {table.name}.{name}")
    except ConfigError as fault:
        return fault.message
    large = oversized(stands)
    if large is not None:
        return f"it {large.seen}"
    mistaken = untrue(stands)
    if mistaken is not None:
        return f"it {mistaken}"
    if _is_opaque(stands):
        return "nobody can tell which rows and columns it looks at"
    uses, elsewhere = _used(stands, table)
    return Computed(name, stands, type_, uses, elsewhere, table, doc)


def _declared(mapper: Mapper[Any]) -> Iterator[tuple[str, ColumnElement[Any], Any, str | None]]:
    """(name, expression, return annotation, doc) of each; names with an underscore in front are the model's own.

    What a part of a table has from the rest of it is left out.
    """
    base = mapper.inherits if is_part(mapper) else None
    for attribute in mapper.column_attrs:
        if base is not None and attribute.parent is not mapper:
            continue
        expression = attribute.columns[0]
        if not isinstance(expression, sa.Column) and not attribute.key.startswith("_"):
            plain = expression.element if isinstance(expression, sa.Label) else expression
            yield attribute.key, plain, None, attribute.doc
    for name, descriptor in mapper.all_orm_descriptors.items():
        if not isinstance(descriptor, hybrid_property) or str(name).startswith("_"):
            continue
        if base is not None and base.all_orm_descriptors.get(name) is descriptor:
            continue
        try:
            value = getattr(mapper.class_, str(name))
            expression = coercions.expect(roles.ExpressionElementRole, value)
        except Exception:  # noqa: S112 - whatever it raises says that the hybrid is for instances only
            continue
        # A plain text or number is what Python made of the class's attributes, not an expression.
        if isinstance(expression, ColumnElement) and not isinstance(expression, sa.BindParameter):
            hints = typing.get_type_hints(descriptor.fget) if _is_annotated(descriptor.fget) else {}
            yield str(name), expression, hints.get("return"), descriptor.fget.__doc__


def _is_annotated(function: Any) -> bool:
    try:
        return "return" in typing.get_type_hints(function)
    except Exception:  # a name that only a type checker knows
        return False


_TYPES: Final[Mapping[Any, sa.types.TypeEngine[Any]]] = {
    bool: sa.Boolean(),
    int: sa.BigInteger(),
    float: sa.Double(),
    str: sa.Text(),
    Decimal: sa.Numeric(),
    date: sa.Date(),
    time: sa.Time(),
    datetime: sa.DateTime(timezone=True),
    UUID: sa.Uuid(),
}


def _typed(expression: ColumnElement[Any], annotation: Any) -> sa.types.TypeEngine[Any] | None:
    if not isinstance(expression.type, sa.types.NullType):
        return expression.type
    named = [part for part in typing.get_args(annotation) if part is not type(None)] or [annotation]
    return _TYPES.get(named[0]) if len(named) == 1 else None


def _used(expression: ColumnElement[Any], table: sa.Table) -> tuple[frozenset[str], Mapping[str, frozenset[str]]]:
    """The columns of the row itself, and those of all rows that subqueries bring, by their table's name."""
    uses: set[str] = set()
    elsewhere: defaultdict[str, set[str]] = defaultdict(set)
    for element in elements(expression):
        if isinstance(element, sa.ColumnClause) and element.table is table:
            uses.add(str(element.name))
        elif isinstance(element, sa.ColumnClause) and is_rows(element.table):
            elsewhere[_home(element.table)].add(str(element.name))
        elif is_rows(element) and element is not table:
            # Rows may count without a column: select(func.count()).select_from(Post).
            elsewhere[_home(element)] |= set()
    return frozenset(uses), {name: frozenset(columns) for name, columns in elsewhere.items()}


def _home(from_: Any) -> str:
    return str(table_of(from_).name)


#: Functions that give rows made of their arguments alone.
_UNPACKING: Final = re.compile(
    r"generate_series|json_tree|jsonb?_(each|array_elements)(_text)?|jsonb?_object_keys|jsonb_path_query|unnest"
    r"|regexp_matches|regexp_split_to_table|string_to_table"
)


def _is_opaque(expression: ColumnElement[Any]) -> bool:
    """Whether nobody can tell which columns and rows *expression* looks at."""
    if unreadable(expression) is not None:
        return True
    for element in elements(expression):
        if isinstance(element, sa.TableValuedAlias):
            name = getattr(element.element, "name", "")
            if not _UNPACKING.fullmatch(str(name).lower()):
                return True
    return False
