"""The relying party of WebAuthn, and what its ceremonies take; ``tests/accounts/test_passkeys.py`` has the flows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given, settings
from hypothesis import strategies as st

from backstay.auth.ceremony import (
    MAX_CHARS,
    Assertion,
    RelyingParty,
    check_assertion,
    check_registration,
    creation_options,
    credential_id_of,
    relying_party,
    request_options,
    useless_origins,
)
from backstay.auth.options import AuthOptions
from backstay.auth.refusal import AuthError
from tests.accounts.authenticator import ORIGIN, PRESENT, VERIFIED, Authenticator, bytes_of, text_of
from tests.auth.test_cbor import BOMBS
from tests.auth.test_publickey import COSE, WEAK_COSE

PARTY = RelyingParty("app.example.org", "House", (ORIGIN,))
USER = UUID(int=7)
LOADS = cbor2.loads


@pytest.mark.parametrize(
    ("options", "id", "origins"),
    [
        ({"site_url": "https://example.org"}, "example.org", ("https://example.org",)),
        (
            {
                "site_url": "https://example.org/home",
                "public_url": "https://api.example.org",
                "redirect_urls": (
                    "https://app.example.org:8443/back",
                    "https://*.example.org/**",
                    "https://other.example/",
                    "https://evilexample.org/",
                    "com.example.app://back",
                    "https://example.org:443/x",
                ),
            },
            "example.org",
            ("https://example.org", "https://api.example.org", "https://app.example.org:8443"),
        ),
        ({"site_url": "https://www.example.org"}, "www.example.org", ("https://www.example.org",)),
        ({"site_url": "http://127.0.0.1:3000"}, "localhost", ("http://localhost:3000", "http://localhost:8000")),
        ({"site_url": "http://[::1]:3000"}, "localhost", ("http://localhost:3000", "http://localhost:8000")),
        ({"site_url": "http://10.0.0.1:80", "public_url": "x"}, "10.0.0.1", ("http://10.0.0.1",)),
        ({"site_url": "com.example.app://home"}, "localhost", ("http://localhost:8000",)),
        ({"site_url": "https://", "public_url": "https://[half"}, "localhost", ()),
        (
            {"site_url": "https://example.org", "redirect_urls": ("https://example.org:99999/", "ftp://example.org/")},
            "example.org",
            ("https://example.org",),
        ),
        (
            {"site_url": "https://www.example.org", "webauthn_rp_id": "example.org"},
            "example.org",
            ("https://www.example.org",),
        ),
        (
            {"site_url": "https://example.org", "webauthn_origins": ("https://a.example.org",)},
            "example.org",
            ("https://a.example.org",),
        ),
    ],
)
def test_the_relying_party(options: dict[str, Any], id: str, origins: tuple[str, ...]) -> None:
    """An exact list: nothing of a pattern, of another domain, or of one that only ends alike (MF3)."""
    party = relying_party(AuthOptions(**options))
    assert (id, origins) == (party.id, party.origins)


def test_origins_that_no_browser_would_use() -> None:
    """Those that are not at the domain or below it; an Android app names itself by its key."""
    pages = ("https://example.org", "https://a.example.org:8443", "https://evilexample.org", "https://org", "x")
    party = RelyingParty("example.org", "House", ("android:apk-key-hash:abc", *pages))
    assert pages[2:] == useless_origins(party)


def test_what_the_browser_is_asked() -> None:
    """A passkey verifies its owner and is found without a name; a second factor is neither asked to, nor to be kept."""
    asked: dict[str, Any] = {
        "rp": {"id": "app.example.org", "name": "House"},
        "user": {"id": text_of(USER.bytes), "name": "Ann", "displayName": "Ann"},
        "challenge": text_of(b"c" * 32),
        "timeout": 300_000,
        "excludeCredentials": [{"id": text_of(b"known"), "type": "public-key"}],
        "attestation": "none",
    }
    for passkey, selection in (
        (True, {"residentKey": "required", "requireResidentKey": True, "userVerification": "required"}),
        (False, {"residentKey": "discouraged", "requireResidentKey": False, "userVerification": "preferred"}),
    ):
        made = creation_options(PARTY, b"c" * 32, user_id=USER, name="Ann", known=[b"known"], passkey=passkey)
        assert made.pop("pubKeyCredParams")
        assert asked | {"authenticatorSelection": selection} == made
    wanted = {"challenge": text_of(b"d" * 32), "timeout": 300_000, "rpId": "app.example.org"}
    none: dict[str, Any] = {"allowCredentials": [], "userVerification": "required"}
    one = {"allowCredentials": [{"id": text_of(b"known"), "type": "public-key"}], "userVerification": "preferred"}
    assert wanted | none == request_options(PARTY, b"d" * 32, allowed=())
    assert wanted | one == request_options(PARTY, b"d" * 32, allowed=[b"known"])


#: Flags of credentials that other devices may have, and have (WebAuthn Level 3 §6.1).
ELIGIBLE, BACKED_UP = 0x08, 0x10


@pytest.mark.parametrize(
    ("flags", "expected"), [(0, (False, False)), (ELIGIBLE, (True, False)), (ELIGIBLE | BACKED_UP, (True, True))]
)
def test_what_a_registration_and_a_sign_in_prove(flags: int, expected: tuple[bool, bool]) -> None:
    """The key, its count, and whether other devices have it, each as the authenticator says."""
    key = Authenticator(count=7, flags=PRESENT | VERIFIED | flags)
    options = creation_options(PARTY, b"c" * 32, user_id=USER, name="Ann", known=[], passkey=True)
    made = check_registration(PARTY, key.create(options), b"c" * 32, verified_owner=True)
    assert (key.credential_id, 7, "00000000-0000-0000-0000-000000000000", ("internal",)) == (
        made.credential_id,
        made.sign_count,
        made.aaguid,
        made.transports,
    )
    assert expected == (made.backup_eligible, made.backed_up)
    row = SimpleNamespace(user_id=USER, credential_id=made.credential_id, public_key=made.public_key)
    answer = key.get(request_options(PARTY, b"d" * 32, allowed=()))
    assert Assertion(8, expected[1]) == check_assertion(PARTY, answer, b"d" * 32, row, passkey=True)


def accepted(check: Callable[[], Any]) -> bool:
    """Whether *check* takes what it is given; a refusal is always the same one."""
    try:
        check()
    except AuthError as refusal:
        if refusal.code != "webauthn_verification_failed":
            raise
        return False
    return True


@pytest.mark.parametrize(
    ("flags", "handle", "as_passkey", "as_factor"),
    [
        (PRESENT | VERIFIED, USER, True, True),
        (PRESENT | VERIFIED, None, False, True),
        (PRESENT | VERIFIED, UUID(int=8), False, False),
        (PRESENT, USER, False, True),
        (PRESENT, None, False, True),
        (VERIFIED, USER, False, False),
    ],
)
def test_who_was_verified_and_whose_it_is(flags: int, handle: UUID | None, as_passkey: bool, as_factor: bool) -> None:
    """A passkey must verify its owner and say whose it is; a factor may leave out both, and may lie about neither."""
    key = Authenticator(flags=flags)
    options = creation_options(PARTY, b"c" * 32, user_id=USER, name="Ann", known=[], passkey=True)
    created = key.create(options)
    # Registered in any case, to be asked afterwards.
    key.flags = PRESENT | VERIFIED
    made = check_registration(PARTY, key.create(options), b"c" * 32, verified_owner=True)
    key.flags, key.handle = flags, None if handle is None else handle.bytes
    row = SimpleNamespace(user_id=USER, credential_id=made.credential_id, public_key=made.public_key)
    answer = key.get(request_options(PARTY, b"d" * 32, allowed=()))
    for passkey, expected in ((True, as_passkey), (False, as_factor)):
        assert expected == accepted(lambda: check_assertion(PARTY, answer, b"d" * 32, row, passkey=passkey))  # noqa: B023
        present, verified = bool(flags & PRESENT), bool(flags & VERIFIED)
        assert (present and (verified or not passkey)) == accepted(
            lambda: check_registration(PARTY, created, b"c" * 32, verified_owner=passkey)  # noqa: B023
        )


@pytest.mark.parametrize(
    "lie",
    [
        {"type": "webauthn.get"},
        {"type": "webauthn.create"},
        {"type": "payment.get"},
        {"crossOrigin": True},
        {"origin": "https://app.example.org.evil.example"},
        {"origin": "https://app.example.org:8443"},
        {"challenge": text_of(b"c" * 31)},
        {"challenge": ""},
    ],
)
def test_a_page_that_is_none_of_ours(lie: dict[str, Any], decoded: list[bytes]) -> None:
    """MF3: another ceremony, page, frame or challenge is refused before anything of the authenticator is read."""
    key = Authenticator()
    options = creation_options(PARTY, b"c" * 32, user_id=USER, name="Ann", known=[], passkey=True)
    if lie != {"type": "webauthn.create"}:
        sent = key.create(options, **lie)
        assert not accepted(lambda: check_registration(PARTY, sent, b"c" * 32, verified_owner=True))
    if lie != {"type": "webauthn.get"}:
        key, row = GOOD[0], GOOD[1]
        answer = key.get(request_options(PARTY, b"d" * 32, allowed=()), **lie)
        assert not accepted(lambda: check_assertion(PARTY, answer, b"d" * 32, row, passkey=True))
    assert [] == decoded


def test_an_answer_names_its_credential() -> None:
    """MF3: the id is not signed, so it is compared: outside with inside when it is made, and with the row afterwards."""
    _, row, registration, first = GOOD
    other = {"id": text_of(b"o" * 32), "rawId": text_of(b"o" * 32)}
    assert not accepted(lambda: check_registration(PARTY, registration | other, first, verified_owner=True))
    assert not accepted(lambda: check_assertion(PARTY, ASSERTION | other, b"d" * 32, row, passkey=True))


@pytest.mark.parametrize(("size", "expected"), [(0, False), (1, True), (1023, True), (1024, False)])
def test_the_length_of_a_credential_id(size: int, expected: bool) -> None:
    """WebAuthn Level 3 §4: up to 1,023 bytes, wherever one stands."""
    key = Authenticator(credential_id=b"i" * size)
    options = creation_options(PARTY, b"c" * 32, user_id=USER, name="Ann", known=[], passkey=True)
    answer = key.create(options)
    assert expected == accepted(lambda: check_registration(PARTY, answer, b"c" * 32, verified_owner=True))
    assert expected == accepted(lambda: credential_id_of(answer))


@pytest.mark.parametrize(
    "answer",
    [{}, {"rawId": None}, {"rawId": 7}, {"rawId": "é"}, {"rawId": "A" * 100_000}, {"rawId": f"{'!' * 100_000}AAAA"}],
)
def test_ids_that_are_none(answer: dict[str, Any]) -> None:
    """T-500: nothing, another type, no base64, and far too long, also in letters that decoding passes over."""
    assert not accepted(lambda: credential_id_of(answer))


@pytest.mark.parametrize("answer", [{}, {"response": None}, {"response": []}, {"response": "x"}])
def test_answers_without_a_response(answer: dict[str, Any]) -> None:
    """T-500: a refusal like any other."""
    sent = {"id": ASSERTION["id"], "rawId": ASSERTION["rawId"], "type": "public-key", **answer}
    assert not accepted(lambda: check_registration(PARTY, sent, GOOD[3], verified_owner=True))
    assert not accepted(lambda: check_assertion(PARTY, sent, b"d" * 32, GOOD[1], passkey=True))


@pytest.mark.parametrize(("more", "expected"), [(0, True), (1, False)])
def test_the_longest_client_data(more: int, expected: bool) -> None:
    """A2: 8,192 characters are read, as far as they go, and one more is not."""
    key = Authenticator()
    options = creation_options(PARTY, b"c" * 32, user_id=USER, name="Ann", known=[], passkey=True)
    short = len(bytes_of(key.create(options, pad="")["response"]["clientDataJSON"]))
    answer = key.create(options, pad="x" * (8192 // 4 * 3 - short + more))
    assert expected == accepted(lambda: check_registration(PARTY, answer, b"c" * 32, verified_owner=True))


def registered() -> tuple[Authenticator, Any, dict[str, Any], bytes]:
    """An authenticator, its credential (row), the answer that registered it, and the challenge."""
    key, challenge = Authenticator(), b"c" * 32
    options = creation_options(PARTY, challenge, user_id=USER, name="Ann", known=[], passkey=True)
    answer = key.create(options)
    made = check_registration(PARTY, answer, challenge, verified_owner=True)
    row = SimpleNamespace(user_id=USER, credential_id=made.credential_id, public_key=made.public_key)
    return key, row, answer, challenge


def test_a_ceremony_there_and_back() -> None:
    """What is registered signs in; the handle is the account's id."""
    key, row, _, _ = registered()
    assert USER.bytes == key.handle
    challenge = b"d" * 32
    answer = key.get(request_options(PARTY, challenge, allowed=()))
    assert 0 == check_assertion(PARTY, answer, challenge, row, passkey=True).sign_count
    assert row.credential_id == credential_id_of(answer)
    with pytest.raises(AuthError, match="verification failed"):
        check_assertion(PARTY, answer, b"e" * 32, row, passkey=True)
    elsewhere = RelyingParty("app.example.org", "House", ("https://b.example.org",))
    with pytest.raises(AuthError, match="verification failed"):
        check_assertion(elsewhere, answer, challenge, row, passkey=True)


