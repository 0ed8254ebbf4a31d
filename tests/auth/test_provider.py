"""`BACKSTAY_PROVIDERS`: what it may say, and what it means."""

from __future__ import annotations

import json
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from backstay import Settings
from backstay.auth.oauth.apple import client_secret
from backstay.auth.oauth.idtoken import ALL_ALGORITHMS
from backstay.auth.oauth.person import person_of_claims, person_of_github
from backstay.auth.oauth.provider import AppleKey, Provider, parse_providers
from backstay.auth.refusal import AuthError
from backstay.errors import ConfigError
from backstay.settings import sources

CLIENT = {"client_id": "x", "client_secret": "the secret of the client"}
KEY = ECKey.generate_key("P-256", private=True)
PEM = KEY.as_pem(private=True).decode()
APPLE = {"client_id": "org.example.app", "team_id": "TEAM", "key_id": "KEY", "private_key": PEM}


def parsed(name: str = "corp", **options: Any) -> Provider:
    return parse_providers(json.dumps({name: CLIENT | options}))[name]


def test_presets() -> None:
    """A client and its secret are enough for those that are known."""
    names = ("google", "gitlab", "github")
    found = parse_providers(json.dumps(dict.fromkeys(names, CLIENT) | {"apple": APPLE}))
    assert ["https://accounts.google.com", "https://gitlab.com", None, "https://appleid.apple.com"] == [
        provider.issuer for provider in found.values()
    ]
    assert all(provider.trusted for provider in found.values())
    assert (True, ()) == (found["apple"].form_post, found["google"].client_ids)
    assert "Provider('google', ***)" == repr(found["google"])
    assert ("openid", "email", "profile") == found["gitlab"].scopes


def test_any_other_is_known_by_its_issuer() -> None:
    """And nobody is trusted for a name: one's own GitLab is not the public one (OA6)."""
    own = parsed("gitlab", issuer="https://git.example.org")
    assert ("https://git.example.org", False) == (own.issuer, own.trusted)
    corp = parsed(
        issuer="https://login.example.org/realm", trusted=True, client_ids=["phone"], scopes=["openid"],
        algorithms=["ES256"], parameters={"prompt": "select_account"}, allow_private=True, assume_verified=True,
    )  # fmt: skip
    assert (True, True, True, ("x", "phone"), ("openid",), ("ES256",), (("prompt", "select_account"),)) == (
        corp.trusted, corp.allow_private, corp.assume_verified, corp.audiences, corp.scopes, corp.algorithms,
        corp.parameters,
    )  # fmt: skip
    tenant = parsed("azure", tenant="8eaef023-2b34-4da1-9baa-8bc8c9d6a490")
    assert "https://login.microsoftonline.com/8eaef023-2b34-4da1-9baa-8bc8c9d6a490/v2.0" == tenant.issuer
    assert (False, True) == (tenant.is_tenantless, parsed("azure", tenant="common").is_tenantless)
    assert "9188040d" in str(parsed("azure", tenant="consumers").issuer)
    every = parsed(issuer="https://login.example.org", algorithms=list(ALL_ALGORITHMS))
    assert (ALL_ALGORITHMS, False, False, ()) == (
        every.algorithms, every.assume_verified, every.allow_private, every.parameters
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "options", "trusted", "tenantless"),
    [
        ("azure", {"tenant": "8eaef023-2b34-4da1-9baa-8bc8c9d6a490"}, True, False),
        ("azure", {"tenant": "consumers"}, True, False),
        ("azure", {"tenant": "common"}, True, True),
        ("azure", {"tenant": "organizations"}, True, True),
        ("azure", {"issuer": "https://login.microsoftonline.com/common/v2.0"}, True, True),
        ("azure", {"issuer": "https://login.example.org"}, False, False),
        ("azure", {"issuer": "https://login.example.org", "trusted": True}, True, False),
        ("google", {}, True, False),
        ("google", {"trusted": False}, False, False),
        ("google", {"issuer": "https://login.microsoftonline.com/common/v2.0"}, False, False),
        ("corp", {"issuer": "https://login.example.org/common/v2.0"}, False, False),
        ("github", {}, True, False),
    ],
)
def test_who_is_trusted(name: str, options: dict[str, Any], trusted: bool, tenantless: bool) -> None:
    """OA6: an issuer that is known, and no name; whoever lets every tenant in is known as such."""
    found = parsed(name, **options)
    assert (trusted, tenantless) == (found.trusted, found.is_tenantless)


