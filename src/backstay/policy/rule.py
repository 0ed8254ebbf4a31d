"""Rules: what `allow` collects, and what they become when the app starts."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Final, Literal, TypeAlias, cast, get_args

import sqlalchemy as sa
from sqlalchemy.sql import coercions, roles, visitors
from sqlalchemy.sql.elements import ColumnElement

from backstay.catalog import Catalog, Table
from backstay.catalog.encrypted import BLIND, Encrypted
from backstay.errors import BackstayError, ConfigError
from backstay.policy.me import Me, MeParameter
from backstay.policy.principal import ANON, AUTHENTICATED

Action: TypeAlias = Literal["read", "create", "update", "delete"]
ACTIONS: Final[tuple[Action, ...]] = get_args(Action)

#: Takes `Me`, and may take the table's columns behind it.
Predicate: TypeAlias = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Allowance:
    """One ``@allow(…)`` over one policy function, as written."""

    actions: frozenset[Action]
    model: Any
    to: frozenset[str] | None
    columns: tuple[Any, ...] | None


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy function with what it allows.  Calling it calls the function, which keeps it easy to test."""

    function: Predicate
    allowances: tuple[Allowance, ...]

    def __call__(self, me: Me) -> Any:
        return self.function(me)

    @property
    def name(self) -> str:
        return getattr(self.function, "__name__", repr(self.function))


