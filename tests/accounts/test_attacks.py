"""What attackers try: each test is one attack, and what it does not lead to."""

from __future__ import annotations

import asyncio
import json
import unicodedata
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest

from backstay.auth.refusal import AuthError
from backstay.auth.session import Device, end_all, rotate, sessions_of, start_session
from backstay.auth.trust import Trust
from backstay.errors import DatabaseError, TokenError
from backstay.http.auth import auth_problem
from tests.accounts.house import KEYRING, PASSWORD, House
from tests.accounts.staff import service
from tests.accounts.test_mails import CHALLENGE, CONFIRMED, VERIFIER, claims, follow, query_of

THEIRS = "the password of an attacker"


def password_works(house: House, password: str, email: str = "ann@example.org") -> bool:
    reply = house.post("token?grant_type=password", {"email": email, "password": password})
    return bool(200 == reply.status)


@CONFIRMED
def test_a_link_to_sign_in_confirms_no_password_of_a_stranger(house: House) -> None:
    """Pre-hijacking: an attacker signs up with the address, its owner asks for a link to sign in with (OA7)."""
    house.post("signup", {"email": "ann@example.org", "password": THEIRS})
    house.letters()
    house.clock.turn(minutes=2)
    house.post("otp", {"email": "ann@example.org"})
    code = house.letter("magic_link").data["code"]
    session = house.post("verify", {"type": "email", "email": "ann@example.org", "token": code})
    assert 200 == session.status
    assert not password_works(house, THEIRS)


@CONFIRMED
def test_whoever_signs_up_again_does_not_choose_the_password(house: House) -> None:
    """An attacker signs up between the owner's sign-up and the owner's click: no password is good after it (OA7)."""
    for password in (PASSWORD, THEIRS, THEIRS):
        house.post("signup", {"email": "ann@example.org", "password": password})
        house.clock.turn(minutes=2)
    session = follow(house, house.letters("confirmation")[-1].data["link"])
    assert (False, False) == (password_works(house, THEIRS), password_works(house, PASSWORD))
    # The owner has just signed in with the link, so a password may be chosen.
    assert 200 == house.put("user", {"password": PASSWORD}, as_=session).status
    assert password_works(house, PASSWORD)


@CONFIRMED
def test_a_sign_up_does_not_give_an_account_without_password_one(house: House) -> None:
    """The owner asked for a link, which made the account; an attacker's sign-up adds nothing to it (OA7)."""
    house.post("otp", {"email": "ann@example.org"})
    house.clock.turn(minutes=2)
    house.post("signup", {"email": "ann@example.org", "password": THEIRS})
    follow(house, house.letters("confirmation")[-1].data["link"])
    assert not password_works(house, THEIRS)


