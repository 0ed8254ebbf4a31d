"""Passkeys: made, used to sign in, named and removed; and what is refused of them (MF3)."""

from __future__ import annotations

import asyncio
import sys
import threading
from dataclasses import replace
from typing import Any

import cbor2
import pytest
import sqlalchemy as sa

from backstay import ConfigError, Settings
from backstay.accounts import auth_options
from backstay.audit.tables import Entry
from backstay.auth.authenticator import MAX_PASSKEYS
from backstay.auth.ceremony import relying_party
from backstay.auth.tables import User
from backstay.sql.query import query
from tests.accounts.authenticator import PRESENT, Authenticator, bytes_of, text_of
from tests.accounts.house import PASSWORD, House
from tests.accounts.test_factors import claims, lifted, refusal
from tests.auth.test_cbor import BOMBS

SITE = pytest.mark.settings(site_url="https://app.example.org", rate_limits="off")


@query
def _events() -> Any:
    return sa.select(Entry.event)


@query
def _unconfirm() -> Any:
    return sa.update(User).values(email_confirmed_at=sa.null(), email_proved_at=sa.null())


@query
def _failures() -> Any:
    return sa.select(Entry).where(Entry.event == "factor_failed").order_by(Entry.seq)


def events(house: House) -> list[str]:
    return [row.event for row in house.run(house.store.all(_events()))]


def register(house: House, session: Any, key: Authenticator, **lies: Any) -> Any:
    """Make a passkey with *key*."""
    begun = house.post("passkeys/registration/options", {}, as_=session)
    assert 200 == begun.status, begun.body
    body = {"challenge_id": begun.json["challenge_id"], "credential": key.create(begun.json["options"], **lies)}
    return house.post("passkeys/registration/verify", body, as_=session)


def begin(house: House) -> dict[str, Any]:
    begun = house.post("passkeys/authentication/options", {"gotrue_meta_security": {"captcha_token": None}})
    assert 200 == begun.status, begun.body
    return dict(begun.json)


def sign_in(house: House, key: Authenticator, **lies: Any) -> Any:
    """Sign in with *key*."""
    begun = begin(house)
    body = {"challenge_id": begun["challenge_id"], "credential": key.get(begun["options"], **lies)}
    return house.post("passkeys/authentication/verify", body)


@SITE
def test_a_passkey_signs_in(house: House) -> None:
    """Without a name or a password, and with aal2: it has verified its owner (MF3); it is named, listed and removed."""
    session = house.sign_up()
    begun = house.post("passkeys/registration/options", {}, as_=session).json
    assert {"challenge_id", "options", "expires_at"} == set(begun)
    assert int(house.clock.at.timestamp()) + 300 == begun["expires_at"]
    options = begun["options"]
    assert ("app.example.org", "ann@example.org") == (options["rp"]["id"], options["user"]["name"])
    selection = options["authenticatorSelection"]
    assert ("required", "required") == (selection["residentKey"], selection["userVerification"])

    key = Authenticator(count=1)
    made = register(house, session, key)
    assert (200, ["internal"]) == (made.status, made.json["transports"])
    assert "passkey" == house.letter("factor_enrolled").data["factor"]
    options = begin(house)["options"]
    assert ([], "required") == (options.get("allowCredentials", []), options["userVerification"])
    reply = sign_in(house, key)
    by_key = reply.json
    assert (200, "ann@example.org") == (reply.status, by_key["user"]["email"])
    assert ("aal2", ["passkey"]) == (claims(by_key)["aal"], [proof["method"] for proof in claims(by_key)["amr"]])
    assert 201 == house.rest("POST", "vaults", {"owner_id": session["user"]["id"]}, as_=by_key).status

    id = made.json["id"]
    named = house.send("PATCH", f"passkeys/{id}", {"friendly_name": "Laptop"}, as_=session)
    assert (200, "Laptop") == (named.status, named.json["friendly_name"])
    (listed,) = house.get("passkeys", as_=session).json
    assert (id, "Laptop", "2026-11-21T12:00:00Z") == (listed["id"], listed["friendly_name"], listed["last_used_at"])
    for bad in ("", "x" * 121):
        wrong = house.send("PATCH", f"passkeys/{id}", {"friendly_name": bad}, as_=session)
        assert (400, "validation_failed") == refusal(wrong)

    # It is a second factor, so less than it neither removes nor adds one (MF7).
    assert (403, "insufficient_aal") == refusal(house.delete(f"passkeys/{id}", as_=session))
    assert (403, "insufficient_aal") == refusal(house.post("factors", {"factor_type": "totp"}, as_=session))
    stranger = house.sign_up("bob@example.org")
    for method, body in (("PATCH", {"friendly_name": "mine"}), ("DELETE", None)):
        for path in (f"passkeys/{id}", "passkeys/x"):
            assert (404, "passkey_not_found") == refusal(house.send(method, path, body, as_=stranger))
    house.letters()
    gone = house.delete(f"passkeys/{id}", as_=by_key)
    assert (204, b"") == (gone.status, gone.body)
    assert "Laptop" == house.letter("factor_removed").data["factor"]
    assert [] == house.get("passkeys", as_=by_key).json == house.rest("GET", "vaults", as_=by_key).json
    assert "aal1" == claims(house.refresh(by_key["refresh_token"]).json)["aal"]
    assert (422, "webauthn_verification_failed") == refusal(sign_in(house, key))
    assert {"passkey_added", "passkey_updated", "passkey_removed"} <= set(events(house))


