"""What nobody can read in an expression: text that the database reads, names without a table, constructs of others.

Which rows and columns an expression looks at is told by its elements.  Whatever brings words of its own into the SQL
may look at any; so only what is known to bring none may stand in a policy, a computed field or a relation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import BindParameter, CollationClause
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.operators import custom_op
from sqlalchemy.sql.selectable import ScalarValues, TextualSelect

from backstay.catalog.standing import function_name

#: What a text may be and still say nothing of any row.
_CONSTANT: Final = re.compile(r"\*|\s*(null|true|false|-?\d+(\.\d+)?|'[^']*')\s*", re.IGNORECASE)
#: Operators: signs that begin no comment, or words that are operators wherever they stand.
_OPERATOR: Final = re.compile(
    r"(?!.*(--|/\*))[-+*/<>=~!@#%^&|?$.]{1,8}"
    r"|((is|is not|is distinct from|is not distinct from|not|div|mod|overlaps|escape"
    r"|(not )?(i?like|glob|regexp|rlike|match|similar to)|at time zone)\s*)",
    re.IGNORECASE,
)
_COLLATION: Final = re.compile(r"[\w.@-]+")
#: Functions that are told by a text what to read: statements, tables, files, other servers.
_READERS: Final = re.compile(
    r"(query|table|schema|database|cursor)_to_xml\w*|dblink\w*|pg_(read|ls|stat|logdir)_\w+|lo_\w+|ts_stat|crosstab\w*"
    r"|currval|lastval|nextval|setval|current_setting|set_config|load_extension|readfile|writefile|edit|eval|fts3_tokenizer"
)


def is_constant(text: str) -> bool:
    """Whether a text in SQL is a constant and no more."""
    return _CONSTANT.fullmatch(text) is not None


def unreadable(expression: Any) -> str | None:
    """What in *expression* nobody but the database can read; ``None`` where all can be.

    >>> unreadable(sa.column("secret") == 1)
    'a column without a table: secret'
    """
    every = list(visitors.iterate(expression))
    # What VALUES calls its columns, which are columns of it elsewhere.
    named = {
        id(column)
        for element in every
        if isinstance(element, sa.Values | ScalarValues)
        for column in element._column_args
    }
    for element in every:
        found = None if id(element) in named else _unread(element)
        if found is not None:
            return found
    return None


def _unread(element: Any) -> str | None:
    match element:
        case TextualSelect():
            return "a query as a text"
        case sa.TextClause() if not is_constant(element.text):
            return f"a text: {element.text[:60]!r}"
        case sa.ColumnClause() if element.is_literal and not is_constant(str(element.name)):
            return f"a text: {str(element.name)[:60]!r}"
        case sa.ColumnClause() if (
            element.table is None and not element.is_literal and not isinstance(element, sa.Column)
        ):
            return f"a column without a table: {element.name}"
        case CollationClause() if _COLLATION.fullmatch(element.collation) is None:
            return f"a collation: {element.collation[:60]!r}"
        case BindParameter() if element.callable is not None:
            return "a parameter whose value is a function's of its own"
        case BindParameter() if element.required and not hasattr(element, "me_source"):
            return f"a parameter without a value: {element.key}"
        case FunctionElement() if _READERS.fullmatch(function_name(element)):
            return f"a function that is told by a text what to read: {element.name}"
        case _:
            pass
    found = _of_type(element)
    if found is not None:
        return found
    for operator in (getattr(element, "operator", None), getattr(element, "modifier", None)):
        if isinstance(operator, custom_op) and _OPERATOR.fullmatch(operator.opstring.strip()) is None:
            return f"an operator that is a text: {operator.opstring[:60]!r}"
    if any(getattr(element, name, ()) for name in ("_prefixes", "_suffixes", "_hints", "_statement_hints")):
        return "a prefix, suffix or hint"
    return next(_of_others(element), None)


def _of_type(element: Any) -> str | None:
    """What the type of *element* puts around it when it is compiled: it must be readable, and still be about it."""
    if not isinstance(element, BindParameter | sa.ColumnClause):
        return None
    type_ = element.type
    if isinstance(element, BindParameter):
        around = type_.bind_expression(element) if type_._has_bind_expression else None
    else:
        around = type_.column_expression(element) if type_._has_column_expression else None
    if around is None:
        return None
    every = list(visitors.iterate(around))
    if not any(each is element for each in every):
        return f"a value that its type leaves out: {type(type_).__name__}"
    if any(isinstance(each, sa.SelectBase | sa.TableClause) for each in every):
        return f"a query of the type {type(type_).__name__}"
    return next((found for each in every if each is not element and (found := _unread(each)) is not None), None)


def _of_others(element: Any) -> Iterator[str]:
    """An element that SQLAlchemy does not make the SQL of."""
    for class_ in type(element).__mro__:
        if "_compiler_dispatcher" in vars(class_):
            yield f"a construct that is compiled by a function of its own: {class_.__name__}"
    if not type(element).__module__.startswith(("sqlalchemy.", "backstay.")) and not isinstance(
        element, FunctionElement | sa.Table | sa.Column
    ):
        yield f"a construct of its own: {type(element).__name__}"
