"""What nobody can have meant is told at the start, and what is usual is not."""

from __future__ import annotations

import logging
import sys
from types import ModuleType
from typing import Any

import pytest
import sqlalchemy as sa

from backstay import Backstay, Me, allow, function
from backstay.catalog import build_catalog
from backstay.policy import Policy, compile_rules, findings_of
from tests.policy.written import CATALOG, Base, Note, Word


def _policy(*what: Any, name: str = "seen", **named: Any) -> Policy:
    def seen(me: Me) -> bool:
        return True

    seen.__name__ = name
    return allow(*what, **named)(seen)


def _findings(*policies: Policy, roles: dict[str, frozenset[str]] | None = None, modules: Any = ()) -> list[str]:
    every = _policy("read", Note, Word, name="every")
    listed = (every, *policies)
    return list(findings_of(listed, compile_rules(listed, CATALOG), (CATALOG,), roles or {}, modules))


ROLES = [
    ("autenticated", "authenticated"),
    ("Authenticated", "authenticated"),
    ("authenticate", "authenticated"),
    ("Anon", "anon"),
    ("anonymous", "anon"),
    ("service-role", "service_role"),
]


@pytest.mark.parametrize(("role", "near"), ROLES)
def test_a_role_that_is_nearly_a_usual_one(role: str, near: str) -> None:
    """P2: with the place, and the name that was perhaps meant."""
    (found,) = _findings(_policy("read", Note, to=role))
    assert (
        f"the policy seen is for the role {role!r}, which nobody has until it is given: did you mean {near!r}?" in found
    )
    assert "test_finding.py:" in found


def test_a_role_that_is_nearly_another_of_the_app() -> None:
    """P2: one that a single rule is for, beside one that several are for; functions name roles too."""
    editors = [_policy("update", Note, to="editors", name=name) for name in ("one", "two")]
    (found,) = _findings(*editors, _policy("delete", Note, to="editor"))
    assert "did you mean 'editors'?" in found
    (found,) = _findings(*editors, roles={"f.py:1: the function tidy": frozenset({"editor"})})
    assert found.startswith("f.py:1: the function tidy is for the role 'editor'")
    # Half alike is another role.
    assert [] == _findings(
        *(_policy("update", Note, to="authority", name=name) for name in "ab"), _policy("delete", Note, to="author")
    )


@pytest.mark.parametrize("role", ["anon", "authenticated", "staff", "author", "admin", "support", "service_desk"])
def test_a_role_of_its_own_is_fine(role: str) -> None:
    """P2: apps have roles of their own."""
    assert [] == _findings(_policy("read", Note, to=role), _policy("update", Note, to=role, name="other"))


def test_the_service_role_needs_no_rule() -> None:
    """P2: it is past all policies."""
    (found,) = _findings(_policy("read", Note, to=["service_role", "anon"]))
    assert "is for service_role, which no policy holds back" in found


def test_a_policy_that_is_listed_twice() -> None:
    """P2: the same one, and two of one name."""
    twice = _policy("read", Note)
    assert ["the policy seen is listed 2 times"] == [found.partition(": ")[2] for found in _findings(twice, twice)]
    found = _findings(_policy("read", Note), _policy("update", Note))
    assert ["2 policies are called seen"] == [each.partition(": ")[2] for each in found]


def test_a_policy_that_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """P2: one of a module of the app, about a model that is served; not one of another app."""
    module: Any = ModuleType("notes_app")
    module.forgotten = _policy("delete", Note, name="forgotten")
    module.again = module.forgotten
    module.foreign = _policy("read", object, name="foreign")
    monkeypatch.setitem(sys.modules, "notes_app", module)
    (found,) = _findings(modules=("notes_app", "gone"))
    assert "the policy forgotten is not in policies=, and holds nowhere" in found
    assert [] == _findings(module.forgotten, modules=("notes_app",))


def test_what_has_no_module() -> None:
    """P2: a policy that ``exec`` has made belongs to no module, and is judged like any other."""
    policy = _policy("read", Note)
    policy.function.__module__ = None
    assert _findings(policy) == _findings(_policy("read", Note), modules=("builtins", None))


def test_a_table_without_a_rule() -> None:
    """P2: told in one sentence."""
    listed = (_policy("read", Note),)
    found = findings_of(listed, compile_rules(listed, CATALOG), (CATALOG,), {}, ())
    assert ("no policy is about words: the service role alone reads and writes there",) == found
    assert ("no policy is about notes, words: the service role alone reads and writes there",) == findings_of(
        (), (), (CATALOG,), {}, ()
    )


@pytest.mark.parametrize(
    ("number", "told"), [(1, "t0"), (10, "t8, t9"), (11, "t8 and 1 more"), (12, "t6, t7 and 2 more")]
)
def test_many_tables_without_a_rule(number: int, told: str) -> None:
    """P2: ten are named."""
    metadata = sa.MetaData()
    for at in range(number):
        sa.Table(f"t{at}", metadata, sa.Column("id", sa.Integer, primary_key=True))
    (found,) = findings_of((), (), (build_catalog(metadata),), {}, ())
    assert found.endswith(f"{told}: the service role alone reads and writes there")


def test_the_app_tells_them(caplog: pytest.LogCaptureFixture) -> None:
    """P2: as warnings, when it is made."""

    @function(to="autenticated")
    def tidy() -> None: ...

    with caplog.at_level(logging.WARNING, "backstay"):
        Backstay(models=Base, policies=(each for each in [_policy("read", Note, to="anonn")]), functions=[tidy])
    told = [record.getMessage() for record in caplog.records]
    assert [True, True, True] == [
        any(text in each for each in told)
        for text in ("did you mean 'anon'", "the function tidy is for the role 'autenticated'", "about words")
    ], told
