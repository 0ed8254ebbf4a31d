"""Facts about the caller: as a policy's parameters find them, and as functions are told them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from backstay.errors import Forbidden
from backstay.policy import Caller, Principal, fact_of

ID = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
ANN = Principal("staff", ID, frozenset({"editor"}), {"org": {"id": 3}, "plan": "free", "sub": ID}, "aal2")
NOBODY = Principal()

FACTS: list[tuple[tuple[str, ...], Any, Any]] = [
    (("id",), ID, None),
    (("role",), "staff", "anon"),
    (("aal",), "aal2", None),
    (("has_role", "staff"), True, False),
    (("has_role", "editor"), True, False),
    (("has_role", "anon"), False, True),
    (("has_role", "other"), False, False),
    (("claim", "plan"), "free", None),
    (("claim", "org"), {"id": 3}, None),
    (("claim", "org", "id"), 3, None),
    (("claim", "org", "id", "deeper"), None, None),
    (("claim", "plan", "deeper"), None, None),
    (("claim", "gone", "deeper"), None, None),
]


@pytest.mark.parametrize(("source", "ann", "nobody"), FACTS)
def test_facts(source: tuple[str, ...], ann: Any, nobody: Any) -> None:
    """What is not there is None, at any depth."""
    assert (ann, nobody) == (fact_of(source)(ANN), fact_of(source)(NOBODY))


def test_a_function_is_told_the_same() -> None:
    """The concrete caller has the same names, and plain values."""
    ann, nobody = Caller(ANN), Caller(NOBODY)
    assert (UUID(ID), "staff", "aal2", False) == (ann.id, ann.role, ann.aal, ann.is_anonymous)
    assert ("anon", None, True) == (nobody.role, nobody.aal, nobody.is_anonymous)
    assert [True, True, False] == [ann.has_role(role) for role in ("staff", "editor", "anon")]
    assert (3, None) == (ann.claim("org", "id"), nobody.claim("org", "id"))
    assert "auth0|7" == Caller(Principal("authenticated", "auth0|7")).id
    with pytest.raises(Forbidden) as refused:
        print(nobody.id)
    assert "42501" == refused.value.code


def test_what_kind_a_caller_is_of() -> None:
    """All that decides which rules apply: the role, the others, and whether there is an account."""
    assert ("staff", frozenset({"editor"}), True) == ANN.kind
    assert ("anon", frozenset(), False) == NOBODY.kind
    assert [False, False, True] == [who.is_service for who in (ANN, NOBODY, Principal("service_role"))]
