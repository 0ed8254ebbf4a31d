"""Rules: what `allow` collects, and what they become when the app starts."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import Any, Final, Literal, Never, NoReturn, TypeAlias, cast, get_args

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement

from backstay.arguments import refuse_unknown, shown, told
from backstay.catalog import Catalog
from backstay.errors import ConfigError
from backstay.place import place_in
from backstay.policy.loop import meanings
from backstay.policy.me import Me
from backstay.policy.principal import ANON
from backstay.policy.slip import near_word

Action: TypeAlias = Literal["read", "create", "update", "delete"]
ACTIONS: Final[tuple[Action, ...]] = get_args(Action)

#: Words that are written for an action, and the action.
_MEANT: Final = {action: action for action in ACTIONS} | {
    "select": "read",
    "view": "read",
    "insert": "create",
    "write": "create",
    "add": "create",
    "edit": "update",
    "change": "update",
    "remove": "delete",
}

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
    #: What the names in it meant when it was decorated, by name.
    meant: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def __call__(self, me: Me, *rows: Any) -> Any:
        return self.function(me, *rows)

    @property
    def name(self) -> str:
        plain = getattr(self.function, "func", self.function)
        return getattr(plain, "__name__", type(plain).__name__)


def allow(
    *what: Any,
    to: str | Iterable[str] | None = None,
    columns: Iterable[Any] | None = None,
    **unknown: Never,
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

    The function is called when the app starts, twice for each table, with a symbolic `Me`; a second parameter, where it
    has one, is given the table's columns (``rows.author_id == me.id``).  Its expression selects the old rows of a
    read, update or delete, and judges the new rows of a create or update.  Its name and docstring are its reason.

    Raises:
        ConfigError: BST-E020, when *what* is not actions followed by models, or *to* or *columns* name nothing;
            BST-E095, for another keyword.
    """
    refuse_unknown("allow()", unknown, "to", "columns")
    place = place_in(sys._getframe(1))
    actions = tuple(takewhile(lambda item: isinstance(item, str) and item in ACTIONS, what))
    models = what[len(actions) :]
    _check_what(what, actions, models, place)
    to_roles, named = _roles(to, place), _named(columns, place)
    added = tuple(Allowance(frozenset(cast("tuple[Action, ...]", actions)), m, to_roles, named) for m in models)

    def decorate(function: Predicate | Policy) -> Policy:
        if not callable(function) or isinstance(function, type):
            _wrong(place, f"stands above {told(function)}, which is no function", "Write it above def.")
        if isinstance(function, Policy):
            return replace(function, allowances=function.allowances + added)
        return Policy(function, added, meanings(function))

    return decorate


def _check_what(what: tuple[Any, ...], actions: tuple[Any, ...], models: tuple[Any, ...], place: str) -> None:
    words = list(takewhile(lambda item: isinstance(item, str), models))
    # Names of tables are texts too: so a word is a wrong action where models follow it, or nothing stands before it.
    if words and (len(words) < len(models) or not actions):
        near = near_word(words[0], _MEANT)
        meant = f"Did you mean {_MEANT[near]!r}?  " if near is not None else ""
        _wrong(place, f"takes no action {words[0]!r}", f"{meant}The actions are read, create, update and delete.")
    example = 'For example @allow("read", Post); the actions are read, create, update and delete.'
    if len(what) == 1 and callable(what[0]) and not isinstance(what[0], type):
        _wrong(
            place, f"stands above {told(what[0])} without its brackets, and says nothing of what is allowed", example
        )
    if not actions or not models or not all(models if words else [True]):
        _wrong(place, f"takes actions, then models; got ({', '.join(map(shown, what))})", example)
    for model in models:
        if isinstance(model, list | tuple | set | frozenset):
            _wrong(place, f"takes one model after the other; got {told(model)}", "Leave out the brackets around them.")


def _roles(to: str | Iterable[str] | None, place: str) -> frozenset[str] | None:
    if to is None:
        return None
    named = (to,) if isinstance(to, str) else tuple(to) if isinstance(to, Iterable) else (to,)
    for role in named:
        if not isinstance(role, str) or not role or role != role.strip():
            _wrong(place, f"has to={to!r}, and {role!r} is no name of a role", 'For example to="authenticated".')
    if not named:
        _wrong(place, "is for nobody: to= is empty", "Name a role, or leave to= out for everyone.")
    return frozenset(named)


def _named(columns: Iterable[Any] | None, place: str) -> tuple[Any, ...] | None:
    if columns is None:
        return None
    if isinstance(columns, str) or not isinstance(columns, Iterable):
        _wrong(place, "takes columns= as a list", 'For example columns=["id", "name"].')
    named = tuple(columns)
    if not named:
        _wrong(place, "shows nothing: columns= is empty", "Name columns, or leave columns= out for all of them.")
    return named


def _wrong(place: str, what: str, hint: str) -> NoReturn:
    raise ConfigError("BST-E020", f"{place}: allow() {what}", hint=hint)


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One action of one policy on one table, compiled.

    *rows* stands on the table itself (`standing`); ``sql/`` moves it onto an alias.  *has_subquery* says that judging a
    row looks at other rows: at those that were there before the statement.  *may_fail* says that the database may fail
    at it, and *calls* which functions are called that may be somebody's own (`fallible`).  *place* is where
    its function is defined.
    """

    name: str
    reason: str
    action: Action
    table: str
    #: The table itself: names are told, and not looked up by, since two schemas may have the same.
    source: sa.FromClause
    rows: ColumnElement[bool]
    columns: frozenset[str]
    to: frozenset[str] | None
    needs_id: bool
    has_subquery: bool
    may_fail: bool = False
    calls: frozenset[str] = frozenset()
    place: str = "somewhere"

    def applies_to(self, role: str, more: frozenset[str], has_id: bool) -> bool:
        """Whether the rule is for a principal of this kind (see `Principal.kind`)."""
        if self.to is None:
            return has_id or not self.needs_id
        if not ({role} | more) & self.to:
            return False
        # A rule for anonymous callers may mention me.id: NULL there, so that comparisons are not true.
        return has_id or not self.needs_id or (role == ANON and ANON in self.to)


def open_rules(role: str, catalog: Catalog) -> tuple[Rule, ...]:
    """Rules that let *role* do everything with every table: for trying out, and for tests."""
    return tuple(
        Rule(
            name="open_to",
            reason=f"Everything is open to {role}.",
            action=action,
            table=table.name,
            source=table.sql,
            rows=sa.true(),
            columns=frozenset(table.columns),
            to=frozenset((role,)),
            needs_id=False,
            has_subquery=False,
        )
        for table in catalog.tables.values()
        for action in ACTIONS
    )
