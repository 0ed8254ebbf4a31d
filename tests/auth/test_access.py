"""Access tokens: what they say, until when, and how much of what somebody says of themselves."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from backstay.auth.access import issue_access_token
from backstay.auth.options import AuthOptions
from tests.auth.people import NOW, SECOND

KEY = ECKey.generate_key("P-256")
KEYS: Any = SimpleNamespace(kid="k-1", current=KEY)
OPTIONS = AuthOptions(public_url="https://api.example.org")
ISSUED = int(NOW.timestamp())


def issued(**changes: Any) -> tuple[dict[str, Any], dict[str, Any], int]:
    """Header and claims of a token, and the second that is told with it."""
    ann = {
        "id": UUID(int=7),
        "aud": "authenticated",
        "email": "ann@example.org",
        "phone": None,
        "app_metadata": {"provider": "email", "roles": ["forged"]},
        "user_metadata": {"name": "Ann"},
        "role": "authenticated",
        "is_anonymous": False,
    }
    named: dict[str, Any] = {"not_after": NOW + timedelta(days=30), "roles": ["editor", "admin"], "now": NOW}
    named |= {name: value for name, value in changes.items() if name in named}
    user = ann | {name: value for name, value in changes.items() if name in ann}
    token, end = issue_access_token(
        KEYS,
        OPTIONS,
        user=SimpleNamespace(**user),
        session_id=UUID(int=9),
        aal="aal2",
        amr=({"method": "totp", "timestamp": 1},),
        **named,
    )
    read = jwt.decode(token, KEY, algorithms=["ES256"])
    return read.header, read.claims, end


def test_what_a_token_says() -> None:
    """TK1: each claim, and of the roles those that are assigned in the database."""
    header, claims, end = issued()
    assert ({"alg": "ES256", "kid": "k-1"}, ISSUED + 3600) == (
        {name: header[name] for name in ("alg", "kid")},
        end,
    )
    assert {
        "iss": "https://api.example.org/auth/v1",
        "sub": str(UUID(int=7)),
        "aud": "authenticated",
        "exp": ISSUED + 3600,
        "iat": ISSUED,
        "email": "ann@example.org",
        "phone": "",
        "app_metadata": {"provider": "email", "roles": ["admin", "editor"]},
        "user_metadata": {"name": "Ann"},
        "role": "authenticated",
        "aal": "aal2",
        "amr": [{"method": "totp", "timestamp": 1}],
        "session_id": str(UUID(int=9)),
        "is_anonymous": False,
    } == claims
    _, claims, _ = issued(email=None, phone="491234", is_anonymous=True, roles=[])
    assert ("", "491234", True, []) == (
        claims["email"],
        claims["phone"],
        claims["is_anonymous"],
        claims["app_metadata"]["roles"],
    )


@pytest.mark.parametrize("left", [0, 1, 3599, 3600, 3601])
def test_no_token_outlives_its_session(left: int) -> None:
    """TK1: an hour, or what is left of the session."""
    _, claims, end = issued(not_after=NOW + left * SECOND)
    assert ISSUED + min(left, 3600) == claims["exp"] == end


def levels(depth: int) -> Any:
    value: Any = 1
    for number in range(depth):
        value = [value] if number % 2 else {"a": value}
    return {"a": value}


@pytest.mark.parametrize(
    ("metadata", "stays"),
    [
        ({"a": "x" * (2048 - 8)}, True),
        ({"a": "x" * (2048 - 7)}, False),
        ({"a": "é" * 1020}, True),
        ({"a": "é" * 1021}, False),
        (levels(19), True),
        (levels(20), False),
        ({"a": [], "b": {}, "c": None}, True),
    ],
)
def test_large_and_deep_metadata_stays_at_home(metadata: dict[str, Any], stays: bool) -> None:
    """LM3: two kilobytes and twenty levels go with a token, more of it is read from ``/user``; roles always go."""
    _, claims, _ = issued(user_metadata=metadata, app_metadata={}, roles=["editor"])
    assert (metadata if stays else {}) == claims["user_metadata"]
    _, claims, _ = issued(app_metadata={"a": levels(18), "b": metadata["a"]}, roles=["editor"])
    assert ["editor"] == claims["app_metadata"]["roles"]
    _, claims, _ = issued(app_metadata={"a": "x" * 2048}, roles=["editor"])
    assert {"roles": ["editor"]} == claims["app_metadata"]
