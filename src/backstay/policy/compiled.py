"""Policies as written → `Rule`s, when the app starts."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapper
from sqlalchemy.sql.elements import ColumnElement

from backstay.arguments import told
from backstay.catalog import Catalog, Table
from backstay.catalog.encrypted import BLIND, Encrypted
from backstay.catalog.inheritance import is_part, mapper_of, own_columns, own_rows
from backstay.catalog.readable import unreadable
from backstay.catalog.size import refuse_oversized, too_large
from backstay.catalog.standing import elements, is_rows, standing, table_of
from backstay.errors import ConfigError
from backstay.place import place_of
from backstay.policy.expression import expression_of, refuse_untrue
from backstay.policy.fallible import called, may_fail
from backstay.policy.link import refuse_unjoined
from backstay.policy.loop import changed, code_of
from backstay.policy.me import MeParameter
from backstay.policy.rule import ACTIONS, Allowance, Policy, Rule
from backstay.policy.slip import near_word
from backstay.policy.watch import operations_replaced


def compile_rules(policies: Iterable[Policy], *catalogs: Catalog) -> tuple[Rule, ...]:
    """Every rule of *policies*.  A name of a table means that of the first of *catalogs*, unless it names a schema.

    Raises:
        ConfigError: BST-E020 for what is no policy, BST-E022 when a model is not served, BST-E023 when the function
            does not mean one expression, BST-E024 when *columns* names one that does not exist, BST-E027 when it holds
            what nobody can read, BST-E050 and BST-E051 when nobody can tell which rows it looks at, BST-E053 and
            BST-E054 when a comparison means nothing, BST-E055 when nobody can tell which rows are the model's,
            BST-E056 when it is too large, BST-E080 when it names a table by a word that the app does not serve,
            BST-E081 when it compares values of two kinds, BST-E505 when it looks at what is encrypted.
    """
    listed = tuple(policies)
    often = Counter(code_of(policy.function) for policy in listed if isinstance(policy, Policy))
    with operations_replaced():
        for policy in listed:
            if isinstance(policy, Policy) and often[code_of(policy.function)] > 1:
                _refuse_changed(policy)
        return tuple(rule for policy in listed for rule in _measured(policy, catalogs))


def _measured(policy: Policy, catalogs: tuple[Catalog, ...]) -> list[Rule]:
    try:
        return _rules_of(policy, catalogs)
    except RecursionError as fault:
        # What SQLAlchemy makes of models may be deeper than what was measured.
        raise too_large(f"{place_of(policy.function)}: the policy {policy.name}") from fault


def _refuse_changed(policy: Policy) -> None:
    """Several policies of one text are made by a loop, and what they name is what the loop left."""
    found = changed(policy.function, policy.meant)
    if found is not None:
        name, then, now = found
        raise ConfigError(
            "BST-E023",
            f"{place_of(policy.function)}: the policy {policy.name} names {name}, which was {told(then)} when it was"
            f" decorated and is {told(now)} when it is called",
            hint=f"Keep the value of each turn of the loop by a default: (me, {name}={name}).",
        )


def _rules_of(policy: Policy, catalogs: tuple[Catalog, ...]) -> list[Rule]:
    rules: list[Rule] = []
    if not isinstance(policy, Policy):
        here = f"{place_of(policy)}: " if callable(policy) else ""
        raise ConfigError(
            "BST-E020",
            f"{here}policies= takes functions that are decorated with @allow, and got {told(policy)}",
            hint='Write @allow("read", Post) above the function.',
        )
    place = place_of(policy.function)
    what = f"{place}: the policy {policy.name}"
    for allowance in policy.allowances:
        table = _table(allowance.model, catalogs, policy)
        mapper = mapper_of(allowance.model)
        own = None if mapper is None else own_rows(mapper, what)
        written = expression_of(policy.name, policy.function, table.sql, own)
        _refuse_narrower(written, mapper, what)
        rows = standing(written, table.sql, what)
        refuse_oversized(rows, what)
        _refuse_unreadable(rows, policy)
        refuse_unjoined(rows, table.sql, what)
        # Once more: the joins of models are conditions only now.
        refuse_untrue(policy.name, rows, place)
        _refuse_strangers(rows, policy, catalogs)
        _refuse_sealed(rows, policy, catalogs)
        columns = _columns(allowance, table, policy)
        for action in sorted(allowance.actions):
            rules.append(
                Rule(
                    name=policy.name,
                    reason=inspect.getdoc(policy.function) or policy.name,
                    action=action,
                    table=table.name,
                    source=table.sql,
                    rows=rows,
                    columns=columns,
                    to=allowance.to,
                    needs_id=_mentions_id(rows),
                    has_subquery=_has_subquery(rows),
                    may_fail=may_fail(rows),
                    calls=called(rows),
                    place=place,
                )
            )
    return rules


def _refuse_narrower(written: ColumnElement[bool], mapper: Mapper[Any] | None, what: str) -> None:
    """``Cat.lives > 3`` in a rule of animals would be about all of them, as no ``select(Cat)`` is."""
    waiting: list[Any] = [written]
    while waiting:
        element = waiting.pop()
        about = element._annotations.get("parentmapper")
        if isinstance(about, Mapper) and is_part(about) and not (mapper is not None and mapper.isa(about)):
            raise ConfigError(
                "BST-E055",
                f"{what} looks at {about.class_.__name__}.{getattr(element, 'key', '')}, and not only rows of"
                f" {about.class_.__name__} are judged",
                hint=f"Write a rule for {about.class_.__name__}, or name the column of the table: rows.… of"
                " def policy(me, rows).",
            )
        if not isinstance(element, sa.SelectBase) and not is_rows(element):
            waiting.extend(element.get_children())


def _refuse_unreadable(rows: ColumnElement[bool], policy: Policy) -> None:
    found = unreadable(rows)
    if found is not None:
        raise ConfigError(
            "BST-E027",
            f"{place_of(policy.function)}: the policy {policy.name} holds {found}",
            hint="Write it with columns of models, operators and func: what it looks at must be told by its elements.",
        )


def _refuse_strangers(rows: ColumnElement[bool], policy: Policy, catalogs: tuple[Catalog, ...]) -> None:
    """``table("members", column("who"))`` is a word: what it means must be known, as of a model or a `Table`."""
    for element in elements(rows):
        word = table_of(element)
        if not is_rows(element) or isinstance(word, sa.Table):
            continue
        served = _served(word, catalogs)
        missing = [name for name in word.c.keys() if served is None or name not in served.sql.c]  # noqa: SIM118
        if served is None or missing:
            raise ConfigError(
                "BST-E080",
                f"{place_of(policy.function)}: the policy {policy.name} asks table({word.name!r}), which "
                + ("the app does not serve" if served is None else f"has no column {missing[0]}"),
                hint="Name a table that is served, or write its model, or a Table with its columns and their types.",
            )


def _served(named: Any, catalogs: tuple[Catalog, ...]) -> Table | None:
    """The table that the FROM *named* means, by its name and schema."""
    for at, catalog in enumerate(catalogs):
        for table in catalog.tables.values():
            schemas = {getattr(table.sql, "schema", None), catalog.schema} | ({None} if at == 0 else set())
            if table_of(table.sql).name == named.name and named.schema in schemas:
                return table
    return None


def _refuse_sealed(rows: ColumnElement[bool], policy: Policy, catalogs: tuple[Catalog, ...]) -> None:
    """The database decides who may see a row, and cannot read what is encrypted."""
    for element in elements(rows):
        if not isinstance(element, sa.ColumnClause) or not is_rows(element.table):
            continue
        served = _served(table_of(element.table), catalogs)
        for column in (element, None if served is None else served.sql.c.get(element.name)):
            if isinstance(column, sa.Column) and (
                isinstance(column.type, Encrypted) or column.info.get("backstay") == BLIND
            ):
                raise ConfigError(
                    "BST-E505",
                    f"{place_of(policy.function)}: the policy {policy.name} looks at {column.name}, which is encrypted",
                    hint="Decide by another column: a policy runs in the database, which has no keys.",
                )


def _table(model: Any, catalogs: tuple[Catalog, ...], policy: Policy) -> Table:
    if isinstance(model, str):
        return _table_named(model, catalogs, policy)
    # What an object of a model says of its table is not meant: a policy is about all rows.
    mapper = mapper_of(model)
    wanted = model if isinstance(model, sa.Table) else None if mapper is None else mapper.local_table
    for catalog in catalogs:
        for candidate in catalog.tables.values():
            if candidate.sql is wanted:
                return candidate
    owner = getattr(model, "class_", None)
    if isinstance(owner, type):
        raise _unknown(policy, f"{told(model)}", f"Name the model, {owner.__name__}, and the column in columns=[…].")
    if wanted is None:
        raise _unknown(policy, f"{told(model)}, which is no model and no table", "Name a model that the app serves.")
    named = model.__name__ if isinstance(model, type) else told(model)
    raise _unknown(policy, f"{named}, which the app does not serve", "Add it to models=.")


def _table_named(name: str, catalogs: tuple[Catalog, ...], policy: Policy) -> Table:
    """``users`` of the first schema, or ``internal.users`` of that one."""
    first, *_ = catalogs
    found = [first.tables[name]] if name in first.tables else []
    for catalog in catalogs:
        found += [table for table in catalog.tables.values() if _qualified(table, catalog) == name]
    if len(found) > 1:
        both = " and ".join(_qualified(table, catalog) for catalog in catalogs for table in _own(catalog, found))
        raise _unknown(policy, f"{name!r}, which may be {both}", "Rename one of them, or leave its schema out.")
    if found:
        return found[0]
    elsewhere = [f"{c.schema}.{name}" for c in catalogs[1:] if name in c.tables]
    if elsewhere:
        raise _unknown(
            policy,
            f"{name!r}, which {first.schema} does not have; a name without a schema is one of the first schema's",
            f"Write {' or '.join(map(repr, elsewhere))}.",
        )
    known = [*first.tables, *(_qualified(t, c) for c in catalogs for t in c.tables.values()), *ACTIONS]
    near = near_word(name, known)
    raise _unknown(
        policy,
        f"{name!r}, which the app does not serve",
        "Name a table that is there." if near is None else f"Did you mean {near!r}?",
    )


def _qualified(table: Table, catalog: Catalog) -> str:
    return f"{getattr(table.sql, 'schema', None) or catalog.schema}.{table.name}"


def _own(catalog: Catalog, found: list[Table]) -> list[Table]:
    return [table for table in found if catalog.tables.get(table.name) is table]


def _unknown(policy: Policy, what: str, hint: str) -> ConfigError:
    return ConfigError("BST-E022", f"{place_of(policy.function)}: the policy {policy.name} is about {what}", hint=hint)


def _columns(allowance: Allowance, table: Table, policy: Policy) -> frozenset[str]:
    if allowance.columns is None:
        mapper = mapper_of(allowance.model)
        return frozenset(table.columns) if mapper is None else own_columns(mapper) & frozenset(table.columns)
    named = [(_column_name(item, table), item) for item in allowance.columns]
    missing = sorted(str(item) for name, item in named if name not in table.columns)
    if missing:
        raise ConfigError(
            "BST-E024",
            f"{place_of(policy.function)}: the policy {policy.name} names columns that {table.name} does not have: "
            f"{', '.join(missing)}",
            hint=f"It has {', '.join(table.columns)}.",
        )
    return frozenset(name for name, _ in named)


def _column_name(item: Any, table: Table) -> str:
    """Its name in *table*; empty for what is no column of it, one of the same name in another model among them."""
    if isinstance(item, str):
        return item
    element = item.__clause_element__() if hasattr(item, "__clause_element__") else item
    known = table.columns.get(str(element.name)) if isinstance(element, sa.Column) else None
    return known.name if known is not None and element.shares_lineage(known.sql) else ""


def _mentions_id(rows: ColumnElement[bool]) -> bool:
    return any(isinstance(e, MeParameter) and e.me_source == ("id",) for e in elements(rows))


def _has_subquery(rows: ColumnElement[bool]) -> bool:
    return any(isinstance(element, sa.SelectBase) for element in elements(rows))
