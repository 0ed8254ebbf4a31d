"""What `allow` takes, and to whom a rule applies."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import sqlalchemy as sa

from backstay.errors import ConfigError
from backstay.policy import Rule, allow
from tests.policy.written import CATALOG, Note

WRONG: list[tuple[tuple[Any, ...], dict[str, Any], str, str]] = [
    ((), {}, "takes actions, then models", '@allow("read", Post)'),
    (("read",), {}, "takes actions, then models", '@allow("read", Post)'),
    ((Note,), {}, "takes actions, then models", '@allow("read", Post)'),
    (("read", ""), {}, "takes actions, then models", '@allow("read", Post)'),
    (("raed", Note), {}, "no action 'raed'", "'read'"),
    (("read", "udpate", Note), {}, "no action 'udpate'", "'update'"),
    (("select", Note), {}, "no action 'select'", "'read'"),
    (("read", "insert", Note), {}, "no action 'insert'", "'create'"),
    (("remove", Note), {}, "no action 'remove'", "'delete'"),
    (("Read", Note), {}, "no action 'Read'", "'read'"),
    (("*", Note), {}, "no action '*'", "read, create, update and delete"),
    (("notes",), {}, "no action 'notes'", "read, create, update and delete"),
    (("read", Note), {"to": ()}, "for nobody", "leave to= out"),
    (("read", Note), {"to": []}, "for nobody", "leave to= out"),
    (("read", Note), {"to": ""}, "no name of a role", 'to="authenticated"'),
    (("read", Note), {"to": " anon"}, "no name of a role", 'to="authenticated"'),
    (("read", Note), {"to": ["anon", None]}, "no name of a role", 'to="authenticated"'),
    (("read", Note), {"to": Note}, "no name of a role", 'to="authenticated"'),
    (("read", Note), {"to": True}, "no name of a role", 'to="authenticated"'),
    (("read", Note), {"columns": ()}, "shows nothing", "leave columns= out"),
    (("read", Note), {"columns": "id"}, "as a list", 'columns=["id", "name"]'),
    (("read", Note), {"columns": Note.id}, "as a list", 'columns=["id", "name"]'),
]


@pytest.mark.parametrize(("what", "more", "seen", "advice"), WRONG)
def test_allow_refuses(what: tuple[Any, ...], more: dict[str, Any], seen: str, advice: str) -> None:
    """P2: BST-E020, with the line of `allow` and the word that was perhaps meant."""
    with pytest.raises(ConfigError, match=r"test_rule\.py:\d+: allow\(\) ") as refused:
        allow(*what, **more)
    fault = refused.value
    assert ("BST-E020", True, True) == (fault.code, seen in fault.message, advice in (fault.hint or "")), fault


@pytest.mark.parametrize("over", [None, "text", 1, int])
def test_allow_stands_above_a_function(over: Any) -> None:
    """P2: BST-E020, when it stands above something else."""
    with pytest.raises(ConfigError, match="which is no function"):
        allow("read", Note)(over)


def test_a_policy_is_called_as_its_function() -> None:
    """P1: also one that is given the rows of its table, as `allow` says it may be."""

    @allow("read", Note)
    def one(me: Any) -> Any:
        return me

    @allow("read", Note)
    def two(me: Any, rows: Any) -> Any:
        return me, rows

    assert ("me", ("me", "rows")) == (one("me"), two("me", "rows"))  # type: ignore[arg-type]


def test_allow_is_added_to() -> None:
    """Several `allow` above one function, and names of tables beside each other."""

    @allow("read", "update", "notes", "words", to=["a", "b"], columns=[Note.id, "team"])
    @allow("delete", Note)
    def policy(me: Any) -> bool:
        return True

    found = [(sorted(a.actions), a.model, a.to) for a in policy.allowances]
    to = frozenset({"a", "b"})
    assert [(["delete"], Note, None), (["read", "update"], "notes", to), (["read", "update"], "words", to)] == found
    assert policy(None) is True  # type: ignore[arg-type]


def _rule(to: tuple[str, ...] | None, needs_id: bool) -> Rule:
    table = CATALOG.tables["notes"]
    roles = None if to is None else frozenset(to)
    return Rule("p", "p", "read", "notes", table.sql, sa.true(), frozenset(), roles, needs_id, False)


#: (to, role, further roles) → whether it applies to a caller with an id, with none, and the latter when it mentions id.
APPLIES: list[tuple[tuple[str, ...] | None, str, tuple[str, ...], tuple[bool, bool, bool]]] = [
    (None, "anon", (), (True, True, False)),
    (None, "authenticated", (), (True, True, False)),
    (None, "staff", ("x",), (True, True, False)),
    (("anon",), "anon", (), (True, True, True)),
    (("anon",), "authenticated", (), (False, False, False)),
    (("anon",), "staff", ("anon",), (True, True, False)),
    (("authenticated",), "anon", (), (False, False, False)),
    (("authenticated",), "authenticated", (), (True, True, False)),
    (("anon", "authenticated"), "anon", (), (True, True, True)),
    (("anon", "authenticated"), "authenticated", (), (True, True, False)),
    (("staff",), "staff", (), (True, True, False)),
    (("staff",), "authenticated", ("staff",), (True, True, False)),
    (("staff",), "authenticated", ("other",), (False, False, False)),
    # Without an id, with another role that the rule is for: it does not say so of anonymous callers.
    (("staff",), "anon", ("staff",), (True, True, False)),
    (("staff", "anon"), "anon", ("staff",), (True, True, True)),
]


@pytest.mark.parametrize(("to", "role", "more", "applies"), APPLIES)
def test_to_whom_a_rule_applies(
    to: tuple[str, ...] | None, role: str, more: tuple[str, ...], applies: tuple[bool, bool, bool]
) -> None:
    """P1: a rule that mentions ``me.id`` reaches callers without one only where it says so with ``to="anon"``."""
    found = [
        _rule(to, needs_id).applies_to(role, frozenset(more), has_id)
        for needs_id, has_id in ((False, True), (False, False), (True, False))
    ]
    assert list(applies) == found
    assert applies[0] is _rule(to, needs_id=True).applies_to(role, frozenset(more), True)


def test_the_table_is_whole() -> None:
    """Each kind of ``to`` meets a caller that is named and one that is not."""
    kinds = {(to is None, "anon" in (to or ()), role == "anon") for to, role, *_ in APPLIES}
    assert {kind for kind in product((True, False), repeat=3) if kind[:2] != (True, True)} == kinds