@SITE
def test_what_a_registration_must_prove(house: House) -> None:
    """Its challenge, origin, relying party, a verified owner, and an id that nobody has (MF3)."""
    session = house.sign_up()
    lies: list[tuple[Authenticator, dict[str, Any]]] = [
        (Authenticator(origin="https://evil.example"), {}),
        (Authenticator(origin="https://app.example.org.evil.example"), {}),
        (Authenticator(origin="http://app.example.org"), {}),
        (Authenticator(cross_origin=True), {}),
        (Authenticator(flags=PRESENT), {}),
        (Authenticator(flags=0x04), {}),
        (Authenticator(credential_id=b"x" * 1024), {}),
        (Authenticator(), {"challenge": "AAAA"}),
        (Authenticator(), {"type": "webauthn.get"}),
    ]
    for key, lie in lies:
        assert (422, "webauthn_verification_failed") == refusal(register(house, session, key, **lie)), (key, lie)
    longest = Authenticator(credential_id=b"x" * 1023)
    assert 200 == register(house, session, longest).status
    session = sign_in(house, longest).json
    again = replace(longest)
    assert (422, "webauthn_credential_exists") == refusal(register(house, session, again))
    other = house.sign_up("bob@example.org")
    assert (422, "webauthn_credential_exists") == refusal(register(house, other, again))
    # Its challenge is its session's, good once, for five minutes.
    begun = house.post("passkeys/registration/options", {}, as_=session).json
    body = {"challenge_id": begun["challenge_id"], "credential": Authenticator().create(begun["options"])}
    assert (422, "webauthn_challenge_expired") == refusal(house.post("passkeys/registration/verify", body, as_=other))
    assert 200 == house.post("passkeys/registration/verify", body, as_=session).status
    assert (422, "webauthn_challenge_expired") == refusal(house.post("passkeys/registration/verify", body, as_=session))
    begun = house.post("passkeys/registration/options", {}, as_=session).json
    body = {"challenge_id": begun["challenge_id"], "credential": Authenticator().create(begun["options"])}
    house.clock.turn(minutes=5)
    assert (422, "webauthn_challenge_expired") == refusal(house.post("passkeys/registration/verify", body, as_=session))
    for _ in range(MAX_PASSKEYS - 2):
        assert 200 == register(house, session, Authenticator()).status
    full = house.post("passkeys/registration/options", {}, as_=session)
    assert (422, "too_many_passkeys") == refusal(full)