@settings(deadline=None, max_examples=150)
@given(
    part=st.sampled_from(["clientDataJSON", "authenticatorData", "signature", "attestationObject"]),
    at=st.integers(0, 400),
    to=st.binary(max_size=3),
)
def test_one_changed_byte_is_a_refusal(part: str, at: int, to: bytes) -> None:
    """Of what is signed no byte may be another one, and nothing that is sent is a crash (MF3, T-500)."""
    _, row, registration, first = GOOD
    for answer in (registration, ASSERTION):
        response = answer["response"]
        raw = bytes_of(response.get(part, ""))
        if not raw or raw[at % len(raw) : at % len(raw) + 1] == to:
            continue
        forged = raw[: at % len(raw)] + to + raw[at % len(raw) + 1 :]
        sent = answer | {"response": response | {part: text_of(forged)}}
        if answer is registration:
            # Without attestation nothing is signed here: another key is the key of whoever sends it.
            with suppress(AuthError):
                check_registration(PARTY, sent, first, verified_owner=True)
        else:
            with pytest.raises(AuthError, match="verification failed"):
                check_assertion(PARTY, sent, b"d" * 32, row, passkey=True)


GOOD = registered()
ASSERTION = GOOD[0].get(request_options(PARTY, b"d" * 32, allowed=()))


