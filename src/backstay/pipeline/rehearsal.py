"""Every rule is shown to the database before the first request, so that one that cannot run ends the start.

Clients would be told of it as of a fault of their own, at each request, with the names in it.
"""

from __future__ import annotations

import re
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.sql import visitors
from sqlalchemy.sql.functions import FunctionElement

from backstay.catalog.size import too_large
from backstay.db.statement import Database
from backstay.errors import BackstayError, ConfigError
from backstay.pipeline.surface import Surface
from backstay.pipeline.zone import rows_of
from backstay.policy import Principal, Rule
from backstay.policy.slip import near_word
from backstay.sql.dialect import SqlDialect
from backstay.sql.prepared import prepare
from backstay.sql.sqlite.element import FUNCTIONS
from backstay.sql.unlike import Unlike

#: What says nothing of the rule: a table that is not there yet, rights of the role, and a database that has no time.
_OTHER = ("42P01", "42501", "08", "53", "55", "57", "58", "PGRST", "BST", "XX001")
#: What has no words in a database is what it lacks, where all that it has is known.
_SYNTAX: Final = "42601"


async def rehearse(database: Database, surface: Surface) -> None:
    """Ask for the plan of each rule, which runs nothing, and whether it means here what it means on PostgreSQL.

    Raises:
        ConfigError: BST-E028, with the rule and what the database says of it; BST-E082, for a rule that would run and
            say something else.
    """
    seen, volatile = set[int](), await _volatile(database, surface)
    for rule in surface.rules:
        if id(rule.rows) not in seen:
            seen.add(id(rule.rows))
            await _rehearse(database, surface.dialect, rule, volatile)


async def _rehearse(database: Database, dialect: SqlDialect, rule: Rule, volatile: frozenset[str]) -> None:
    try:
        unlike = dialect.unlike(rule.rows)
    except RecursionError as fault:
        raise too_large(f"{rule.place}: the policy {rule.name}") from fault
    asking: sa.Select[tuple[int]] = sa.select(sa.literal_column("1")).select_from(rule.source).where(rule.rows)
    try:
        statement = prepare(asking, dialect.compiler).bind((), Principal())
        asked = dialect.explain.ask(statement, "text", ())
        await database.snapshot(lambda: rows_of(asked))
    except BackstayError as fault:
        if fault.code == _SYNTAX and unlike is not None and dialect.volatile is None:
            raise _unlike(rule, unlike) from fault
        if not fault.code.startswith(_OTHER):
            raise _cannot_run(rule, f"{fault.code}: {fault.message}", unlike) from fault
    except RecursionError as fault:
        raise too_large(f"{rule.place}: the policy {rule.name}") from fault
    except Exception as fault:
        if unlike is not None:
            raise _unlike(rule, unlike) from fault
        raise _cannot_run(rule, _said(fault), unlike) from fault
    if volatile and (changing := volatile & _called(rule)):
        raise _changing(rule, min(changing), dialect)
    if unlike is not None:
        raise _unlike(rule, unlike)


def _unlike(rule: Rule, unlike: Unlike) -> ConfigError:
    return ConfigError(
        "BST-E082",
        f"{rule.place}: the policy {rule.name} holds what databases answer differently: {unlike.seen}",
        hint=unlike.hint,
    )


def _said(fault: Exception) -> str:
    """The first line of what *fault* says; objects by their class alone."""
    said = next(iter(str(fault).splitlines()), "") or type(fault).__name__
    return re.sub(r"<(?:[\w.]+\.)?(\w+) object at 0x[0-9a-f]+>", r"\1", said.partition(" (Background on")[0])


async def _volatile(database: Database, surface: Surface) -> frozenset[str]:
    """Those functions of all rules whose value may be another one for each row, or at each look."""
    asking = surface.dialect.volatile
    called = frozenset[str]() if asking is None else frozenset().union(*map(_called, surface.rules))
    if asking is None or not called:
        return frozenset()
    asked = asking(sorted(called))
    return frozenset(name for (name,) in await database.snapshot(lambda: rows_of(asked)))


def _called(rule: Rule) -> frozenset[str]:
    return frozenset(_qualified(each) for each in visitors.iterate(rule.rows) if isinstance(each, FunctionElement))


def _changing(rule: Rule, name: str, dialect: SqlDialect) -> ConfigError:
    """What is another value at each look is no condition: nobody knows what it showed."""
    return ConfigError(
        "BST-E082",
        f"{rule.place}: the policy {rule.name} holds what databases answer differently: the function {name}(),"
        f" whose value may be another one at each call",
        hint=f"Leave clocks but func.now(), chance and changes out; where {name}() is yours and only reads, tell"
        f" {dialect.name}: ALTER FUNCTION {name} STABLE.",
    )


def _qualified(function: Any) -> str:
    return ".".join((*getattr(function, "packagenames", ()), str(getattr(function, "name", "")))).lower()


def _cannot_run(rule: Rule, why: str, unlike: Unlike | None) -> ConfigError:
    unknown = [name for name in sorted(rule.calls - FUNCTIONS.keys()) if name in why]
    near = next((near for name in unknown if (near := near_word(name, FUNCTIONS))), None)
    usual = "Compare values of one type, and ask only for functions that this database has."
    hint = usual if unlike is None else unlike.hint
    return ConfigError(
        "BST-E028",
        f"{rule.place}: the policy {rule.name} cannot run on {rule.table}: {why}",
        hint=hint if near is None else f"Did you mean func.{near}()?",
    )
