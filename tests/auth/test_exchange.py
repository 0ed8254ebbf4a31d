"""Who somebody is, out of an ID token and what else a provider says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from backstay.auth.oauth.exchange import Tokens, read_person
from backstay.auth.oauth.parties import Parties
from backstay.auth.refusal import AuthError
from tests.auth.test_directory import ISSUER, METADATA, Net, provider
from tests.auth.test_id_token import NOW, RSA, public, signed

pytestmark = pytest.mark.anyio

SAME = "248289761001"


async def person(claims: dict[str, Any], told: Any, **options: Any) -> Any:
    """What becomes of an ID token with *claims* where userinfo has *told* something."""
    net = Net(
        **{
            f"{ISSUER}/.well-known/openid-configuration": METADATA | {"userinfo_endpoint": f"{ISSUER}/me"},
            f"{ISSUER}/keys": {"keys": [public(RSA, kid="rsa")]},
            f"{ISSUER}/me": told,
        }
    )
    corp = provider(client_id="backstay", **options)
    token = signed(iss=ISSUER, **claims)
    now = datetime.fromtimestamp(NOW, UTC)
    return await read_person(
        Parties({"corp": corp}, net), corp, Tokens("access", "", token), nonce="n-0S6_WzA2Mj", now=now
    )


@pytest.mark.parametrize(
    ("claims", "told", "email", "verified"),
    [
        ({"email": "a@example.org", "email_verified": True}, None, "a@example.org", True),
        ({"email": "a@example.org"}, None, "a@example.org", False),
        # An address is verified by whoever gives it, and by nobody else.
        ({"email_verified": True}, {"email": "a@example.org"}, "a@example.org", False),
        ({"email_verified": True}, {"email": "a@example.org", "email_verified": False}, "a@example.org", False),
        ({"email_verified": False}, {"email": "a@example.org", "email_verified": True}, "a@example.org", True),
        ({}, {"email": "a@example.org", "email_verified": True}, "a@example.org", True),
        ({"email_verified": True}, {}, None, False),
        ({"email": "a@example.org"}, {"email": "b@example.org", "email_verified": True}, "a@example.org", False),
        ({"email": 7, "email_verified": True}, {"email": "b@example.org"}, None, False),
    ],
)
async def test_an_address_and_its_proof_come_together(
    claims: dict[str, Any], told: Any, email: str | None, verified: bool
) -> None:
    """A12: the word of one document says nothing about the address in another."""
    found = await person(claims, None if told is None else {"sub": SAME, **told})
    assert (email, verified) == (found.email, found.verified)
    assert SAME == found.subject


async def test_userinfo_says_nothing_else_about_who_it_is() -> None:
    """A12: subject and issuer are the ID token's; another subject is another person."""
    told = {"sub": SAME, "iss": "https://evil.example", "email": "a@example.org", "aud": "x", "name": "Ann"}
    found = await person({}, told)
    assert (ISSUER, "Ann", SAME) == (found.data["iss"], found.data["name"], found.subject)
    for other in ({"sub": "admin"}, {}, {"sub": None}, {"sub": [SAME]}):
        with pytest.raises(AuthError, match="who it is"):
            await person({}, {"email": "a@example.org", **other})


async def test_microsofts_word_is_about_its_own_document() -> None:
    """A12: ``xms_edov`` of the ID token does not vouch for the address of userinfo."""
    found = await person({"xms_edov": True}, {"sub": SAME, "email": "a@example.org"})
    assert not found.verified