@SITE
def test_what_a_sign_in_must_prove(house: House) -> None:
    """Its challenge, origin, relying party, owner and signature; a count that goes back is told to the log (MF3)."""
    session, key = house.sign_up(), Authenticator(count=5)
    assert 200 == register(house, session, key).status
    bob, his = house.sign_up("bob@example.org"), Authenticator()
    assert 200 == register(house, bob, his).status
    lies: list[tuple[Authenticator, dict[str, Any]]] = [
        (replace(key, origin="https://evil.example"), {}),
        (replace(key, cross_origin=True), {}),
        (replace(key, rp_id="evil.example"), {}),
        (replace(key, flags=PRESENT), {}),
        (replace(key, handle=None), {}),
        (replace(key, handle=his.handle), {}),
        (replace(key, credential_id=his.credential_id), {}),
        (replace(key, credential_id=b"unknown"), {}),
        (replace(key, key=his.key), {}),
        (key, {"challenge": "AAAA"}),
        (key, {"type": "webauthn.create"}),
    ]
    for liar, lie in lies:
        assert (422, "webauthn_verification_failed") == refusal(sign_in(house, liar, **lie)), (liar, lie)
    before = replace(key)
    assert 200 == sign_in(house, key).status
    # A copy of the key, made before: it counts on from where it was.
    before.count = 1
    assert (422, "webauthn_verification_failed") == refusal(sign_in(house, before))
    assert 1 == events(house).count("passkey_sign_count_regressed")
    # One that does not count may be used as often as one likes.
    assert [200, 200] == [sign_in(house, his).status for _ in range(2)]

    # A challenge is good once, for five minutes, and for its ceremony alone.
    begun = begin(house)
    body = {"challenge_id": begun["challenge_id"], "credential": his.get(begun["options"])}

    async def all_at_once() -> list[Any]:
        path = "passkeys/authentication/verify"
        return await asyncio.gather(*(house.sending("POST", path, body) for _ in range(20)))

    statuses = [reply.status for reply in house.run(all_at_once())]
    assert (1, 19) == (statuses.count(200), statuses.count(422))
    begun = begin(house)
    house.clock.turn(minutes=5)
    body = {"challenge_id": begun["challenge_id"], "credential": his.get(begun["options"])}
    late = house.post("passkeys/authentication/verify", body)
    assert (422, "webauthn_challenge_expired") == refusal(late)
    bob = sign_in(house, his).json
    begun = house.post("passkeys/registration/options", {}, as_=bob).json
    body = {"challenge_id": begun["challenge_id"], "credential": his.get(begun["options"])}
    wrong = house.post("passkeys/authentication/verify", body)
    assert (422, "webauthn_challenge_expired") == refusal(wrong)


@SITE
def test_nonsense_for_a_credential_is_a_refusal(house: House) -> None:
    """Whatever is sent for one (T-500)."""
    session, key = house.sign_up(), Authenticator()
    good = key.create(house.post("passkeys/registration/options", {}, as_=session).json["options"])
    response = good["response"]
    nonsense: list[dict[str, Any]] = [
        {},
        {"id": 1, "rawId": [], "response": {}},
        good | {"rawId": "!!!"},
        good | {"rawId": "", "id": ""},
        good | {"type": "password"},
        good | {"response": []},
        good | {"response": response | {"attestationObject": ""}},
        good | {"response": response | {"attestationObject": "_w"}},
        good | {"response": response | {"attestationObject": response["attestationObject"][:-20]}},
        good | {"response": response | {"clientDataJSON": "W10"}},
        good | {"response": response | {"clientDataJSON": "eyJ0eXBlIjoxLCJjaGFsbGVuZ2UiOjEsIm9yaWdpbiI6MX0"}},
        good | {"response": {"clientDataJSON": "e30", "authenticatorData": "AA", "signature": "é", "userHandle": 1}},
    ]
    for credential in nonsense:
        begun = house.post("passkeys/registration/options", {}, as_=session).json
        body = {"challenge_id": begun["challenge_id"], "credential": credential}
        assert 422 == house.post("passkeys/registration/verify", body, as_=session).status, credential
        body["challenge_id"] = begin(house)["challenge_id"]
        assert 422 == house.post("passkeys/authentication/verify", body).status, credential
    for body in ({}, {"challenge_id": "x", "credential": {}}, {"challenge_id": begun["challenge_id"], "credential": 1}):
        assert (400, "validation_failed") == refusal(house.post("passkeys/authentication/verify", body))


