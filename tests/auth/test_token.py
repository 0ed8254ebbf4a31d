"""Good tokens, and what becomes of their claims."""

from __future__ import annotations

from typing import Any

import jwt as pyjwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.auth import TokenVerifier
from backstay.errors import TokenError
from backstay.policy.principal import Principal
from tests.auth.tokens import CLAIMS, JWK, KID, NOW, PRIVATE, SECRET, Clock, es256, hs256, signed


def verifier(clock: Clock | None = None, **options: Any) -> TokenVerifier:
    """A verifier with both keys of the tests."""
    return TokenVerifier(**{"secret": SECRET, "jwks": [JWK], "clock": clock or Clock(), **options})


def refusal(token: bytes | str, check: TokenVerifier) -> tuple[str, str] | None:
    """Code and message with which *token* is refused, or ``None``."""
    try:
        check.verify(token)
    except TokenError as error:
        return error.code, error.message
    return None


INVALID = ("PGRST301", "The token is not valid")
EXPIRED = ("PGRST303", "JWT expired")


@pytest.mark.parametrize("token", [hs256(), es256(), hs256(kid="any"), es256(typ="at+jwt"), es256(typ="jwt")])
def test_good_tokens(token: bytes) -> None:
    """Both algorithms, as bytes and as text, give the same principal."""
    expected = Principal("authenticated", "6f1c")
    principal = verifier().verify(token)
    assert expected == principal
    assert CLAIMS == dict(principal.claims)
    assert expected == verifier().verify(token.decode())


@pytest.mark.parametrize("algorithm", ["HS256", "ES256"])
def test_tokens_of_another_library(algorithm: str) -> None:
    """What PyJWT signs, we verify."""
    key: Any = SECRET if algorithm == "HS256" else PRIVATE
    token = pyjwt.encode(dict(CLAIMS), key, algorithm, headers={"kid": KID})
    assert "6f1c" == verifier().verify(token).id


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"role": "anon"}, Principal("anon")),
        ({"role": "service_role", "iss": "supabase"}, Principal("service_role")),
        ({"role": "authenticated"}, Principal("authenticated")),
        ({}, Principal("anon")),
        ({"sub": "a"}, Principal("authenticated", "a")),
        ({"sub": "a", "role": "anon"}, Principal("anon", "a")),
        ({"sub": "a", "aal": "aal2"}, Principal("authenticated", "a", aal="aal2")),
        ({"sub": "a", "app_metadata": {"roles": ["x", "y", "x"]}}, Principal("authenticated", "a", frozenset("xy"))),
        ({"sub": "a", "app_metadata": {}}, Principal("authenticated", "a")),
        ({"sub": "a", "app_metadata": None}, Principal("authenticated", "a")),
        ({"sub": "a", "user_metadata": {"roles": ["x"]}, "roles": ["y"]}, Principal("authenticated", "a")),
    ],
)
def test_claims_make_the_principal(claims: dict[str, Any], expected: Principal) -> None:
    """Role, id, held roles and aal come from their claims; what a user can write about themselves gives nothing."""
    assert expected == verifier().verify(hs256({"exp": NOW + 60, **claims}))


def test_claims_are_read_only() -> None:
    """AC16: the remembered claims cannot be changed by one request for the next."""
    claims: Any = verifier().verify(hs256()).claims
    with pytest.raises(TypeError):
        claims["sub"] = "eve"


def test_roles_are_the_apps() -> None:
    """TK8: the role in a token is a request, and only the app's roles are granted; the refusal says so."""
    check = verifier(roles=frozenset({"anon", "editor"}))
    assert "editor" == check.verify(hs256({**CLAIMS, "role": "editor"})).role
    for role in ("authenticated", "service_role", "postgres", "Editor", "editor ", ""):
        code, message = refusal(hs256({**CLAIMS, "role": role}), check) or ("", "")
        assert ("PGRST303", "The token asks for a role that this app does not have") == (code, message)


def test_nesting() -> None:
    """LM3: claims may be 32 levels deep, and no deeper."""
    text = '{"sub":"a","exp":%d,"x":%s1%s}'
    assert "a" == verifier().verify(hs256((text % (NOW + 60, "[" * 30, "]" * 30)).encode())).id
    assert INVALID == refusal(hs256((text % (NOW + 60, "[" * 31, "]" * 31)).encode()), verifier())