def test_no_session_comes_after_the_end_of_all(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The password is changed while a sign-in with the old one is being hashed (PW8, T-RACE)."""
    here = house.sign_up()
    pool = house.office.accounts.passwords
    verify, calls = pool.verify, []

    async def slow(encoded: str | None, password: str) -> Any:
        found = await verify(encoded, password)
        calls.append(password)
        if len(calls) == 1:
            body = {"password": "another long passphrase"}
            assert 200 == (await house.sending("PUT", "user", body, as_=here)).status
        return found

    monkeypatch.setattr(pool, "verify", slow)
    late = house.post("token?grant_type=password", {"email": "ann@example.org", "password": PASSWORD})
    assert (400, "invalid_credentials") == (late.status, late.json["code"])
    assert password_works(house, "another long passphrase")


def test_codes_cannot_be_guessed_over_many_mails(house: House) -> None:
    """Five tries for each of ten mails an hour would be a code in a few months; links go on working (TH2, TH6)."""
    house.sign_up()
    statuses = []
    for _ in range(3):
        house.post("otp", {"email": "ann@example.org"})
        for guess in range(4):
            body = {"type": "email", "email": "ann@example.org", "token": f"x{guess}"}
            statuses.append(house.post("verify", body, client=("198.51.100.9", 4711)).status)
        house.clock.turn(seconds=61)
    assert [403] * 5 + [429] * 7 == statuses
    link = house.letters("magic_link")[-1].data["link"]
    assert "access_token" in follow(house, link)
    house.post("otp", {"email": "ann@example.org"})
    body = {"type": "email", "email": "ann@example.org", "token": house.letter("magic_link").data["code"]}
    assert 200 == house.post("verify", body).status


def test_the_password_cannot_be_guessed_with_a_session(house: House) -> None:
    """A stolen device has a session: neither ``current_password`` nor the sameness of passwords is an oracle (TH1)."""
    session = house.sign_up()
    house.clock.turn(minutes=10)
    codes = []
    for guess in range(6):
        body = {"password": "another long passphrase", "current_password": f"guess {guess}"}
        codes.append(house.put("user", body, as_=session).json["code"])
    assert ["current_password_mismatch"] * 5 + ["over_request_rate_limit"] == codes
    house.clock.turn(minutes=61)
    fresh = house.sign_in()
    same = [house.put("user", {"password": PASSWORD}, as_=fresh).json["code"] for _ in range(6)]
    assert ["same_password"] * 5 + ["over_request_rate_limit"] == same


def test_a_nonce_cannot_be_guessed_with_a_session(house: House) -> None:
    """Five wrong ones over all mails, then the account's codes wait (TH2, PW8)."""
    session = house.sign_up()
    house.clock.turn(minutes=10)
    codes = []
    for guess in range(6):
        house.get("reauthenticate", as_=session)
        house.clock.turn(seconds=61)
        body = {"password": "another long passphrase", "nonce": f"x{guess}"}
        codes.append(house.put("user", body, as_=session).json["code"])
    assert ["reauthentication_not_valid"] * 5 + ["over_request_rate_limit"] == codes


def test_an_account_that_looks_alike_ends_no_lock(house: House) -> None:
    """An attacker's own account, whose name folds to the victim's, signs in between guesses (TH2, TH3)."""
    house.sign_up("strasse@example.org")
    house.sign_up("straße@example.org", THEIRS)
    elsewhere = ("198.51.100.9", 4711)
    statuses = []
    for _ in range(3):
        for email, password in [("strasse@example.org", "a guess")] * 2 + [("straße@example.org", THEIRS)]:
            body = {"email": email, "password": password}
            statuses.append(house.post("token?grant_type=password", body, client=elsewhere).status)
    assert [400, 400, 200, 400, 400, 200, 400, 429, 200] == statuses


def test_one_mailbox_is_one_account(house: House) -> None:
    """However its domain is written: an IDN has as many spellings as Unicode has letters that look alike."""
    house.sign_up("ann@bücher.example")
    for email in ("ann@xn--bcher-kva.example", "ann@BÜCHER.example", "Ann@ｂücher.example"):
        taken = house.post("signup", {"email": email, "password": PASSWORD})
        assert (422, "user_already_exists") == (taken.status, taken.json["code"])
        assert password_works(house, PASSWORD, email)


def test_metadata_does_not_lock_an_account_out(house: House) -> None:
    """What an account says of itself is in its token, which must stay one that is read: or whoever signs up first with
    an address ruins it for its owner."""
    deep = b'{"x": %b"deep"%b}' % (b"[" * 30, b"]" * 30)
    large = json.dumps({"x": "\N{PILE OF POO}" * 500}).encode()
    statuses = []
    for number, data in enumerate((deep, large, b'{"x": -1e-400}', b'{"x": 1e400}')):
        body = b'{"email": "a%d@example.org", "password": "%b", "data": %b}' % (number, PASSWORD.encode(), data)
        reply = house.post("signup", body)
        statuses.append(reply.status)
        if reply.status == 200:
            assert (200, 200) == (
                house.get("user", as_=reply.json).status,
                house.rest("GET", "secrets", as_=reply.json).status,
            )
    assert [200, 200, 200, 400] == statuses


def test_a_code_on_its_way_ends_with_the_password(house: House) -> None:
    """Whoever read the mailbox for a moment keeps no code back until the owner has changed the password (PW8)."""
    here = house.sign_up()
    house.prove()
    body = {"email": "ann@example.org", "code_challenge": CHALLENGE, "code_challenge_method": "s256"}
    house.post("otp", body)
    code = follow(house, house.letter("magic_link").data["link"])["code"]
    assert 200 == house.put("user", {"password": "another long passphrase"}, as_=here).status
    late = house.post("token?grant_type=pkce", {"auth_code": code, "code_verifier": VERIFIER})
    assert (404, "flow_state_not_found") == (late.status, late.json["code"])


@CONFIRMED
def test_who_agrees_to_one_address_agrees_to_no_other(house: House) -> None:
    """The wish changes between the mail and the click: to an address of the attacker, with an account that gives it
    up later."""
    house.post("signup", {"email": "eve@example.org", "password": THEIRS})
    follow(house, house.letter("confirmation").data["link"])
    house.post("signup", {"email": "ann@example.org", "password": PASSWORD})
    session = follow(house, house.letter("confirmation").data["link"])
    house.put("user", {"email": "new@example.org"}, as_=session)
    agreed, _ = house.letters("email_change")
    house.clock.turn(minutes=2)
    house.put("user", {"email": "eve@example.org"}, as_=session)
    assert "otp_expired" == follow(house, agreed.data["link"])["error_code"]
    house.put("user", {"email": "new@example.org"}, as_=session)
    assert {"ann@example.org", "new@example.org"} >= {letter.to for letter in house.letters("email_change")}


@CONFIRMED
def test_a_wish_sends_no_flood_to_a_stranger(house: House) -> None:
    """``resend`` names the attacker's own address and writes to another one, whose limits count (TH1)."""
    house.post("signup", {"email": "eve@example.org", "password": THEIRS})
    session = follow(house, house.letter("confirmation").data["link"])
    house.put("user", {"email": "ann@example.org"}, as_=session)
    house.letters()
    sent = 0
    for _ in range(3):
        house.clock.turn(seconds=61)
        assert 200 == house.post("resend", {"type": "email_change", "email": "eve@example.org"}).status
        sent += [letter.to for letter in house.letters()].count("ann@example.org")
        # What reaches a mailbox is counted for it, whoever had it sent.
        assert 429 == house.post("otp", {"email": "ann@example.org", "create_user": False}).status
    assert 3 == sent
    house.clock.turn(seconds=61)
    house.post("signup", {"email": "ann@example.org", "password": PASSWORD})
    follow(house, house.letter("confirmation").data["link"])
    house.clock.turn(seconds=61)
    assert 200 == house.post("resend", {"type": "email_change", "email": "eve@example.org"}).status
    assert [] == house.letters()


@pytest.mark.settings(email_confirmation=True, rate_limits="off")
def test_requests_that_meet_tell_nothing(house: House) -> None:
    """Ten requests for one new address, and two changes to one address, at the same moment (TH5, ER2, T-RACE)."""

    async def at_once(*asked: tuple[str, Any]) -> list[Any]:
        return await asyncio.gather(*(house.sending("POST", path, body) for path, body in asked))

    answers = house.run(at_once(*[("otp", {"email": "ann@example.org"})] * 10))
    assert {(200, b"{}")} == {(reply.status, reply.body) for reply in answers}
    house.letters()
    tokens = []
    for email in ("eve@example.org", "bob@example.org"):
        house.post("signup", {"email": email, "password": PASSWORD})
        session = follow(house, house.letter("confirmation").data["link"])
        house.put("user", {"email": "new@example.org"}, as_=session)
        old, new = (query_of(letter.data["link"])["token"] for letter in house.letters("email_change"))
        house.post("verify", {"type": "email_change", "token_hash": old})
        tokens.append(new)
    changes = house.run(at_once(*(("verify", {"type": "email_change", "token_hash": token}) for token in tokens)))
    assert [200, 422] == sorted(reply.status for reply in changes)
    assert {None, "email_exists"} == {reply.json.get("code") for reply in changes}


def test_nobody_verifies_an_address_by_saying_so(house: House) -> None:
    """What the server says beside an account's own metadata stays the server's, and so does all of ``app_metadata``."""
    session = house.sign_up(
        data={"email_verified": False, "sub": "x"}, role="service_role", aud="x", app_metadata={"roles": ["editor"]}
    )
    forged = {"email": "bob@example.org", "email_verified": None, "sub": None, "name": "Ann"}
    body = {"data": forged, "role": "service_role", "app_metadata": {"roles": ["editor"]}, "is_anonymous": True}
    user = house.put("user", body, as_=session).json
    assert {"email": "ann@example.org", "email_verified": True, "sub": user["id"], "name": "Ann"} == {
        key: user["user_metadata"][key] for key in forged
    }
    assert {"provider": "email", "providers": ["email"]} == user["app_metadata"]
    token = claims(house.refresh(session["refresh_token"]).json)
    assert ("authenticated", "authenticated", []) == (token["role"], token["aud"], token["app_metadata"]["roles"])


def test_a_code_typed_into_the_app_needs_no_verifier(house: House) -> None:
    """PKCE guards what comes back through the browser; a mail's code that is typed gives a session, once."""
    house.sign_up()
    house.post("otp", {"email": "ann@example.org", "code_challenge": CHALLENGE, "code_challenge_method": "s256"})
    letter = house.letter("magic_link")
    body = {"type": "email", "email": "ann@example.org", "token": letter.data["code"]}
    assert "ann@example.org" == house.post("verify", body).json["user"]["email"]
    assert "otp_expired" == follow(house, letter.data["link"])["error_code"]


def test_a_look_that_began_before_a_revocation_is_not_enough(house: House) -> None:
    """The session ends while another request looks at the epoch: the next request looks again (TK5, T-RACE)."""
    session = house.sign_up()
    trust = Trust(house.store, KEYRING, lambda jwks: None, timer=lambda: 0.0, now=house.clock)
    principal = house.app._kernel._authenticate({b"authorization": b"Bearer " + session["access_token"].encode()})
    read = house.store.one

    async def overtaken(asked: Any) -> Any:
        row = await read(asked)
        assert 204 == (await house.sending("POST", "logout", as_=session)).status
        trust.expire()
        return row

    trust._store = SimpleNamespace(one=overtaken, all=house.store.all)
    house.run(trust.refresh())
    assert trust.is_stale
    trust._store = house.store
    house.run(trust.refresh())
    with pytest.raises(TokenError):
        trust.admit(principal)


def test_a_step_up_does_not_outlive_the_end_of_all(house: House) -> None:
    """A second factor is proved while the owner signs out everywhere: whichever comes first, no session is left
    (TK4, TK11, T-RACE)."""
    session = house.sign_up()
    user_id, now = UUID(session["user"]["id"]), house.clock()
    (row,) = house.run(house.store.all(sessions_of(user_id)))
    options, device = house.office.accounts.options, Device("192.0.2.7", "")

    def lift(tx: Any, step_up: Any) -> Any:
        named = {"user_id": user_id, "method": "totp", "device": device, "now": now, "factor_id": uuid4()}
        return start_session(tx, options, step_up=step_up, **named)

    async def overtaken(tx: Any) -> Any:
        # The first look sees the session as it was before the step up, which has been committed by the next.
        looks = [[row]]

        async def all_(asked: Any) -> Any:
            return looks.pop() if looks else await tx.all(asked)

        return await end_all(SimpleNamespace(all=all_, one=tx.one, run=tx.run), user_id, now)

    lifted = house.run(house.store.transact(lambda tx: lift(tx, row)))
    assert {row.id, lifted.id} == set(house.run(house.store.transact(overtaken)))
    assert [] == house.run(house.store.all(sessions_of(user_id)))
    with pytest.raises(AuthError, match="does not exist"):
        house.run(house.store.transact(lambda tx: lift(tx, row)))
    assert [] == house.run(house.store.all(sessions_of(user_id)))


def test_what_the_database_says_is_told_to_nobody() -> None:
    """Two requests that met in a way that no flow knows: without names of columns, and without values (ER2)."""
    error = DatabaseError("23505", 'duplicate key "backstay_users_email_key"', details="Key (email)=(ann@example.org)")
    reply = auth_problem(error, {})
    assert (409, "conflict", b"key" in reply.body) == (reply.status, json.loads(reply.body)["error_code"], False)


def test_a_session_that_ends_under_a_superseded_token(house: House) -> None:
    """The token is read, then its session ends, then that is read: refused, and no 500 (ER2, T-RACE)."""
    first = house.sign_up()
    house.refresh(first["refresh_token"])
    accounts = house.office.accounts
    device, now, token = Device("192.0.2.7", ""), house.clock(), first["refresh_token"]

    async def overtaken(tx: Any) -> Any:
        reads = []

        async def one(asked: Any) -> Any:
            reads.append(asked)
            return None if len(reads) == 3 else await tx.one(asked)

        beside = SimpleNamespace(one=one, all=tx.all, run=tx.run)
        return await rotate(beside, accounts.options, token, accounts.refresh_keys(), device, now)

    assert "unknown" == house.run(house.store.transact(overtaken)).outcome


#: Marks that a normalisation sorts one by one: the square of their number.
MARKS = "a" + "\u0315\u0300" * 14_000


def test_no_text_is_normalised_that_is_no_address_or_password(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A2: 56 kB of marks in an address or a password cost nothing: they are too long before anything is sorted."""
    longest = 0
    real = unicodedata.normalize

    def normalize(form: Any, text: str) -> str:
        nonlocal longest
        longest = max(longest, len(text))
        return real(form, text)

    monkeypatch.setattr(unicodedata, "normalize", normalize)
    session = house.sign_up()
    address = f"{MARKS}@example.org"
    for path, body, as_ in (
        ("signup", {"email": address, "password": PASSWORD}, None),
        ("signup", {"email": "bob@example.org", "password": MARKS}, None),
        ("token?grant_type=password", {"email": address, "password": PASSWORD}, None),
        ("token?grant_type=password", {"email": "ann@example.org", "password": MARKS}, None),
        ("recover", {"email": address}, None),
        ("otp", {"email": address}, None),
        ("magiclink", {"email": address}, None),
        ("resend", {"type": "signup", "email": address}, None),
        ("verify", {"type": "email", "email": address, "token": "123456"}, None),
        ("verify", {"type": "email", "email": "ann@example.org", "token": MARKS}, None),
        ("invite", {"email": address}, service(house)),
        ("admin/users", {"email": address}, service(house)),
        ("admin/users", {"email": "cid@example.org", "password": MARKS}, service(house)),
        ("admin/generate_link", {"type": "magiclink", "email": address}, service(house)),
    ):
        reply = house.post(path, body, as_=as_)
        assert 400 <= reply.status < 500, (path, reply.status)
    for body in ({"email": address}, {"password": MARKS}):
        assert 400 <= house.put("user", body, as_=session).status < 500
    assert longest <= 1024
