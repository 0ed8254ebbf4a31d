"""Second factors by authenticator app: enrolment, codes, and what they lift."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID
from xml.etree import ElementTree

import jwt
import pyotp
import pytest
import sqlalchemy as sa

from backstay.audit import Actor
from backstay.audit.tables import Entry
from backstay.auth.assurance import remove_factor
from backstay.auth.factor import Factor
from backstay.auth.user import user_by_id
from backstay.sql.query import query
from tests.accounts.house import PASSWORD, House


@query
def _all_factors() -> Any:
    return sa.select(Factor)


@query
def _events() -> Any:
    return sa.select(Entry.event)


def claims(session: dict[str, Any]) -> dict[str, Any]:
    """What the access token says."""
    return dict(jwt.decode(session["access_token"], options={"verify_signature": False}))


def refusal(reply: Any) -> tuple[int, str]:
    return reply.status, reply.json["code"]


def enrol(house: House, session: Any, name: str | None = None, **more: Any) -> dict[str, Any]:
    reply = house.post("factors", {"factor_type": "totp", "friendly_name": name, **more}, as_=session)
    assert 200 == reply.status, reply.body
    return dict(reply.json)


def challenge(house: House, session: Any, id: str) -> str:
    reply = house.post(f"factors/{id}/challenge", {"factorId": id}, as_=session)
    assert 200 == reply.status, reply.body
    return str(reply.json["id"])


def code(house: House, secret: str, steps: int = 0) -> str:
    return pyotp.TOTP(secret).at(int(house.clock.at.timestamp()) + 30 * steps)


def verify(house: House, session: Any, factor: dict[str, Any], steps: int = 0, **more: Any) -> Any:
    """Prove *factor* with the code of the present."""
    body = {
        "challenge_id": challenge(house, session, factor["id"]),
        "code": code(house, factor["totp"]["secret"], steps),
    }
    return house.post(f"factors/{factor['id']}/verify", body | more, as_=session)


def lifted(house: House, session: Any, name: str | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
    """A new factor, and the aal2 session that its first code has opened."""
    factor = enrol(house, session, name)
    reply = verify(house, session, factor)
    assert 200 == reply.status, reply.body
    house.clock.turn(seconds=30)
    return factor, dict(reply.json)


def test_an_authenticator_app_lifts_the_session(house: House) -> None:
    """From the QR code to a row that takes aal2 (MF1, MF4, TK11); the secret is shown once and kept sealed."""
    first, other = house.sign_up(), house.sign_in()
    own = {"owner_id": first["user"]["id"]}
    assert 403 == house.rest("POST", "vaults", own, as_=first).status
    factor = enrol(house, first, "Phone", issuer="House & Home")
    assert ("totp", "Phone") == (factor["type"], factor["friendly_name"])
    uri, secret = urlsplit(factor["totp"]["uri"]), factor["totp"]["secret"]
    assert ({"secret": [secret], "issuer": ["House & Home"]}, 32) == (parse_qs(uri.query), len(secret))
    assert "#" not in factor["totp"]["qr_code"]
    assert "{http://www.w3.org/2000/svg}svg" == ElementTree.fromstring(factor["totp"]["qr_code"]).tag
    (row,) = house.run(house.store.all(_all_factors()))
    assert secret.encode() not in row.secret
    assert ["unverified"] == [known["status"] for known in house.get("factors", as_=first).json]

    reply = verify(house, first, factor)
    second = reply.json
    assert (200, "aal2") == (reply.status, claims(second)["aal"])
    assert ["totp", "password"] == [proof["method"] for proof in claims(second)["amr"]]
    assert claims(first)["session_id"] != claims(second)["session_id"]
    assert [("totp", "verified", "Phone")] == [
        (known["factor_type"], known["status"], known["friendly_name"]) for known in second["user"]["factors"]
    ]
    assert secret not in house.get("factors", as_=second).body.decode()
    assert 201 == house.rest("POST", "vaults", own, as_=second).status
    assert 1 == len(house.rest("GET", "vaults", as_=second).json)
    # Both sessions of before are over: the lifted one, and the one on another device.
    assert [(403, "session_not_found")] * 2 == [refusal(house.get("user", as_=old)) for old in (first, other)]
    assert 401 == house.rest("GET", "vaults", as_=first).status
    letter = house.letter("factor_enrolled")
    assert ("ann@example.org", "Phone") == (letter.to, letter.data["factor"])
    # A refresh keeps the level, a new sign-in begins below it.
    assert "aal2" == claims(house.refresh(second["refresh_token"]).json)["aal"]
    third = house.sign_in()
    assert ("aal1", []) == (claims(third)["aal"], house.rest("GET", "vaults", as_=third).json)


def test_a_code_is_good_once(house: House) -> None:
    """Within the window of one step to each side, and never a second time, nor an older one after it (MF1)."""
    session = house.sign_up()
    factor = enrol(house, session)
    assert (422, "mfa_verification_failed") == refusal(verify(house, session, factor, steps=-2))
    assert (422, "mfa_verification_failed") == refusal(verify(house, session, factor, steps=2))
    reply = verify(house, session, factor, steps=0)
    assert 200 == reply.status, reply.body
    session = reply.json
    for steps in (0, -1):
        assert (422, "mfa_verification_failed") == refusal(verify(house, session, factor, steps=steps))
    reply = verify(house, session, factor, steps=1)
    assert 200 == reply.status, reply.body
    assert "factor_failed" in [row.event for row in house.run(house.store.all(_events()))]


@pytest.mark.settings(rate_limits="off")
def test_of_twenty_uses_of_a_code_one_succeeds(house: House) -> None:
    """At the same moment, each with a challenge of its own, and again all with one challenge (MF1, T-RACE, ID4)."""
    session = house.sign_up()
    factor, _ = lifted(house, session)
    session = house.sign_in()
    challenges = [challenge(house, session, factor["id"]) for _ in range(10)]
    present = code(house, factor["totp"]["secret"])

    async def all_at_once() -> list[Any]:
        path = f"factors/{factor['id']}/verify"
        bodies = [{"challenge_id": id, "code": present} for id in challenges * 2]
        return await asyncio.gather(*(house.sending("POST", path, body, as_=session) for body in bodies))

    replies = house.run(all_at_once())
    good = [reply for reply in replies if reply.status == 200]
    assert 1 == len(good)
    assert {"mfa_verification_failed", "mfa_challenge_expired", "session_not_found"} >= {
        reply.json["code"] for reply in replies if reply.status != 200
    }
    assert 200 == house.get("user", as_=good[0].json).status


def test_challenges_are_bound(house: House) -> None:
    """To their factor and session, for five minutes, and answered once (MF3)."""
    session = house.sign_up()
    factor, session = lifted(house, session, "one")
    second = enrol(house, session, "two")
    path, secret = f"factors/{factor['id']}/verify", factor["totp"]["secret"]
    id = challenge(house, session, second["id"])
    wrong = house.post(path, {"challenge_id": id, "code": code(house, secret)}, as_=session)
    assert (422, "mfa_challenge_expired") == refusal(wrong)
    stranger = house.sign_in()
    id = challenge(house, stranger, factor["id"])
    wrong = house.post(path, {"challenge_id": id, "code": code(house, secret)}, as_=session)
    assert (422, "mfa_challenge_expired") == refusal(wrong)
    # A wrong code leaves the challenge, a right one takes it.
    wrong = house.post(path, {"challenge_id": id, "code": "000000"}, as_=stranger)
    assert (422, "mfa_verification_failed") == refusal(wrong)
    reply = house.post(path, {"challenge_id": id, "code": code(house, secret)}, as_=stranger)
    assert 200 == reply.status, reply.body
    house.clock.turn(seconds=60)
    again = house.post(path, {"challenge_id": id, "code": code(house, secret)}, as_=reply.json)
    assert (422, "mfa_challenge_expired") == refusal(again)
    id = challenge(house, session, factor["id"])
    house.clock.turn(minutes=5)
    late = house.post(path, {"challenge_id": id, "code": code(house, secret)}, as_=session)
    assert (422, "mfa_challenge_expired") == refusal(late)
    for body in ({}, {"challenge_id": "x"}, {"challenge_id": id}, {"challenge_id": id, "webauthn": {"type": "create"}}):
        assert (400, "validation_failed") == refusal(house.post(path, body, as_=session))


def test_wrong_codes_lock_the_account_s_factors(house: House) -> None:
    """Five in a row are free, whichever factor they are tried with (TH2)."""
    session = house.sign_up()
    one, session = lifted(house, session, "one")
    two = enrol(house, session, "two")
    for factor in (one, two, one, two, one):
        assert (422, "mfa_verification_failed") == refusal(verify(house, session, factor, code="000000"))
    assert (429, "over_request_rate_limit") == refusal(verify(house, session, two))
    assert (429, "over_request_rate_limit") == refusal(
        house.post("factors/recovery-codes/verify", {"code": "0000-0000-0000"}, as_=session)
    )
    house.clock.turn(minutes=5)
    assert 200 == verify(house, session, one).status


def test_a_factor_that_goes_takes_its_level_with_it(house: House) -> None:
    """The live access token is aal1 at once, and so are those after it (MF4); another factor's session stays."""
    session = house.sign_up()
    one, session = lifted(house, session, "one")
    two = enrol(house, session, "two")
    reply = verify(house, session, two)
    assert 200 == reply.status, reply.body
    by_two = reply.json
    house.clock.turn(seconds=30)
    by_one = verify(house, house.sign_in(), one).json
    house.rest("POST", "vaults", {"owner_id": session["user"]["id"]}, as_=by_two)
    house.letters()
    house.clock.turn(seconds=30)
    refused = house.delete(f"factors/{one['id']}", as_=house.sign_in())
    assert (403, "insufficient_aal") == refusal(refused)
    removed = house.delete(f"factors/{one['id']}", as_=by_two)
    assert (200, {"id": one["id"]}) == (removed.status, removed.json)
    assert [1, 0] == [len(house.rest("GET", "vaults", as_=who).json) for who in (by_two, by_one)]
    refreshed = house.refresh(by_one["refresh_token"]).json
    assert ("aal1", []) == (claims(refreshed)["aal"], house.rest("GET", "vaults", as_=refreshed).json)
    assert "one" == house.letter("factor_removed").data["factor"]
    # An admin's hand does the same.  With the last factor the demands go too: a recent sign-in is enough again.
    accounts, admin = house.office.accounts, Actor("admin")
    user = house.run(house.store.one(user_by_id(UUID(session["user"]["id"]))))
    remove = partial(remove_factor, accounts=accounts, actor=admin, user=user, now=house.clock())
    assert house.run(house.store.transact(lambda tx: remove(tx, factor_id=UUID(two["id"]))))
    accounts.trust.expire()
    assert [] == house.rest("GET", "vaults", as_=by_two).json
    assert "aal1" == claims(house.refresh(by_two["refresh_token"]).json)["aal"]
    assert 404 == house.delete(f"factors/{two['id']}", as_=by_two).status
    assert "factors" not in house.get("user", as_=by_two).json
    enrol(house, house.sign_in(), "three")
    names = [row.event for row in house.run(house.store.all(_events()))]
    assert 2 == names.count("factor_deleted")