def test_a_secret_for_apple_may_be_ready_made() -> None:
    """Then nothing is signed; with a key it is, and the key is a secret too."""
    ready = parsed("apple")
    assert (None, ("the secret of the client",)) == (ready.apple, ready.secrets())
    signing = parse_providers(json.dumps({"apple": APPLE}))["apple"]
    assert ("", (PEM.strip(),)) == (signing.client_secret, signing.secrets())


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not a JSON object"),
        ('{"email": {}}', "'email'"),
        ('{"Corp": {}}', "'Corp'"),
        ('{"corp": []}', "no options"),
        ('{"google": {}}', "client_id"),
        ('{"google": {"client_id": "x"}}', "client_secret"),
        ('{"google": {"client_id": 7, "client_secret": "y"}}', "client_id"),
        (json.dumps({"corp": CLIENT}), "issuer"),
        (json.dumps({"corp": CLIENT | {"issuer": "login.example.org"}}), "issuer"),
        (json.dumps({"corp": CLIENT | {"issuer": "https://login.example.org/?x"}}), "issuer"),
        (json.dumps({"corp": CLIENT | {"issuer": "https://login.example.org/#x"}}), "issuer"),
        (json.dumps({"corp": CLIENT | {"issuer": "https://login.example.org/ü"}}), "issuer"),
        (json.dumps({"github": CLIENT | {"issuer": "https://github.com"}}), "issuer"),
        (json.dumps({"azure": CLIENT}), "tenant"),
        (json.dumps({"azure": CLIENT | {"tenant": "a/b"}}), "tenant"),
        (json.dumps({"azure": CLIENT | {"tenant": "common", "assume_verified": True}}), "assume_verified"),
        (json.dumps({"google": CLIENT | {"trusted": "yes"}}), "trusted"),
        (json.dumps({"google": CLIENT | {"scopes": "openid"}}), "scopes"),
        (json.dumps({"google": CLIENT | {"scopes": ["a b"]}}), "scopes"),
        (json.dumps({"google": CLIENT | {"algorithms": ["HS256"]}}), "algorithms"),
        (json.dumps({"google": CLIENT | {"algorithms": ["none"]}}), "algorithms"),
        (json.dumps({"google": CLIENT | {"parameters": {"state": "x"}}}), "state"),
        (json.dumps({"google": CLIENT | {"parameters": {"a": 1}}}), "parameters"),
        (json.dumps({"google": CLIENT | {"parameters": ["a"]}}), "parameters"),
        (json.dumps({"google": CLIENT | {"client_ids": [""]}}), "client_ids"),
        (json.dumps({"google": CLIENT | {"client_ids": [7]}}), "client_ids"),
        (json.dumps({"google": CLIENT | {"client_ids": {"x": "y"}}}), "client_ids"),
        (json.dumps({"google": CLIENT | {"tenant": "x"}}), "'tenant'"),
        (json.dumps({"apple": APPLE | {"private_key": "x"}}), "private_key"),
        (json.dumps({"apple": APPLE | {"private_key": ECKey.generate_key("P-384", private=True).as_pem(private=True).decode()}}), "private_key"),
        (json.dumps({"apple": APPLE | {"team_id": ""}}), "team_id"),
    ],
)  # fmt: skip
def test_what_stops_the_start(text: str, word: str) -> None:
    """A `ConfigError` with the provider and the option, and no secret."""
    with pytest.raises(ConfigError) as refused:
        Settings(providers=text)
    assert "BST-E227" == refused.value.code
    assert word in refused.value.message
    assert "the secret" not in str(refused.value)


def test_the_setting_is_a_secret() -> None:
    """Shown nowhere, known to the redactor, and refused where cookies could not be kept safe."""
    text = json.dumps({"google": CLIENT, "corp": CLIENT | {"issuer": "https://login.example.org"}, "apple": APPLE})
    settings = Settings(providers=text)
    assert "***" == settings.redacted()["providers"]
    assert "the secret" not in repr(settings)
    assert {"the secret of the client", PEM.strip()} == set(settings.secrets())
    assert "file" == sources({"BACKSTAY_PROVIDERS_FILE": "/run/providers"})["providers"]
    strong = "0123456789abcdef" * 4
    with pytest.raises(ConfigError, match="BACKSTAY_PUBLIC_URL") as refused:
        Settings(providers=text, profile="prod", jwt_secret=strong)
    assert "BST-E228" == refused.value.code
    assert Settings(providers=text, profile="prod", jwt_secret=strong, public_url="https://api.example.org").providers


def test_the_secret_that_apple_takes() -> None:
    """Signed for each exchange, good for five minutes."""
    token = jwt.decode(client_secret(AppleKey("TEAM", "KEY", PEM), "org.example.app", 1000), KEY, algorithms=["ES256"])
    assert {"alg": "ES256", "kid": "KEY", "typ": "JWT"} == token.header | {"typ": "JWT"}
    assert {
        "iss": "TEAM", "sub": "org.example.app", "aud": "https://appleid.apple.com", "iat": 1000, "exp": 1300
    } == token.claims  # fmt: skip