@SITE
def test_a_security_key_as_second_factor(house: House) -> None:
    """As ``mfa.webauthn`` of the client sends it; the credential signs nobody in by itself (MF3)."""
    session = house.sign_up()
    enrolled = house.post("factors", {"factor_type": "webauthn", "friendly_name": "Key"}, as_=session)
    assert {"id", "type", "friendly_name"} == set(enrolled.json)
    path, key = f"factors/{enrolled.json['id']}", Authenticator(flags=PRESENT, count=1)

    def prove(as_: Any, key: Authenticator, kind: str | None = None) -> Any:
        asked = house.post(f"{path}/challenge", {"factorId": "…", "webauthn": {"rpId": "evil.example"}}, as_=as_)
        assert (200, "webauthn") == (asked.status, asked.json["type"])
        what = asked.json["webauthn"]
        public = what["credential_options"]["publicKey"]
        answer = key.create(public) if what["type"] == "create" else key.get(public)
        given = {"type": kind or what["type"], "credential_response": answer}
        return house.post(f"{path}/verify", {"challenge_id": asked.json["id"], "webauthn": given}, as_=as_)

    assert (400, "validation_failed") == refusal(prove(session, key, "request"))
    evil = replace(key, origin="https://evil.example")
    assert (422, "webauthn_verification_failed") == refusal(prove(session, evil))
    reply = prove(session, key)
    first = reply.json
    assert (200, "aal2", "mfa/webauthn") == (reply.status, claims(first)["aal"], claims(first)["amr"][0]["method"])
    assert "Key" == house.letter("factor_enrolled").data["factor"]
    second = house.sign_in()
    clone = replace(key)
    reply = prove(second, key)
    assert (200, "aal2") == (reply.status, claims(reply.json)["aal"])
    # A count that goes back, another's key, and an assertion of somebody else's account.
    third = house.sign_in()
    clone.count = 1
    assert (422, "webauthn_verification_failed") == refusal(prove(third, clone))
    assert 1 == events(house).count("passkey_sign_count_regressed")
    assert (422, "webauthn_verification_failed") == refusal(prove(third, replace(key, key=Authenticator().key)))
    assert (422, "webauthn_verification_failed") == refusal(prove(third, replace(key, handle=b"x" * 16)))
    assert [] == house.get("passkeys", as_=third).json
    verified = replace(key, flags=0x05, count=100)
    assert (422, "webauthn_verification_failed") == refusal(sign_in(house, verified))
    # The same credential for a second factor, or for a passkey.
    another = house.post("factors", {"factor_type": "webauthn"}, as_=first).json
    asked = house.post(f"factors/{another['id']}/challenge", {}, as_=first).json
    public = asked["webauthn"]["credential_options"]["publicKey"]
    assert 1 == len(public["excludeCredentials"])
    given = {"type": "create", "credential_response": verified.create(public)}
    body = {"challenge_id": asked["id"], "webauthn": given}
    assert (422, "webauthn_credential_exists") == refusal(
        house.post(f"factors/{another['id']}/verify", body, as_=first)
    )
    assert (422, "webauthn_credential_exists") == refusal(register(house, first, verified))
    assert 200 == house.delete(path, as_=first).status
    assert "aal1" == claims(house.refresh(first["refresh_token"]).json)["aal"]


def with_extensions(answer: dict[str, Any], raw: bytes) -> dict[str, Any]:
    """*answer* with bytes for extensions, which stand before its signature is looked at."""
    response = answer["response"]
    data = bytes_of(response["authenticatorData"])
    data = data[:32] + bytes((data[32] | 0x80,)) + data[33:] + raw
    return answer | {"response": response | {"authenticatorData": text_of(data)}}