def test_what_adds_a_factor(house: House) -> None:
    """A recent sign-in, or aal2 where there is a factor, also to finish what was begun before it (MF7)."""
    session = house.sign_up()
    house.clock.turn(minutes=6)
    late = house.post("factors", {"factor_type": "totp"}, as_=session)
    assert (400, "reauthentication_needed") == refusal(late)
    thief, owner = house.sign_in(), house.sign_in()
    begun = enrol(house, thief, "thief's")
    id = challenge(house, thief, begun["id"])
    _, owner = lifted(house, owner, "owner's")
    thief = house.sign_in()
    assert (403, "insufficient_aal") == refusal(house.post("factors", {"factor_type": "totp"}, as_=thief))
    assert (403, "insufficient_aal") == refusal(verify(house, thief, begun))
    assert (403, "insufficient_aal") == refusal(house.post("passkeys/registration/options", {}, as_=thief))
    assert {"unverified", "verified"} == {known["status"] for known in house.get("factors", as_=owner).json}
    # The challenge went with the session that had asked.
    body = {"challenge_id": id, "code": code(house, begun["totp"]["secret"])}
    assert (422, "mfa_challenge_expired") == refusal(house.post(f"factors/{begun['id']}/verify", body, as_=thief))
    # What is unfinished lifts nobody, but may be what the owner is just adding.
    assert (403, "insufficient_aal") == refusal(house.delete(f"factors/{begun['id']}", as_=thief))
    assert 200 == house.delete(f"factors/{begun['id']}", as_=owner).status


