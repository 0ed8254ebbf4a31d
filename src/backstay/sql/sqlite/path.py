"""JSON paths, and the order of values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa

from backstay.catalog import Family, family_of
from backstay.catalog.opaque import AsStored, StoredJSONB
from backstay.errors import PlanError
from backstay.request.field import Step
from backstay.sql.dialect import Expression, Typed
from backstay.sql.sqlite.value import word
from backstay.sql.stored import stored_document


def _document(typed: Typed) -> Expression:
    return stored_document(typed) if isinstance(typed.type, AsStored) else typed.expression


def _bound_path(path: tuple[Step, ...]) -> Expression:
    """The path as one bound constant, each key quoted on its own (SQ3)."""
    text = "$"
    for step in path:
        if isinstance(step.key, int):
            text += f"[{step.key}]" if step.key >= 0 else f"[#{step.key}]"
        elif '"' in step.key or "\\" in step.key:
            raise PlanError(
                "PGRST127",
                "Feature not implemented",
                details="On SQLite, a JSON key cannot hold quotes or backslashes.",
            )
        else:
            text += f'."{step.key}"'
    return sa.literal(text, sa.Text())


def json_path(typed: Typed, path: tuple[Step, ...]) -> Typed:
    document, where = _document(typed), _bound_path(path)
    found = document.op("->", precedence=15, return_type=sa.Text())(where)
    if not path[-1].as_text:
        return Typed(found, sa.JSON())
    plain = document.op("->>", precedence=15, return_type=sa.Text())(where)
    # ``->>`` gives SQL values; PostgreSQL gives text: 'true' for true, '5' for 5.
    first = sa.func.substr(found, 1, 1)
    nested = first.in_((word("{"), word("[")))
    # Plain json keeps what was written, which is rarely more than SQLite leaves of it; jsonb writes anew.
    plain_json = isinstance(typed.type, AsStored) and not isinstance(typed.type, StoredJSONB)
    written = found if plain_json else sa.func.backstay_json_text(found)
    text = sa.case((first == word('"'), plain), (nested, written), else_=sa.func.nullif(found, word("null")))
    return Typed(text, sa.Text())


def sort_key(typed: Typed, path: tuple[Step, ...]) -> Expression:
    return ordered(json_path(typed, path) if path else typed)


#: How the texts of these families compare; ``adapters/sqlite/ordering.py`` says what the collations mean.
COLLATIONS: Final[Mapping[Family, str]] = {"json": "BACKSTAY_JSON", "array": "BACKSTAY_ARRAY"}
#: How decimals that are texts compare; that of columns stands in their tables.
DECIMALS: Final = "BACKSTAY_DECIMAL"


def ordered(typed: Typed) -> Expression:
    """The expression that sorts and compares as PostgreSQL's type does."""
    family = family_of(typed.type)
    labels = labels_of(typed.type)
    if labels:
        # An enum's order is that of its labels.
        return sa.case(*((typed.expression == word(label), number(i)) for i, label in enumerate(labels)))
    if family == "interval":
        return sa.func.backstay_microseconds(typed.expression, type_=sa.BigInteger())
    if family in COLLATIONS:
        return sa.collate(sa.type_coerce(typed.expression, sa.Text()), COLLATIONS[family])
    return typed.expression


def labels_of(type_: sa.types.TypeEngine[Any]) -> Sequence[str]:
    """The labels of an enum, unless they sort by themselves."""
    found: Sequence[str] = getattr(type_, "enums", None) or ()
    return () if list(found) == sorted(found) else found


def number(value: int) -> Expression:
    return sa.literal_column(str(value), sa.Integer())
