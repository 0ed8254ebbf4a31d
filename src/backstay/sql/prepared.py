"""An expression compiled once: SQL text, and how to fill its parameters for each request.

SQLAlchemy's part ends here.  A request of a known shape only fills a list: about 1 µs for a handful of parameters,
where compiling the statement again costs 129–216 µs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Dialect as SaDialect
from sqlalchemy.sql.elements import BindParameter

from backstay.catalog import family_of
from backstay.errors import BackstayError
from backstay.plan.coerce import coercion
from backstay.policy import Fact, MeParameter, Principal, fact_of
from backstay.policy.affix import ends_within
from backstay.sql.parameters import Encode, SlotParameter
from backstay.sql.statement import Statement

#: Letters of a claim that is remembered as its column holds it.
_REMEMBERED: Final = 64


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """SQL text with its arguments: *template* holds the constants; the others are filled by `bind`.

    *slots* are (position, index of the request's value, encode); *facts* are (position, function from
    the principal).
    """

    sql: str
    template: tuple[Any, ...]
    slots: tuple[tuple[int, int, Encode], ...]
    facts: tuple[tuple[int, Fact], ...]

    def bind(self, values: Sequence[Any], principal: Principal) -> Statement:
        """Fill in the request's *values* and the facts about *principal*.

        Raises:
            PlanError: 22P02 and its siblings, when a value is not valid for its column.
        """
        args = list(self.template)
        for position, index, encode in self.slots:
            args[position] = encode(values[index])
        for position, fact in self.facts:
            args[position] = fact(principal)
        return Statement(self.sql, tuple(args))


def prepare(statement: sa.Executable, dialect: SaDialect) -> Prepared:
    """Compile *statement* for *dialect*; its constants are made driver-ready now."""
    compiled = statement.compile(dialect=dialect)  # type: ignore[attr-defined]
    # Lists are split of the text as a whole: compilers lose the word that would do it on their way.
    split = compiled.construct_expanded_state(escape_names=False)
    names: Sequence[str] = split.positiontup or ()
    template: list[Any] = []
    slots: list[tuple[int, int, Encode]] = []
    facts: list[tuple[int, Fact]] = []
    for position, name in enumerate(names):
        parameter = compiled.binds.get(name)
        if isinstance(parameter, SlotParameter):
            slots.append((position, parameter.slot_index, parameter.slot_encode))
            template.append(None)
        elif isinstance(parameter, MeParameter):
            facts.append((position, _encoded_fact(parameter, dialect)))
            template.append(None)
        else:
            template.append(_constant(name, parameter, compiled, split.parameters, dialect))
    return Prepared(split.statement, tuple(template), tuple(slots), tuple(facts))


def _constant(
    name: str, parameter: BindParameter[Any] | None, compiled: Any, split: Mapping[str, Any], dialect: SaDialect
) -> Any:
    # An expanding parameter (``column.in_([…])`` in a policy) has been split: its parts are not in ``binds``.
    value = split[name] if parameter is None else parameter.effective_value
    kind = compiled.escaped_bind_names.get(name, name) if parameter is None else name
    type_ = parameter.type if parameter is not None else _expanded_type(kind, compiled)
    process = type_.dialect_impl(dialect).bind_processor(dialect)
    return process(value) if process is not None else value


def _expanded_type(name: str, compiled: Any) -> sa.types.TypeEngine[Any]:
    stem, _, last = name.rpartition("_")
    binds: Mapping[str, BindParameter[Any]] = compiled.binds
    if stem in binds:
        return binds[stem].type
    # Of a list of rows each value is named by its row and its place there.
    rows = binds.get(stem.rpartition("_")[0])
    if rows is None or not isinstance(rows.type, sa.types.TupleType):
        return sa.types.NULLTYPE
    return rows.type.types[int(last) - 1]


def _encoded_fact(parameter: MeParameter, dialect: SaDialect) -> Fact:
    """Turn a claim into what its column holds; what cannot be one is NULL, which matches nothing."""
    type_ = parameter.type
    process = type_.dialect_impl(dialect).bind_processor(dialect)
    family = family_of(type_)
    read = coercion(type_)
    escape = parameter.me_escape

    # One caller asks many times: remembering costs 0.1 µs, converting an id 3 to 6.
    @lru_cache(maxsize=256, typed=True)
    def convert(value: Any) -> Any:
        if family == "boolean" and isinstance(value, bool):
            return process(value) if process is not None else value
        try:
            told = str(value).lower() if isinstance(value, bool) else str(value)
            typed = _python_value(read(told), type_)
            if isinstance(typed, float | Decimal) and not math.isfinite(typed):
                # NaN is the greatest number of PostgreSQL, and SQLite has none; nor has it 0 · ∞.
                return None
            if escape is not None and isinstance(typed, str) and ends_within(typed, escape):
                return None
            return process(typed) if process is not None else typed
        except (BackstayError, ValueError, TypeError):
            return None

    fact = fact_of(parameter.me_source)

    def encoded(principal: Principal) -> Any:
        value = fact(principal)
        if value is None or isinstance(value, dict | list):
            return None
        # What is long is what people write about themselves.
        return convert.__wrapped__(value) if isinstance(value, str) and len(value) > _REMEMBERED else convert(value)

    return encoded


def _python_value(canonical: Any, type_: sa.types.TypeEngine[Any]) -> Any:
    """The Python value that SQLAlchemy's bind processor for *type_* expects."""
    try:
        kind = type_.python_type
    except NotImplementedError:
        return canonical
    if isinstance(canonical, str) and hasattr(kind, "fromisoformat"):
        return kind.fromisoformat(canonical)
    return kind(canonical)