def test_what_is_unfinished_goes_where_nothing_is_finished(house: House) -> None:
    """MF7: it is no way in yet, and keeps nobody from beginning again, however old the sign-in is."""
    session = house.sign_up()
    begun = enrol(house, session)
    house.clock.turn(minutes=30)
    assert 200 == house.delete(f"factors/{begun['id']}", as_=session).status
    assert [] == house.get("factors", as_=session).json


def test_names_and_numbers_of_factors(house: House) -> None:
    """Names are unique for an account, ten factors are enough, and what is not finished in an hour is none."""
    session = house.sign_up()
    refused = {
        "phone": (422, "mfa_phone_enroll_not_enabled"),
        "sms": (400, "validation_failed"),
        "": (400, "validation_failed"),
    }
    for kind, expected in refused.items():
        assert expected == refusal(house.post("factors", {"factor_type": kind, "phone": "+491234"}, as_=session))
    for name in ("x" * 121, "a\nb"):
        assert 400 == house.post("factors", {"factor_type": "totp", "friendly_name": name}, as_=session).status
    first = enrol(house, session, "same")
    same = house.post("factors", {"factor_type": "webauthn", "friendly_name": " same "}, as_=session)
    assert (422, "mfa_factor_name_conflict") == refusal(same)
    for _ in range(9):
        enrol(house, session)
    full = house.post("factors", {"factor_type": "totp"}, as_=session)
    assert (422, "too_many_enrolled_mfa_factors") == refusal(full)
    house.clock.turn(hours=1)
    session = house.sign_in()
    late = house.post(f"factors/{first['id']}/challenge", {}, as_=session)
    assert (404, "mfa_factor_not_found") == refusal(late)
    enrol(house, session, "same")
    assert 1 == len(house.get("factors", as_=session).json)
    other = house.sign_up("bob@example.org")
    for id in (house.get("factors", as_=session).json[0]["id"], "x"):
        assert (404, "mfa_factor_not_found") == refusal(house.post(f"factors/{id}/challenge", {}, as_=other))
        assert (404, "mfa_factor_not_found") == refusal(house.delete(f"factors/{id}", as_=other))