def allow(
    *what: Any,
    to: str | Iterable[str] | None = None,
    columns: Iterable[Any] | None = None,
) -> Callable[[Predicate | Policy], Policy]:
    """Allow actions on the rows that the decorated function describes.

    ::

        @allow("read", Post)
        def public_posts(me: Me):
            "Anyone reads public posts."
            return Post.public

    Args:
        what: one or more of ``"read" "create" "update" "delete"``, then one or more models (or tables, or, in a
            reflected database, names of tables).
        to: the role or roles the rule is for.  Left out: everyone, or, when the rule mentions ``me.id``, everyone who
            has an account.
        columns: the columns it is about, as attributes or names.  Left out: all of them.

    The function is called once for each table, with a symbolic `Me`, when the app starts; a second parameter, where it
    has one, is given the table's columns (``rows.author_id == me.id``).  Its expression selects the old rows of a
    read, update or delete, and judges the new rows of a create or update.  Its name and docstring are its reason.

    Raises:
        ConfigError: BST-E020, when *what* is not actions followed by models.
    """
    actions = tuple(takewhile(lambda item: isinstance(item, str) and item in ACTIONS, what))
    models = what[len(actions) :]
    if not actions or not models or any(isinstance(item, str) and not item for item in models):
        raise ConfigError(
            "BST-E020",
            f"allow() takes actions, then models; got {what!r}",
            hint='For example @allow("read", Post); the actions are read, create, update and delete.',
        )
    to_roles = None if to is None else frozenset((to,) if isinstance(to, str) else to)
    named = None if columns is None else tuple(columns)
    added = tuple(Allowance(frozenset(cast("tuple[Action, ...]", actions)), m, to_roles, named) for m in models)

    def decorate(function: Predicate | Policy) -> Policy:
        if isinstance(function, Policy):
            return Policy(function.function, function.allowances + added)
        return Policy(function, added)

    return decorate


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One action of one policy on one table, compiled.

    *rows* is written against the table itself; ``sql/`` moves it onto an alias.  *has_subquery* says that judging a new
    row needs to look at other rows, so it must wait until the row is written.
    """

    name: str
    reason: str
    action: Action
    table: str
    rows: ColumnElement[bool]
    columns: frozenset[str]
    to: frozenset[str] | None
    needs_id: bool
    has_subquery: bool

    def applies_to(self, role: str, more: frozenset[str], has_id: bool) -> bool:
        """Whether the rule is for a principal of this kind (see `Principal.kind`)."""
        if self.to is None:
            return has_id or not self.needs_id
        if not ({role} | more) & self.to:
            return False
        # A rule for anonymous callers may mention me.id: NULL there, so that comparisons are not true.
        return has_id or not self.needs_id or role == ANON


def open_rules(role: str, catalog: Catalog) -> tuple[Rule, ...]:
    """Rules that let *role* do everything with every table: for trying out, and for tests."""
    return tuple(
        Rule(
            name="open_to",
            reason=f"Everything is open to {role}.",
            action=action,
            table=table.name,
            rows=sa.true(),
            columns=frozenset(table.columns),
            to=frozenset((role,)),
            needs_id=False,
            has_subquery=False,
        )
        for table in catalog.tables.values()
        for action in ACTIONS
    )


def compile_rules(policies: Iterable[Policy], catalog: Catalog) -> tuple[Rule, ...]:
    """Call every policy once and take its expression.

    Raises:
        ConfigError: BST-E022 when a model is not served, BST-E023 when the function fails or does not return an
            expression, BST-E024 when *columns* names one that does not exist.
    """
    rules: list[Rule] = []
    for policy in policies:
        if not isinstance(policy, Policy):
            raise ConfigError(
                "BST-E020",
                f"policies must be functions decorated with @allow; got {policy!r}",
                hint='Write @allow("read", Post) above the function.',
            )
        for allowance in policy.allowances:
            table = _table(allowance.model, catalog, policy.name)
            rows = _expression(policy, table)
            _refuse_sealed(rows, policy.name)
            columns = _columns(allowance, table, policy.name)
            for action in sorted(allowance.actions):
                rules.append(
                    Rule(
                        name=policy.name,
                        reason=inspect.getdoc(policy.function) or policy.name,
                        action=action,
                        table=table.name,
                        rows=rows,
                        columns=columns,
                        to=allowance.to,
                        needs_id=_mentions_id(rows),
                        has_subquery=_has_subquery(rows),
                    )
                )
    return tuple(rules)


def _expression(policy: Policy, table: Table) -> ColumnElement[bool]:
    parameters = inspect.signature(policy.function).parameters.values()
    takes_rows = sum(parameter.default is inspect.Parameter.empty for parameter in parameters) > 1
    try:
        returned = policy.function(Me(), table.sql.c) if takes_rows else policy.function(Me())
    except BackstayError:
        raise
    except Exception as fault:
        raise ConfigError(
            "BST-E023", f"the policy {policy.name} cannot be compiled: {fault}", hint="It is called once, at start-up."
        ) from fault
    if isinstance(returned, bool):
        return sa.true() if returned else sa.false()
    try:
        return cast("ColumnElement[bool]", coercions.expect(roles.WhereHavingRole, returned))
    except sa.exc.ArgumentError as fault:
        raise ConfigError(
            "BST-E023",
            f"the policy {policy.name} returned {returned!r}, which is not a SQL expression",
            hint="Return a comparison such as Post.author_id == me.id, or True.",
        ) from fault


def _refuse_sealed(rows: ColumnElement[bool], policy: str) -> None:
    """The database decides who may see a row, and cannot read what is encrypted."""
    for element in visitors.iterate(rows):
        if not isinstance(element, sa.Column):
            continue
        if isinstance(element.type, Encrypted) or element.info.get("backstay") == BLIND:
            raise ConfigError(
                "BST-E505",
                f"the policy {policy} looks at {element.name}, which is encrypted",
                hint="Decide by another column: a policy runs in the database, which has no keys.",
            )


def _table(model: Any, catalog: Catalog, policy: str) -> Table:
    if isinstance(model, str) and model in catalog.tables:
        return catalog.tables[model]
    table = model if isinstance(model, sa.Table) else getattr(model, "__table__", None)
    for candidate in catalog.tables.values():
        if candidate.sql is table:
            return candidate
    raise ConfigError(
        "BST-E022", f"the policy {policy} is about {model!r}, which the app does not serve", hint="Add it to models=."
    )


def _columns(allowance: Allowance, table: Table, policy: str) -> frozenset[str]:
    if allowance.columns is None:
        return frozenset(table.columns)
    names = frozenset(_column_name(item) for item in allowance.columns)
    missing = sorted(names - set(table.columns))
    if missing:
        raise ConfigError(
            "BST-E024",
            f"the policy {policy} names columns that {table.name} does not have: {', '.join(missing)}",
            hint=f"It has {', '.join(table.columns)}.",
        )
    return names


def _column_name(item: Any) -> str:
    if isinstance(item, str):
        return item
    element = item.__clause_element__() if hasattr(item, "__clause_element__") else item
    return str(element.name)


def _mentions_id(rows: ColumnElement[bool]) -> bool:
    return any(isinstance(e, MeParameter) and e.me_source == ("id",) for e in visitors.iterate(rows))


def _has_subquery(rows: ColumnElement[bool]) -> bool:
    return any(isinstance(element, sa.SelectBase) for element in visitors.iterate(rows))


__all__ = [
    "ACTIONS",
    "ANON",
    "AUTHENTICATED",
    "Action",
    "Allowance",
    "Policy",
    "Rule",
    "allow",
    "compile_rules",
    "open_rules",
]
