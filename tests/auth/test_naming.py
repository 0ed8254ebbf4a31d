"""Which roles an app names, and what is said of another."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from backstay import Caller, Me, allow, function
from backstay.auth.naming import check_named, roles_asked
from backstay.auth.refusal import AuthError
from backstay.catalog import build_catalog
from backstay.policy import compile_rules


class Base(DeclarativeBase):
    pass


class Page(Base):
    __tablename__ = "pages"
    id: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str]


RULES: dict[str, tuple[Any, set[str]]] = {
    "has_role": (lambda me: me.has_role("editor"), {"editor"}),
    "not has_role": (lambda me: ~me.has_role("banned") & (Page.state == "public"), {"banned"}),
    "two": (lambda me: me.has_role("editor") | me.has_role("owner"), {"editor", "owner"}),
    "role is": (lambda me: me.role == "press", {"press"}),
    "is role": (lambda me: sa.literal("press") == me.role, {"press"}),
    "role is not": (lambda me: me.role != "press", {"press"}),
    "role in": (lambda me: me.role.in_(["press", "staff"]), {"press", "staff"}),
    "subquery": (
        lambda me: sa.exists().where(Page.state == "open", me.has_role("editor"), me.role == "press"),
        {"editor", "press"},
    ),
    "case": (lambda me: sa.case((me.has_role("editor"), Page.state == "a"), else_=Page.state == "b"), {"editor"}),
    "no role": (lambda me: (Page.state == "editor") & (me.aal == "aal2"), set()),
    "a claim": (lambda me: me.claim("org") == "editor", set()),
    "a column": (lambda me: Page.state == me.role, set()),
}


@pytest.mark.parametrize("name", RULES)
def test_policies_name_roles(name: str) -> None:
    """A3, S4: whatever a rule asks of the caller's roles, wherever in it; texts that are compared with others are none."""
    rule, expected = RULES[name]
    rules = compile_rules([allow("read", Page)(rule)], build_catalog(Base))
    assert expected == roles_asked(rules, [])


@function
async def helped(me: Me) -> bool:
    """Asks in its own code, in a function inside it, and in one after another."""

    def inner() -> bool:
        return bool(me.has_role("inner"))

    return bool(me.has_role("moderator")) or inner() or any(me.has_role(role) for role in ("a", "b"))


@function
def odd(me: Me) -> bool:
    """No role is a number, or nothing."""
    return bool(me.has_role(7) or me.has_role(None))  # type: ignore[arg-type]


@function(to="press")
def plain(caller: Caller) -> str:
    """What it writes about roles is no question."""
    return "has_role" + "editor"


def test_functions_name_roles() -> None:
    """S4: by the text in their own code; what they compute nobody can read there."""
    assert {"moderator", "inner"} == roles_asked([], [helped, odd, plain])


def test_a_role_that_is_a_slip() -> None:
    """S4: the near one is told, and all that there are; what is told of a long one is short."""
    known = frozenset({"support", "editor"})
    check_named("editor", known)
    with pytest.raises(AuthError) as slip:
        check_named("suport", known)
    assert ("validation_failed", "The app names no role 'suport'") == (slip.value.code, slip.value.message)
    expected = (
        "Did you mean 'support'?  Its policies, functions and permissions name editor, support, as it last started."
    )
    assert expected == slip.value.hint
    with pytest.raises(AuthError) as other:
        check_named("x" * 60_000, known, "No")
    assert (67, True) == (len(other.value.message) - 1, str(other.value.hint).startswith("Its"))