def test_a_mailbox_is_no_second_factor(house: House) -> None:
    """Recovery gives aal1, and the factor guards password and address (MF5)."""
    session = house.sign_up()
    house.prove()
    factor, session = lifted(house, session)
    house.post("recover", {"email": "ann@example.org"})
    mailed = house.letter("recovery").data["code"]
    recovered = house.post("verify", {"type": "recovery", "email": "ann@example.org", "token": mailed}).json
    assert "aal1" == claims(recovered)["aal"]
    for change in ({"password": "another long passphrase"}, {"email": "new@example.org"}):
        assert (403, "insufficient_aal") == refusal(house.put("user", change, as_=recovered))
    assert 200 == house.put("user", {"data": {"town": "Ulm"}}, as_=recovered).status
    recovered = verify(house, recovered, factor).json
    assert 200 == house.put("user", {"password": "another long passphrase"}, as_=recovered).status
    assert PASSWORD != "another long passphrase"


def test_recovery_codes_stand_in_once(house: House) -> None:
    """Ten, kept hashed, each good once; a use is mailed, a new set kills the old, and all go with the factor (MF2)."""
    session = house.sign_up()
    assert (403, "insufficient_aal") == refusal(house.post("factors/recovery-codes", as_=session))
    factor, session = lifted(house, session)
    assert (404, "mfa_factor_not_found") == refusal(house.get("factors/recovery-codes", as_=session))
    assert (404, "mfa_factor_not_found") == refusal(house.post("factors/recovery-codes/regenerate", as_=session))
    assert (404, "mfa_factor_not_found") == refusal(house.delete("factors/recovery-codes", as_=session))
    made = house.post("factors/recovery-codes", as_=session).json
    codes = made.pop("codes")
    assert {"id", "type", "total"} == set(made)
    assert (422, "mfa_verified_factor_exists") == refusal(house.post("factors/recovery-codes", as_=session))
    assert (10, {14}) == (len(set(codes)), {len(text) for text in codes})
    house.letters()
    lost = house.sign_in()
    reply = house.post("factors/recovery-codes/verify", {"code": codes[0].upper().replace("-", " ")}, as_=lost)
    back = reply.json
    assert (200, "aal2", "mfa/recovery_code") == (reply.status, claims(back)["aal"], claims(back)["amr"][0]["method"])
    assert claims(lost)["session_id"] != claims(back)["session_id"]
    assert "ann@example.org" == house.letter("recovery_code_used").to
    assert made | {"remaining": 9} == house.get("factors/recovery-codes", as_=back).json
    for wrong in (codes[0], "", "0000-0000-0000"):
        again = house.post("factors/recovery-codes/verify", {"code": wrong}, as_=house.sign_in())
        assert ((400, "validation_failed") if not wrong else (422, "mfa_verification_failed")) == refusal(again)
    thief = house.post("factors/recovery-codes/verify", {"code": codes[2]}, as_=house.sign_in()).json
    house.letters()
    fresh = house.post("factors/recovery-codes/regenerate", as_=back).json["codes"]
    # What a code of the old set had lifted is aal1 again, but for the session that asked for the new one.
    assert (403, "insufficient_aal") == refusal(house.post("factors/recovery-codes/regenerate", as_=thief))
    assert (403, "insufficient_aal") == refusal(house.delete("factors/recovery-codes", as_=thief))
    assert "aal2" == claims(house.refresh(back["refresh_token"]).json)["aal"]
    old = house.post("factors/recovery-codes/verify", {"code": codes[1]}, as_=back)
    assert (422, "mfa_verification_failed") == refusal(old)
    back = house.post("factors/recovery-codes/verify", {"code": fresh[0]}, as_=back).json
    assert 200 == house.delete(f"factors/{factor['id']}", as_=back).status
    assert 404 == house.get("factors/recovery-codes", as_=back).status
    assert "aal1" == claims(house.refresh(back["refresh_token"]).json)["aal"]
    assert (422, "mfa_verification_failed") == refusal(
        house.post("factors/recovery-codes/verify", {"code": fresh[1]}, as_=back)
    )
    names = [row.event for row in house.run(house.store.all(_events()))]
    assert (2, 3) == (names.count("recovery_codes_generated"), names.count("recovery_codes_used"))
    factor, session = lifted(house, house.sign_in())
    codes = house.post("factors/recovery-codes", as_=session).json["codes"]
    back = house.post("factors/recovery-codes/verify", {"code": codes[0]}, as_=house.sign_in()).json
    assert 200 == house.delete("factors/recovery-codes", as_=session).status
    assert ["aal1", "aal2"] == [claims(house.refresh(who["refresh_token"]).json)["aal"] for who in (back, session)]


