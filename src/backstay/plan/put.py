"""``PUT``: the filters name one row by its whole key, and the body is that row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from backstay.catalog import Table
from backstay.errors import PlanError
from backstay.plan.coerce import coerce
from backstay.plan.value import text_of
from backstay.request.filters import Filter, Slot
from backstay.request.logic import Condition
from backstay.request.read import Path, Query


def put_rows(
    table: Table, shape: Query, values: Sequence[Any], rows: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """The row of *rows* that the filters name.

    Raises:
        PlanError: PGRST114 with a limit or offset; PGRST105 when the filters are not ``eq`` on all and only the key's
            columns; PGRST115 when the body is not the row that they name.
    """
    if any(not path for path, _ in shape.pages):
        raise PlanError("PGRST114", "limit/offset querystring parameters are not allowed for PUT")
    asked = {
        term.field.name: values[term.value.index]
        for path, term in shape.conditions
        if not path and _is_key(term) and isinstance(term, Filter) and isinstance(term.value, Slot)
    }
    own = [term for path, term in shape.conditions if not path]
    if not table.primary_key or len(own) != len(asked) or set(asked) != set(table.primary_key):
        raise PlanError("PGRST105", "Filters must include all and only primary key columns with 'eq' operators")
    found = [row for row in rows if all(_same(table, name, text, row.get(name)) for name, text in asked.items())]
    if len(found) != 1:
        raise PlanError("PGRST115", "Payload values do not match URL in primary key column(s)")
    return found


def put_conditions(shape: Query) -> tuple[tuple[Path, Condition], ...]:
    """The conditions that are not about the row itself."""
    return tuple((path, term) for path, term in shape.conditions if path)


def _is_key(term: Condition) -> bool:
    return (
        isinstance(term, Filter)
        and term.op == "eq"
        and not term.negated
        and term.quantifier is None
        and not term.field.path
    )


def _same(table: Table, name: str, text: str, value: Any) -> bool:
    type_ = table.columns[name].type
    sent = text_of(value, type_)
    return sent is not None and bool(coerce(sent, type_) == coerce(text, type_))
