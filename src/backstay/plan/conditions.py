"""Which operators a column takes, decided before any SQL runs: SQLite itself would compare anything with anything."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from backstay.catalog import Column, Computed, Family, Search
from backstay.catalog.geometry import Geometry
from backstay.errors import PlanError
from backstay.plan.coerce import type_name
from backstay.plan.intent import Operand
from backstay.request.field import Step
from backstay.request.filters import SEARCH, Filter

_TEXTUAL: Final[frozenset[Family]] = frozenset({"text", "other", "enum"})
#: What full-text search takes: text, the texts in JSON, and what is indexed already.
SEARCHED: Final[frozenset[Family]] = frozenset({"text", "enum", "json", "tsvector", "other"})
_SYMBOLS: Final = {"like": "~~", "ilike": "~~*", "match": "~", "imatch": "~*"}
_SET_SYMBOLS: Final = {"cs": "@>", "cd": "<@", "ov": "&&"}
_RANGE_SYMBOLS: Final = {"sl": "<<", "sr": ">>", "nxr": "&<", "nxl": "&>", "adj": "-|-"}


def check_operator(operand: Operand, asked: Filter) -> None:
    """Refuse an operator that *operand*'s type does not have, as PostgreSQL would.

    Raises:
        PlanError: 42883 (no such operator), PGRST127 (not for a search field or a geometry), 42804 (``is.true`` of
            what is not boolean).
    """
    family = operand.column.family
    name = _name(operand.column)
    if operand.path:
        family = "text" if operand.path[-1].as_text else "json"
        name = "text" if operand.path[-1].as_text else "jsonb"
    if asked.op in SEARCH and family not in SEARCHED:
        raise PlanError("42883", f"function to_tsvector({name}) does not exist")
    if isinstance(operand.column, Search) and asked.op not in SEARCH:
        raise PlanError(
            "PGRST127",
            "Feature not implemented",
            details=f"The search field {operand.column.name} takes fts, plfts, phfts and wfts, not {asked.op}.",
        )
    if isinstance(operand.column.type, Geometry) and not operand.path and asked.op != "is":
        raise PlanError(
            "PGRST127",
            "Feature not implemented",
            details=f"The geometry {operand.column.name} takes is.null, not {asked.op}.",
        )
    # PostgreSQL's own enum types are no text; an Enum(native_enum=False) is.
    textual = family in _TEXTUAL and not (family == "enum" and getattr(operand.column.type, "native_enum", False))
    if asked.op in _SYMBOLS and not textual:
        raise _no_operator(f"{name} {_SYMBOLS[asked.op]} unknown")
    if asked.op in _SET_SYMBOLS and family not in ("array", "json", "range", "other"):
        raise _no_operator(f"{name} {_SET_SYMBOLS[asked.op]} unknown")
    if asked.op == "ov" and family == "json":
        raise _no_operator("jsonb && unknown")
    if asked.op in _RANGE_SYMBOLS and family not in ("range", "other"):
        raise _no_operator(f"{name} {_RANGE_SYMBOLS[asked.op]} unknown")
    if asked.op == "is" and asked.value in ("true", "false", "unknown") and family not in ("boolean", "other"):
        raise PlanError(
            "42804",
            f"argument of IS {str(asked.value).upper()} must be type boolean, not type {name}",
        )


def check_path(column: Column | Computed | Search, path: tuple[Step, ...]) -> None:
    """Refuse a JSON path into a column that holds no JSON, or on from text, wherever the path stands.

    Raises:
        PlanError: 42883.
    """
    if path and column.family not in ("json", "array", "other"):
        raise _no_operator(f"{_name(column)} {'->>' if path[0].as_text else '->'} unknown")
    for before, step in pairwise(path):
        if before.as_text:
            arrow, key = "->>" if step.as_text else "->", "integer" if isinstance(step.key, int) else "unknown"
            raise _no_operator(f"text {arrow} {key}")


def _name(column: Column | Computed | Search) -> str:
    """What PostgreSQL calls the column's type, for the messages that it would give."""
    return type_name(column.type).removeprefix("enum ")


def _no_operator(expression: str) -> PlanError:
    return PlanError(
        "42883",
        f"operator does not exist: {expression}",
        hint="No operator matches the given name and argument types. You might need to add explicit type casts.",
    )