@pytest.mark.settings(rate_limits="off")
def test_of_twenty_uses_of_a_recovery_code_one_succeeds(house: House) -> None:
    """At the same moment (MF2, T-RACE, ID4)."""
    _, session = lifted(house, house.sign_up())
    codes = house.post("factors/recovery-codes", as_=session).json["codes"]
    sessions = [house.sign_in() for _ in range(20)]

    async def all_at_once() -> list[Any]:
        path, body = "factors/recovery-codes/verify", {"code": codes[0]}
        return await asyncio.gather(*(house.sending("POST", path, body, as_=session) for session in sessions))

    statuses = [reply.status for reply in house.run(all_at_once())]
    assert (1, 19) == (statuses.count(200), statuses.count(422))


def test_the_python_client_reads_the_answers(house: House) -> None:
    """Its own models take what is answered, and what a user's factors are."""
    types = pytest.importorskip("supabase_auth.types")
    session = house.sign_up()
    # Names that are not given are sent as null, and bodies have more than is asked for.
    body = {"factor_type": "totp", "friendly_name": None, "issuer": None}
    enrolled = types.AuthMFAEnrollResponse.model_validate_json(house.post("factors", body, as_=session).body)
    path = f"factors/{enrolled.id}"
    challenged = house.post(f"{path}/challenge", {"channel": None}, as_=session)
    asked = types.AuthMFAChallengeResponse.model_validate_json(challenged.body)
    assert int(house.clock.at.timestamp()) + 300 == asked.expires_at
    proof = {"factor_id": enrolled.id, "challenge_id": asked.id, "code": code(house, enrolled.totp.secret)}
    verified = house.post(f"{path}/verify", proof, as_=session)
    assert "bearer" == types.AuthMFAVerifyResponse.model_validate_json(verified.body).token_type
    (factor,) = types.Session.model_validate_json(verified.body).user.factors
    assert (enrolled.id, "verified", "totp") == (factor.id, factor.status, factor.factor_type)
    removed = house.delete(path, as_=verified.json)
    assert enrolled.id == types.AuthMFAUnenrollResponse.model_validate_json(removed.body).id