def attested(*, key: bytes | None = None, extensions: bytes = b"", more: bytes = b"", **changed: Any) -> dict[str, Any]:
    """The answer that registers, with another key, extensions, or parts of the attestation object changed."""
    found = LOADS(bytes_of(GOOD[2]["response"]["attestationObject"]))
    data = bytes(found["authData"])
    if key is not None:
        data = data[:87] + key
    if extensions:
        data = data[:32] + bytes((data[32] | 0x80,)) + data[33:] + extensions
    found = {**found, "authData": data + more, **changed}
    raw = cbor2.dumps({name: value for name, value in found.items() if value is not None})
    return GOOD[2] | {"response": GOOD[2]["response"] | {"attestationObject": text_of(raw)}}


def extended(extensions: bytes) -> dict[str, Any]:
    """The answer that signs in, with extensions: its signature is no longer one, which a bomb never comes to."""
    data = bytes_of(ASSERTION["response"]["authenticatorData"])
    data = data[:32] + bytes((data[32] | 0x80,)) + data[33:] + extensions
    return ASSERTION | {"response": ASSERTION["response"] | {"authenticatorData": text_of(data)}}


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What the decoder of the library was given."""
    seen: list[bytes] = []

    def spy(raw: bytes, **named: Any) -> Any:
        seen.append(raw)
        return LOADS(raw, **named)

    monkeypatch.setattr(cbor2, "loads", spy)
    return seen


@pytest.mark.parametrize("name", [name for name in BOMBS if name != "nothing"])
def test_no_bomb_is_decoded(name: str, decoded: list[bytes]) -> None:
    """A2: wherever it stands, and in a sign-in before any signature, what is refused by its form reaches no decoder."""
    bomb, _ = BOMBS[name]
    (_, row, _, challenge), raw = GOOD, bytes_of(GOOD[2]["response"]["attestationObject"])
    answers = [
        GOOD[2] | {"response": GOOD[2]["response"] | {"attestationObject": text_of(bomb)}},
        GOOD[2] | {"response": GOOD[2]["response"] | {"attestationObject": text_of(raw + bomb)}},
        GOOD[2]
        | {"response": GOOD[2]["response"] | {"attestationObject": text_of(b"\xa4" + raw[1:] + b"\x61z" + bomb)}},
    ]
    for answer in answers:
        with pytest.raises(AuthError, match="verification failed"):
            check_registration(PARTY, answer, challenge, verified_owner=True)
    assert [] == decoded
    # Within the authenticator's data, which is bytes to the outer object: that one is decoded, the bomb is not.
    for answer in (attested(key=bomb), attested(extensions=bomb), attested(more=bomb)):
        decoded.clear()
        with pytest.raises(AuthError, match="verification failed"):
            check_registration(PARTY, answer, challenge, verified_owner=True)
        assert not any(raw.startswith(bomb) for raw in decoded)
    decoded.clear()
    with pytest.raises(AuthError, match="verification failed"):
        check_assertion(PARTY, extended(bomb), b"d" * 32, row, passkey=True)
    assert [] == decoded


def test_cheap_things_are_looked_at_first(decoded: list[bytes]) -> None:
    """A2: with a foreign challenge, page, relying party, owner or size nothing is decoded, and no key is loaded."""
    _, row, answer, challenge = GOOD
    elsewhere = RelyingParty("app.example.org", "House", ("https://b.example.org",))
    other = RelyingParty("example.org", "House", (ORIGIN,))
    bobs = SimpleNamespace(user_id=UUID(int=8), credential_id=row.credential_id, public_key=row.public_key)
    for party, value in ((PARTY, b"e" * 32), (elsewhere, challenge)):
        with pytest.raises(AuthError, match="verification failed"):
            check_registration(party, answer, value, verified_owner=True)
    for party, value, owner in (
        (PARTY, b"e" * 32, row),
        (elsewhere, b"d" * 32, row),
        (other, b"d" * 32, row),
        (PARTY, b"d" * 32, bobs),
    ):
        with pytest.raises(AuthError, match="verification failed"):
            check_assertion(party, ASSERTION, value, owner, passkey=True)
    for name, most in MAX_CHARS.items():
        padded = answer | {"response": answer["response"] | {name: "A" * (most + 1)}}
        signed = ASSERTION | {"response": ASSERTION["response"] | {name: "A" * (most + 1)}}
        if name in ("clientDataJSON", "attestationObject"):
            with pytest.raises(AuthError, match="verification failed"):
                check_registration(PARTY, padded, challenge, verified_owner=True)
        if name != "attestationObject":
            with pytest.raises(AuthError, match="verification failed"):
                check_assertion(PARTY, signed, b"d" * 32, row, passkey=True)
    assert [] == decoded


@pytest.mark.parametrize("form", ["packed", "tpm", "android-key", "android-safetynet", "fido-u2f", "apple", "compound"])
def test_certificates_of_third_parties_are_not_read(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A2: nobody is named who could vouch for an authenticator, so what claims to is no parser's business."""

    def never(*_: Any) -> None:
        raise AssertionError("a certificate was read")

    monkeypatch.setattr("cryptography.x509.load_der_x509_certificate", never)
    statement = {"x5c": [b"\x30\x84\xff\xff\xff\xff" * 500], "sig": b"s", "alg": -7, "response": b"a.b.c", "ver": "2.0"}
    bare = {name: value for name, value in statement.items() if name != "x5c"}
    for claimed in (statement, bare) if form != "packed" else (statement,):
        answer = attested(fmt=form, attStmt=claimed)
        assert GOOD[1].public_key == check_registration(PARTY, answer, GOOD[3], verified_owner=True).public_key


