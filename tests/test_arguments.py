"""Arguments that are not what a call takes: one finding each, with place, code and what to write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from backstay import Backstay, Me, allow, function
from backstay.errors import ConfigError


class Base(DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)


@allow("read", Note)
def notes(me: Me) -> Any:
    """Some read them."""
    return me.has_role("editor")


@function
async def follow() -> int:
    """A number."""
    return 1


async def bare() -> int:
    return 1


def app(**given: Any) -> Any:
    return Backstay(**{"models": Base, "policies": [notes], **given})


def reflect(**given: Any) -> Any:
    return Backstay.reflect("sqlite:///none.db", **given)


def policy(**given: Any) -> Any:
    return allow("read", Note, **given)


#: What is written, what is said of it, and how the hint begins.
KEYWORDS: dict[str, tuple[Callable[[], Any], str, str]] = {
    "allow, role": (lambda: policy(role="admin"), "allow() has no role=", "Did you mean to=?  It takes to=, columns=."),
    "allow, roles": (lambda: policy(roles=["a"]), "allow() has no roles=", "Did you mean to=?"),
    "allow, column": (lambda: policy(column=["id"]), "allow() has no column=", "Did you mean columns=?"),
    "allow, fields": (lambda: policy(fields=["id"]), "allow() has no fields=", "Did you mean columns=?"),
    "allow, strange": (lambda: policy(when=1), "allow() has no when=", "It takes to=, columns=."),
    "function, role": (lambda: function(role="a"), "function() has no role=", "Did you mean to=?"),
    "function, readonly": (lambda: function(readonly=True), "function() has no readonly=", "Did you mean read_only=?"),
    "app, polices": (lambda: app(polices=[notes]), "Backstay() has no polices=", "Did you mean policies=?"),
    "app, rules": (lambda: app(rules=[notes]), "Backstay() has no rules=", "Did you mean policies=?"),
    "app, roles": (lambda: app(roles=["a"]), "Backstay() has no roles=", "Did you mean permissions=?"),
    "app, database": (lambda: app(database="x"), "Backstay() has no database=", "Did you mean settings=?"),
    "app, debug": (lambda: app(debug=True), "Backstay() has no debug=", "It takes models=, policies=, functions=, "),
    "reflect, schemas": (lambda: reflect(schemas="x"), "Backstay.reflect() has no schemas=", "Did you mean schema=?"),
    "reflect, models": (lambda: reflect(models=Base), "Backstay.reflect() has no models=", "It takes url=, schema=, "),
}
FORMS: dict[str, tuple[Callable[[], Any], str, str]] = {
    "policies, one": (
        lambda: app(policies=notes),
        "Backstay() takes policies= as a list, and got a Policy",
        "Write policies=[notes].",
    ),
    "policies, undecorated": (lambda: app(policies=bare), "takes policies= as a list", "Write policies=[bare]."),
    "policies, none": (lambda: app(policies=None), "as a list, and got None", "Write policies=[…]."),
    "policies, text": (lambda: app(policies="notes"), "as a list, and got 'notes'", "Write policies=[…]."),
    "policies, mapping": (lambda: app(policies={"notes": notes}), "as a list, and got a dict", "Write policies=[…]."),
    "functions, one": (
        lambda: app(functions=follow),
        "Backstay() takes functions= as a list, and got a Function",
        "Write functions=[follow].",
    ),
    "functions, undecorated": (lambda: app(functions=bare), "takes functions= as a list", "Write functions=[bare]."),
    "settings": (lambda: app(settings={"port": 1}), "takes settings= as a Settings, and got a dict", "Write settings="),
    "reflect, policies": (lambda: reflect(policies=notes), "takes policies= as a list", "Write policies=[notes]."),
    "reflect, functions": (lambda: reflect(functions="add"), "takes functions= as a list, and got 'add'", "Write "),
    "reflect, schema": (lambda: reflect(schema=3), "takes schema= as a list, and got 3", "Write schema=[…]."),
    "reflect, no schema": (lambda: reflect(schema=[]), "reads no schema: schema= is empty", "Name one"),
    "reflect, open to": (lambda: reflect(open_to=["anon"]), "takes open_to= as the name of one role", "For example"),
    "mount": (lambda: Backstay(models=MetaData()).mount("docs", app), "a path that begins with /", "Write '/docs'."),
}


def _refused(write: Callable[[], Any]) -> ConfigError:
    with pytest.raises(ConfigError) as refused:
        write()
    return refused.value


@pytest.mark.parametrize("name", KEYWORDS)
def test_a_keyword_that_is_none(name: str) -> None:
    """A finding, and no ``TypeError``: where it stands, and what was perhaps meant."""
    write, said, hint = KEYWORDS[name]
    refused = _refused(write)
    assert ("BST-E095", True) == (refused.code, refused.message.endswith(f": {said}")), refused.message
    assert "test_arguments.py:" in refused.message
    assert str(refused.hint).startswith(hint), refused.hint


@pytest.mark.parametrize("name", FORMS)
def test_an_argument_of_another_form(name: str) -> None:
    """One where several belong, a text where a list does: told before anything is made of it."""
    write, said, hint = FORMS[name]
    refused = _refused(write)
    assert ("BST-E096", True, True) == (refused.code, said in refused.message, "0x" not in refused.message)
    assert "test_arguments.py:" in refused.message
    assert str(refused.hint).startswith(hint), refused.hint


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["support"], "permissions= says of each role what it may, and got a list"),
        ("support", "permissions= says of each role what it may, and got a str"),
        ({"support": 3}, "permissions= has 3 for support, and not a list of names"),
        ({"support": None}, "permissions= has None for support, and not a list of names"),
        ({"support": [3]}, "permissions= has [3] for support, and not a list of names"),
        ({3: []}, "permissions= names 3, which is no role that can be given"),
        ({"two words": []}, "permissions= names 'two words', which is no role that can be given"),
        ({"authenticated": ["users:read"]}, "permissions= names 'authenticated', which is no role that can be given"),
        ({"service_role": ["users:read"]}, "permissions= names 'service_role', which is no role that can be given"),
    ],
)
def test_permissions_of_another_form(given: Any, said: str) -> None:
    """S4: a role that nobody can be given has no permissions, and nobody believes that it had."""
    refused = _refused(lambda: app(permissions=given))
    assert ("BST-E204", said) == (refused.code, refused.message)


@pytest.mark.parametrize(("given", "said"), [({"to": 3}, "to=3, which names no role"), ({"name": 3}, "name=3 is no")])
def test_a_function_that_is_named_wrongly(given: Any, said: str) -> None:
    """What is no role, and what is no name."""
    refused = _refused(lambda: function(**given)(bare))
    assert ("BST-E030", True) == (refused.code, said in refused.message)