@pytest.mark.parametrize(
    ("name", "options", "claims", "email", "verified"),
    [
        ("google", {}, {"email": "Ann@Example.org", "email_verified": True}, "ann@example.org", True),
        ("google", {}, {"email": "ann@example.org", "email_verified": False}, "ann@example.org", False),
        ("google", {}, {"email": "ann@example.org"}, "ann@example.org", False),
        ("google", {}, {"email": "ann@example.org", "email_verified": "false"}, "ann@example.org", False),
        ("google", {}, {"email": "ann@example.org", "email_verified": 1}, "ann@example.org", False),
        ("google", {}, {"email": "not an address", "email_verified": True}, None, False),
        ("google", {}, {"email": ["ann@example.org"], "email_verified": True}, None, False),
        ("google", {}, {"email_verified": True}, None, False),
        ("gitlab", {"assume_verified": True}, {"email": "ann@example.org"}, "ann@example.org", True),
        ("gitlab", {"assume_verified": True}, {"email": "a@b.org", "email_verified": False}, "a@b.org", False),
        ("azure", {"tenant": "common"}, {"email": "ann@example.org", "email_verified": True}, "ann@example.org", False),
        ("google", {}, {"email": "ann@example.org", "email_verified": "true"}, "ann@example.org", True),
        ("google", {}, {"email": "ann@example.org", "email_verified": "1"}, "ann@example.org", True),
        ("google", {}, {"email": "ann@example.org", "email_verified": [True]}, "ann@example.org", False),
        ("azure", {"tenant": "common"}, {"email": "ann@example.org", "xms_edov": 2}, "ann@example.org", False),
        ("azure", {"tenant": "common"}, {"email": "ann@example.org", "xms_edov": 1}, "ann@example.org", True),
        ("azure", {"tenant": "common"}, {"email": "ann@example.org", "xms_edov": "1"}, "ann@example.org", True),
        ("azure", {"tenant": "common"}, {"email": "ann@example.org", "xms_edov": False}, "ann@example.org", False),
    ],
)  # fmt: skip
def test_whose_word_counts(
    name: str, options: dict[str, Any], claims: dict[str, Any], email: str | None, verified: bool
) -> None:
    """An address is verified if the provider says so, in its own way (OA6)."""
    person = person_of_claims(parsed(name, **options), {"sub": "1", "iss": "i"} | claims)
    assert (email, verified) == (person.email, person.verified)
    assert ("1", verified, False) == (
        person.data["sub"], person.data["email_verified"], person.data["phone_verified"]
    )  # fmt: skip


def test_what_is_kept_of_claims() -> None:
    """Names and a picture, bounded; nothing about the token."""
    claims = {
        "sub": "1", "iss": "i", "name": "Ann\x00" + "x" * 2000, "picture": "https://x/y", "nonce": "n", "groups": ["a"],
        "given_name": 7,
    }  # fmt: skip
    kept = person_of_claims(parsed("google"), claims).data
    assert {"sub", "iss", "name", "full_name", "picture", "avatar_url", "provider_id", "email_verified", "phone_verified"} == set(kept)  # fmt: skip
    assert (1000, "Annx") == (len(kept["full_name"]), kept["full_name"][:4])
    assert "Ann Lee" == person_of_claims(parsed("google"), {"sub": "1"}, name="Ann Lee").data["full_name"]
    assert "Ann" == person_of_claims(parsed("google"), {"sub": "1", "name": "Ann"}, name="Eve").data["full_name"]


def test_github() -> None:
    """The id is the identity, the primary address the address (OA8)."""
    github = parsed("github")
    emails = [7, {"email": "old@example.org", "verified": True}, {"email": "ann@example.org", "primary": True, "verified": True}]  # fmt: skip
    person = person_of_github(github, {"id": 583231, "login": "ann", "avatar_url": "https://x/y"}, emails)
    assert ("583231", "ann@example.org", True) == (person.subject, person.email, person.verified)
    assert ("ann", "ann") == (person.data["user_name"], person.data["full_name"])
    assert not person_of_github(github, {"id": 1}, [{"email": "a@b.org", "primary": True, "verified": "yes"}]).verified
    assert person_of_github(github, {"id": 1}, []).email is None
    nowhere = person_of_github(github, {"id": 1}, [{"email": "none", "primary": True, "verified": True}])
    assert (None, False) == (nowhere.email, nowhere.verified)
    assert "Ann" == person_of_github(github, {"id": 1, "login": "a", "name": "Ann"}, []).data["full_name"]
    for strange in ({}, {"id": "583231"}, {"id": True}):
        with pytest.raises(AuthError):
            person_of_github(github, strange, [])