def test_a_key_may_vouch_for_itself() -> None:
    """Self attestation is a proof that the sender has the key; a wrong one is refused (WebAuthn Level 3 §8.2)."""
    key, _, answer, challenge = GOOD
    data = bytes(LOADS(bytes_of(answer["response"]["attestationObject"]))["authData"])
    signed = data + hashlib.sha256(bytes_of(answer["response"]["clientDataJSON"])).digest()
    good = key.key.sign(signed, ec.ECDSA(SHA256()))
    for signature, statement in ((good, {}), (good[:-1] + bytes((good[-1] ^ 1,)), None)):
        sent = attested(fmt="packed", attStmt={"alg": -7, "sig": signature})
        if statement is None:
            with pytest.raises(AuthError, match="verification failed"):
                check_registration(PARTY, sent, challenge, verified_owner=True)
        else:
            assert key.credential_id == check_registration(PARTY, sent, challenge, verified_owner=True).credential_id


@pytest.mark.parametrize(
    "answer",
    [
        {"fmt": "my-own"},
        {"fmt": None},
        {"fmt": 1},
        {"attStmt": None},
        {"attStmt": []},
        {"authData": b""},
        {"authData": "text"},
        {"attStmt": {"sig": b"s"}},
    ],
)
def test_attestation_objects_that_are_none(answer: dict[str, Any]) -> None:
    """A form that is not registered, a missing part, another type: a refusal (T-500)."""
    with pytest.raises(AuthError, match="verification failed"):
        check_registration(PARTY, attested(**answer), GOOD[3], verified_owner=True)