@SITE
@pytest.mark.parametrize("name", ["a regular expression", "a decimal fraction", "a rational", "nested arrays"])
def test_no_bomb_goes_off(house: House, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A2: in a registration, a sign-in without a session, an enrolment and a second factor: refused by its form."""
    bomb, _ = BOMBS[name]
    session, key, second = house.sign_up(), Authenticator(), Authenticator(flags=PRESENT)
    assert 200 == register(house, session, key).status
    session = sign_in(house, key).json
    path = f"factors/{house.post('factors', {'factor_type': 'webauthn'}, as_=session).json['id']}"

    def prove(change: Any) -> Any:
        asked = house.post(f"{path}/challenge", {}, as_=session).json
        what = asked["webauthn"]
        public = what["credential_options"]["publicKey"]
        answer = change(second.create(public) if what["type"] == "create" else second.get(public))
        given = {"type": what["type"], "credential_response": answer}
        return house.post(f"{path}/verify", {"challenge_id": asked["id"], "webauthn": given}, as_=session)

    def created(answer: dict[str, Any]) -> dict[str, Any]:
        return answer | {"response": answer["response"] | {"attestationObject": text_of(bomb)}}

    def never(raw: bytes, **_: Any) -> Any:
        raise AssertionError(f"decoded: {raw[:20]!r}")

    monkeypatch.setattr(cbor2, "loads", never)
    begun = house.post("passkeys/registration/options", {}, as_=session).json
    body = {"challenge_id": begun["challenge_id"], "credential": created(Authenticator().create(begun["options"]))}
    refused = [house.post("passkeys/registration/verify", body, as_=session)]
    begun = begin(house)
    body = {
        "challenge_id": begun["challenge_id"],
        "credential": with_extensions(key.get(begun["options"]), bomb),
    }
    refused += [house.post("passkeys/authentication/verify", body), prove(created)]
    monkeypatch.undo()
    session = prove(lambda answer: answer).json
    monkeypatch.setattr(cbor2, "loads", never)
    refused.append(prove(lambda answer: with_extensions(answer, bomb)))
    assert [(422, "webauthn_verification_failed")] * 4 == [refusal(reply) for reply in refused]


@SITE
def test_keys_are_checked_beside_the_loop(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A2: what a ceremony costs is paid in a thread, so that everybody else is answered meanwhile."""
    places: dict[str, list[bool]] = {}

    def noted(module: str, name: str) -> None:
        real = getattr(sys.modules[module], name)

        def call(*given: Any, **named: Any) -> Any:
            places.setdefault(name, []).append(threading.current_thread() is threading.main_thread())
            return real(*given, **named)

        monkeypatch.setattr(f"{module}.{name}", call)

    for module in ("backstay.auth.passkey", "backstay.auth.mfa"):
        for name in ("check_registration", "check_assertion", "creation_options", "request_options"):
            noted(module, name)
    session, key = house.sign_up(), Authenticator()
    assert 200 == register(house, session, key).status
    session = sign_in(house, key).json
    path = f"factors/{house.post('factors', {'factor_type': 'webauthn'}, as_=session).json['id']}"
    second = Authenticator()
    for _ in range(2):
        asked = house.post(f"{path}/challenge", {}, as_=session).json
        what = asked["webauthn"]
        public = what["credential_options"]["publicKey"]
        given = {"type": what["type"], "credential_response": getattr(second, _VERBS[what["type"]])(public)}
        reply = house.post(f"{path}/verify", {"challenge_id": asked["id"], "webauthn": given}, as_=session)
        assert 200 == reply.status
        session = reply.json
    assert {"check_registration", "check_assertion", "creation_options", "request_options"} == places.keys()
    assert {(False, False)} == {tuple(where) for where in places.values()}


_VERBS = {"create": "create", "request": "get"}


@SITE
def test_a_wrong_signature_of_a_second_factor_is_audited(house: House) -> None:
    """Each once, as what it was; an answer without what the browser gave is no try and no fault of ours (MF3)."""
    session, key = house.sign_up(), Authenticator()
    path = f"factors/{house.post('factors', {'factor_type': 'webauthn'}, as_=session).json['id']}"

    def answer(as_: Any, given: dict[str, Any] | None, key: Authenticator = key) -> Any:
        asked = house.post(f"{path}/challenge", {}, as_=as_).json
        what = asked["webauthn"]
        public = what["credential_options"]["publicKey"]
        if given is None:
            credential = getattr(key, _VERBS[what["type"]])(public)
            given = {"webauthn": {"type": what["type"], "credential_response": credential}}
        return house.post(f"{path}/verify", {"challenge_id": asked["id"], **given}, as_=as_)

    def failures() -> list[Any]:
        rows = house.run(house.store.all(_failures()))
        return [(row.event, row.details["factor_type"], row.details["reason"]) for row in rows]

    for nothing in ({}, {"code": "123456"}, {"webauthn": None}, {"webauthn": {}}):
        assert (400, "validation_failed") == refusal(answer(session, nothing))
    assert [] == failures()
    evil = replace(key, origin="https://evil.example")
    assert (422, "webauthn_verification_failed") == refusal(answer(session, None, evil))
    failed = ("factor_failed", "webauthn", "signature")
    assert [failed] == failures()
    assert 200 == answer(session, None).status
    third = house.sign_in()
    assert (400, "validation_failed") == refusal(answer(third, {}))
    assert (422, "webauthn_verification_failed") == refusal(answer(third, None, replace(key, key=Authenticator().key)))
    assert [failed, failed] == failures()
    assert {"challenge_created", "factor_verified"} <= set(events(house))


@pytest.mark.settings(site_url="https://app.example.org", rate_limits="off", email_confirmation=True)
def test_the_first_proof_of_a_mailbox_drops_what_was_there(house: House) -> None:
    """Factors and passkeys of whoever had taken the address before its owner came are gone (OA7)."""
    house.post("signup", {"email": "ann@example.org", "password": PASSWORD})
    token = house.letter("confirmation").data["link"].partition("token=")[2].partition("&")[0]
    squatter = house.post("verify", {"type": "signup", "token_hash": token}).json
    key = Authenticator()
    assert 200 == register(house, squatter, key).status
    _, squatter = lifted(house, sign_in(house, key).json)
    codes = house.post("factors/recovery-codes", as_=squatter).json["codes"]
    # As it is with an address that nobody has confirmed, however its account came to its factors.
    house.run(house.store.transact(lambda tx: tx.run(_unconfirm())))
    assert (400, "email_not_confirmed") == refusal(sign_in(house, key))
    house.clock.turn(minutes=2)
    house.letters()
    house.post("recover", {"email": "ann@example.org"})
    letter = house.letter("recovery")
    owner = house.post("verify", {"type": "recovery", "email": "ann@example.org", "token": letter.data["code"]}).json
    assert "factors" not in owner["user"]
    assert [] == house.get("passkeys", as_=owner).json
    assert (422, "webauthn_verification_failed") == refusal(sign_in(house, key))
    assert (403, "session_not_found") == refusal(house.get("user", as_=squatter))
    used = house.post("factors/recovery-codes/verify", {"code": codes[0]}, as_=owner)
    assert (422, "mfa_verification_failed") == refusal(used)


@pytest.mark.parametrize(
    "settings",
    [
        {"webauthn_rp_id": "other.example"},
        {"webauthn_origins": ("https://other.example",)},
        {"webauthn_rp_id": "app.example.org", "webauthn_origins": ("https://example.org",)},
    ],
)
def test_passkeys_that_no_page_could_use_are_found_at_the_start(settings: dict[str, Any]) -> None:
    """Before anybody makes one (MF3)."""
    with pytest.raises(ConfigError) as refused:
        auth_options(Settings(site_url="https://app.example.org", **settings), "House")
    assert "BST-E224" == refused.value.code


def test_passkeys_of_a_domain_above_the_site() -> None:
    """And of an Android app."""
    android = "android:apk-key-hash:" + "a" * 43
    given = {"webauthn_rp_id": "example.org", "webauthn_origins": ("https://app.example.org", android)}
    party = relying_party(auth_options(Settings(site_url="https://app.example.org", **given), "House"))
    assert ("example.org", "House", ("https://app.example.org", android)) == (party.id, party.name, party.origins)
    for wrong in ({"webauthn_rp_id": "https://x"}, {"webauthn_origins": ("*",)}, {"webauthn_rp_id": "-x"}):
        with pytest.raises(ConfigError):
            Settings(**wrong)