# Time


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"exp": NOW - 29}, None),
        ({"exp": NOW - 30}, EXPIRED),
        ({"exp": NOW + 0.5}, None),
        ({"exp": 0}, EXPIRED),
        ({"exp": -1}, EXPIRED),
        ({"exp": NOW + 60, "nbf": NOW + 30}, None),
        ({"exp": NOW + 60, "nbf": NOW + 31}, INVALID),
        ({"exp": NOW + 60, "iat": NOW + 30}, None),
        ({"exp": NOW + 60, "iat": NOW + 31}, INVALID),
        ({"exp": NOW + 60, "iat": 0, "nbf": 0}, None),
    ],
)
def test_thirty_seconds_of_skew(claims: dict[str, Any], expected: tuple[str, str] | None) -> None:
    """Detail 40: clocks may differ by 30 s, and not by 31."""
    assert expected == refusal(hs256(claims), verifier())


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize(
    "text", ["null", "true", '"1800003600"', "[]", "{}", "1e999", "-1e999", "NaN", "Infinity", "9" * 400, "1e300"]
)
def test_times_that_are_no_times(name: str, text: str) -> None:
    """TK6: only finite JSON numbers are dates; 1e999 is infinity and would never expire."""
    others = {"exp", "nbf", "iat"} - {name}
    values = [f'"{name}": {text}', *(f'"{other}": {NOW + 20}' for other in sorted(others))]
    assert INVALID == refusal(hs256(("{" + ",".join(values) + "}").encode()), verifier())


@pytest.mark.parametrize(
    "sub",
    [
        *("", " ", "1 ", " 1", "\t1", "1\n", "a\x00b", "a\x1bb", "a\x7f", "a\x85", "a\u00a0", "\u3000", "a\u2028b", "\u200b1"),
        *("a" * 256, 1, 1.0, True, [], {}, ["a"]),
    ],
)  # fmt: skip
def test_subjects_that_name_nobody(sub: Any) -> None:
    """TK6: an account is named by up to 255 visible characters, without blanks around, which a column might not see."""
    assert INVALID == refusal(hs256({"sub": sub, "exp": NOW + 60}), verifier())


@pytest.mark.parametrize("sub", ["a", "a" * 255, "auth0|5 7", "urn:x:\u00e9", "\u5f20"])
def test_subjects_of_other_issuers(sub: str) -> None:
    """Any visible text names an account: issuers have their own forms."""
    assert refusal(hs256({"sub": sub, "exp": NOW + 60}), verifier()) is None


def test_a_token_without_an_end_is_refused() -> None:
    """TK6: exp is required."""
    assert INVALID == refusal(hs256({"sub": "a"}), verifier())


# Issuer and audience


@pytest.mark.parametrize(
    ("claims", "good"),
    [
        ({"aud": "app"}, True),
        ({"aud": ["other", "app"]}, True),
        ({"aud": "other"}, False),
        ({"aud": ["other"]}, False),
        ({"aud": []}, False),
        ({"aud": "App"}, False),
        ({"aud": "app "}, False),
        ({"aud": None}, False),
        ({}, False),
        ({"sub": None}, True),
    ],
)
def test_audience(claims: dict[str, Any], good: bool) -> None:
    """TK6: a configured audience must be named, as text or in a list; API keys without a sub may name none."""
    token = hs256({"sub": "a", "exp": NOW + 60, **claims})
    assert (None if good else INVALID) == refusal(token, verifier(audience="app"))
    # Without ``sub`` it may be left out, and not be another one.
    nobodys = hs256({"exp": NOW + 60, **{name: value for name, value in claims.items() if name != "sub"}})
    assert (None if good or "aud" not in claims or claims["aud"] is None else INVALID) == refusal(
        nobodys, verifier(audience="app")
    )


def test_any_audience_without_one_configured() -> None:
    """Detail 40: aud is compared only if the operator says with what, but it must have its type."""
    good: tuple[object, ...] = ("x", ["x", "y"], [])
    bad: tuple[object, ...] = (5, {"a": 1}, [5], ["x", None], True)
    for audience in good:
        assert refusal(hs256({**CLAIMS, "aud": audience}), verifier()) is None
    for audience in bad:
        assert INVALID == refusal(hs256({**CLAIMS, "aud": audience}), verifier())