@pytest.mark.parametrize("name", WEAK_COSE)
def test_weak_keys_neither_register_nor_verify(name: str) -> None:
    """A12: RSA with n = 3, points off the curve, other kinds: refused when they come, and where one is stored."""
    raw = cbor2.dumps(WEAK_COSE[name])
    with pytest.raises(AuthError, match="verification failed"):
        check_registration(PARTY, attested(key=raw), GOOD[3], verified_owner=True)
    stored = SimpleNamespace(user_id=USER, credential_id=GOOD[1].credential_id, public_key=raw)
    with pytest.raises(AuthError, match="verification failed"):
        check_assertion(PARTY, ASSERTION, b"d" * 32, stored, passkey=True)


@pytest.mark.parametrize("n", [3, 15, 2**64 + 13])
def test_a_signature_that_anybody_can_make(n: int) -> None:
    """A12: RSA with a tiny modulus, and a signature that fits it."""
    client_data = bytes_of(ASSERTION["response"]["clientDataJSON"])
    assert b"webauthn.get" in client_data
    for e in (1, 3, 65537):
        stored = SimpleNamespace(
            user_id=USER,
            credential_id=GOOD[1].credential_id,
            public_key=cbor2.dumps({1: 3, 3: -257, -1: n.to_bytes(9, "big"), -2: e.to_bytes(3, "big")}),
        )
        for signature in (b"", b"\0", b"\1", n.to_bytes(9, "big")):
            forged = ASSERTION | {"response": ASSERTION["response"] | {"signature": text_of(signature)}}
            with pytest.raises(AuthError, match="verification failed"):
                check_assertion(PARTY, forged, b"d" * 32, stored, passkey=True)


def test_weak_keys_that_are_stored_verify_nothing() -> None:
    """A12: a key of 1024 bits that was registered once, with its own signature, and the identity with nobody's."""
    response = ASSERTION["response"]
    signed = bytes_of(response["authenticatorData"])
    signed += hashlib.sha256(bytes_of(response["clientDataJSON"])).digest()
    short = rsa.generate_private_key(65537, 1024)
    good = rsa.generate_private_key(65537, 2048)
    identity = {1: 1, 3: -8, -1: 6, -2: b"\1" + bytes(31)}

    def verdict(key: dict[int, Any], signature: bytes) -> bool:
        stored = SimpleNamespace(user_id=USER, credential_id=GOOD[1].credential_id, public_key=cbor2.dumps(key))
        forged = ASSERTION | {"response": response | {"signature": text_of(signature)}}
        try:
            check_assertion(PARTY, forged, b"d" * 32, stored, passkey=True)
        except AuthError:
            return False
        return True

    def cose(key: rsa.RSAPrivateKey) -> dict[int, Any]:
        n = key.public_key().public_numbers().n
        return {1: 3, 3: -257, -1: n.to_bytes((n.bit_length() + 7) // 8, "big"), -2: b"\1\0\1"}

    assert verdict(cose(good), good.sign(signed, padding.PKCS1v15(), SHA256()))
    assert not verdict(cose(short), short.sign(signed, padding.PKCS1v15(), SHA256()))
    assert not verdict(identity, b"\1" + bytes(63))


@pytest.mark.parametrize("name", COSE)
def test_every_kind_that_is_asked_for_registers(name: str) -> None:
    """ES256, EdDSA and RS256, with and without extensions of the authenticator."""
    raw = cbor2.dumps(COSE[name])
    for extensions in (b"", cbor2.dumps({"credProtect": 2, "hmac-secret": True})):
        answer = attested(key=raw, extensions=extensions)
        assert raw == check_registration(PARTY, answer, GOOD[3], verified_owner=True).public_key
    options = creation_options(PARTY, b"c" * 32, user_id=USER, name="Ann", known=[], passkey=True)
    assert {-7, -8, -257} == {one["alg"] for one in options["pubKeyCredParams"]} == {key[3] for key in COSE.values()}