@pytest.mark.parametrize(
    ("issuer", "good"), [("https://a.example", True), ("https://a.example/", False), (None, False)]
)
def test_issuer(issuer: str | None, good: bool) -> None:
    """TK6: a configured issuer must be the very same text."""
    token = hs256({**CLAIMS, "iss": issuer})
    assert (None if good else INVALID) == refusal(token, verifier(issuer="https://a.example"))


# Memory


def test_remembered_tokens_expire_on_time() -> None:
    """A token that was good is refused from the second on which it is no longer good, without a new verification."""
    clock = Clock()
    check = verifier(clock)
    token = hs256({"exp": NOW + 10, "role": "anon"})
    first = check.verify(token)
    clock.now = NOW + 39.9
    assert first is check.verify(token)  # the same object: remembered, not verified again
    clock.now = NOW + 40
    assert EXPIRED == refusal(token, check)
    assert EXPIRED == refusal(token, check)


def test_bad_tokens_are_not_remembered() -> None:
    """A token that is not valid yet becomes valid: no refusal is kept."""
    clock = Clock()
    check = verifier(clock)
    token = hs256({"exp": NOW + 3600, "nbf": NOW + 60})
    assert INVALID == refusal(token, check)
    clock.now = NOW + 60
    assert refusal(token, check) is None


def test_memory_is_bounded_in_bytes() -> None:
    """S11: what people write into their tokens counts, and what expires is given back."""
    clock = Clock()
    check = verifier(clock, remembered_bytes=50_000)
    tokens = [hs256({"sub": f"{n}", "exp": NOW + 60, "user_metadata": {"text": "x" * 4000}}) for n in range(20)]
    assert [f"{n}" for n in range(20)] == [check.verify(token).id for token in tokens]
    known = list(check._good)
    assert 3 <= len(known) <= 5
    assert 9_000 * len(known) < check._bytes <= 50_000
    clock.now = NOW + 1000
    for token in known:
        assert EXPIRED == refusal(token, check)
    assert (0, 0) == (len(check._good), check._bytes)


def test_memory_is_bounded() -> None:
    """The least recently used token is forgotten first, and a forgotten one is verified anew."""
    check = verifier(remembered=2)
    a, b, c = (hs256({"sub": sub, "exp": NOW + 60}) for sub in "abc")
    first, second = check.verify(a), check.verify(b)
    assert first is check.verify(a)
    check.verify(c)
    assert first is check.verify(a)
    again = check.verify(b)
    assert second == again
    assert second is not again


@given(st.integers(0, len(es256()) - 1), st.integers(1, 255))
def test_no_byte_of_a_remembered_token_may_change(position: int, flip: int) -> None:
    """A token that differs from a remembered one in a single byte is a different token, and a bad one."""
    check = verifier()
    good = hs256()
    check.verify(good)
    position %= len(good)
    bad = bytes([*good[:position], good[position] ^ flip, *good[position + 1 :]])
    assert refusal(bad, check) is not None


@given(st.binary(max_size=60) | st.text(max_size=60))
def test_nothing_else_escapes(token: bytes | str) -> None:
    """Whatever is sent as a token, the answer is a TokenError."""
    assert refusal(token, verifier()) is not None


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_nothing_else_escapes_behind_a_good_signature(header: bytes, claims: bytes) -> None:
    """Not even what a holder of the key signs can crash the verifier."""
    assert refusal(signed(header, claims), verifier()) is not None
    assert refusal(hs256(claims), verifier()) is not None


@given(
    st.dictionaries(
        st.sampled_from(["sub", "role", "aud", "iss", "iat", "nbf", "aal", "app_metadata"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["roles", "x"]), inner),
            max_leaves=5,
        ),
    )
)
def test_odd_claims_never_crash(claims: dict[str, Any]) -> None:
    """Claims of any JSON type make a principal of the right types, or a TokenError."""
    check = verifier(audience="app", issuer="x")
    try:
        principal = check.verify(hs256({**claims, "exp": NOW + 60}))
    except TokenError:
        return
    assert isinstance(principal.role, str)
    assert principal.id is None or isinstance(principal.id, str)
    assert all(isinstance(role, str) for role in principal.roles)
