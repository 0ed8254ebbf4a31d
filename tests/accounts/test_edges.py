"""Edges of sessions: the very second in which something begins, ends or changes, and what is told of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.accounts.house import House
from tests.accounts.staff import events, give, lift, service
from tests.accounts.test_factors import challenge, claims, code, enrol, lifted, refusal
from tests.accounts.test_mails import CHALLENGE, VERIFIER, follow
from tests.accounts.test_prehijack import arrive_by_provider
from tests.accounts.test_ways import identity

pytestmark = pytest.mark.settings(rate_limits="off")
SECOND = timedelta(seconds=1)


def renewed(house: House, session: dict[str, Any], days: int) -> dict[str, Any]:
    """*session* refreshed every six days, for so many days."""
    for _ in range(0, days, 6):
        house.clock.turn(days=6)
        reply = house.refresh(session["refresh_token"])
        assert 200 == reply.status, reply.body
        session = reply.json
    return session


def test_a_second_factor_starts_no_new_month(house: House) -> None:
    """TK1: thirty days after the sign-in it is over, however often a factor was proved meanwhile."""
    begun = house.clock.at
    factor, session = lifted(house, house.sign_up())
    session = renewed(house, session, 24)
    body = {"challenge_id": challenge(house, session, factor["id"]), "code": code(house, factor["totp"]["secret"])}
    again = house.post(f"factors/{factor['id']}/verify", body, as_=session)
    assert 200 == again.status
    (shown,) = house.get("sessions", as_=again.json).json["sessions"]
    assert (begun + timedelta(days=30)).strftime("%Y-%m-%dT%H:%M:%SZ") == shown["not_after"]
    house.clock.at = begun + timedelta(days=30) - SECOND
    last = house.refresh(again.json["refresh_token"])
    # Its access token ends with it, not an hour later.
    assert (200, 1) == (last.status, last.json["expires_in"])
    house.clock.at = begun + timedelta(days=30)
    assert (400, "session_expired") == refusal(house.refresh(last.json["refresh_token"]))


def test_idle_for_a_week_to_the_second(house: House) -> None:
    """TK1: seven days after the last refresh it is still good, and a second later it is not."""
    one, two = house.sign_up(), house.sign_in()
    house.clock.turn(days=7)
    assert 200 == house.refresh(one["refresh_token"]).status
    house.clock.turn(seconds=1)
    assert (400, "session_expired") == refusal(house.refresh(two["refresh_token"]))


def test_a_chain_of_successors_within_ten_seconds(house: House) -> None:
    """TK2: whoever comes late by ten seconds gets the newest token, through several successors; later, nobody does."""
    first = house.sign_up()["refresh_token"]
    second = house.refresh(first).json["refresh_token"]
    third = house.refresh(second).json["refresh_token"]
    house.clock.turn(seconds=10)
    assert third == house.refresh(first).json["refresh_token"]
    house.clock.turn(seconds=1)
    # Its successor was used as well, so the minute for a lost answer is not meant for it.
    assert (400, "refresh_token_already_used") == refusal(house.refresh(first))
    assert (400, "refresh_token_not_found") == refusal(house.refresh(third))


def test_a_lost_answer_is_forgiven_for_a_minute(house: House) -> None:
    """TK2: where the successor was not used, to the second."""
    for late, expected in ((60, 200), (61, 400)):
        session = house.sign_up(f"late{late}@example.org")
        successor = house.refresh(session["refresh_token"]).json["refresh_token"]
        house.clock.turn(seconds=late)
        again = house.refresh(session["refresh_token"])
        assert expected == again.status
        assert (expected == 200) == (again.json.get("refresh_token") == successor)


def test_the_second_in_which_roles_change(house: House) -> None:
    """TK8: a token that was issued in it may be from before it, and is refreshed; one of the next second is good."""
    session = house.sign_up()
    give(house, session, "editor")
    assert 200 == house.delete(f"admin/users/{session['user']['id']}/roles/editor", as_=service(house)).status
    assert (401, "PGRST303") == refusal(house.rest("GET", "secrets", as_=session))
    same = house.refresh(session["refresh_token"]).json
    assert (401, "PGRST303") == refusal(house.rest("GET", "secrets", as_=same))
    house.clock.turn(seconds=1)
    later = house.refresh(same["refresh_token"]).json
    assert 200 == house.rest("GET", "secrets", as_=later).status


def test_the_provider_stands_among_the_proofs(house: House) -> None:
    """MF4: a policy can tell by which third party somebody came."""
    told = arrive_by_provider(house)
    at = int(house.clock.at.timestamp())
    assert [{"method": "oauth", "timestamp": at, "provider": "corp"}] == claims(told)["amr"]


def test_what_happens_is_in_the_log(house: House) -> None:
    """AU3: challenges and their proofs, identities that are unlinked, ways in that are asked for."""
    session = house.sign_up()
    factor = enrol(house, session)
    about = {"factor_id": factor["id"], "factor_type": "totp"}
    body = {"challenge_id": challenge(house, session, factor["id"]), "code": code(house, factor["totp"]["secret"])}
    (begun,) = events(house, "challenge_created")
    assert (session["user"]["id"], about) == (begun.subject, begun.details)
    lifted_ = house.post(f"factors/{factor['id']}/verify", body, as_=session).json
    (proved,) = events(house, "factor_verified")
    assert about | {"aal": "aal2"} == proved.details
    id = identity(house, session)
    assert 200 == house.delete(f"user/identities/{id}", as_=lifted_).status
    (unlinked,) = events(house, "identity_unlinked")
    assert {"provider": "corp", "identity_id": id} == unlinked.details
    house.post("recover", {"email": "ann@example.org"})
    house.post("recover", {"email": "nobody@example.org"})
    asked = events(house, "user_recovery_requested")
    assert [None, session["user"]["id"]] == [row.subject for row in asked]
    assert [{"method": "email"}] * 2 == [row.details for row in asked]


def test_linking_may_be_switched_off(house: House) -> None:
    """Every way to link or unlink says so."""
    session = house.sign_up()
    accounts = house.office.accounts
    # No setting of an app's: an option of the room.
    object.__setattr__(accounts, "options", replace(accounts.options, manual_linking=False))
    for method, path, body in (
        ("GET", "user/identities/authorize?provider=corp", None),
        ("POST", "user/identities/confirm", {"code": "x"}),
        ("DELETE", f"user/identities/{UUID(int=1)}", None),
    ):
        assert (404, "manual_linking_disabled") == refusal(house.send(method, path, body, as_=session))


def test_a_flow_that_is_too_old(house: House) -> None:
    """A code is good for five minutes, and then says why it is not."""
    house.sign_up()
    house.post("otp", {"email": "ann@example.org", "code_challenge": CHALLENGE, "code_challenge_method": "s256"})
    found = follow(house, house.letter("magic_link").data["link"])["code"]
    body = {"auth_code": found, "code_verifier": VERIFIER}
    house.clock.turn(minutes=5)
    assert (422, "flow_state_expired") == refusal(house.post("token?grant_type=pkce", body))
    assert (404, "flow_state_not_found") == refusal(house.post("token?grant_type=pkce", body))


def test_what_is_no_method_and_no_json(house: House) -> None:
    """ER1: in GoTrue's codes, with what is allowed."""
    refused = house.delete("signup", {})
    assert (405, "method_not_allowed") == refusal(refused)
    assert "OPTIONS, POST" == refused.one("allow")
    form = house.post("signup", b"email=ann", headers={"content-type": "application/x-www-form-urlencoded"})
    assert (415, "unsupported_media_type") == refusal(form)
    form = house.send("POST", "callback", b"{}", headers={"content-type": "application/json"})
    assert (415, "unsupported_media_type") == refusal(form)


def test_a_code_of_another_session_is_none(house: House) -> None:
    """A5: the code of ``/reauthenticate`` is for the session that asked, and for the one that a factor makes of it."""
    session, other = house.sign_up(), house.sign_in()
    house.clock.turn(minutes=6)
    assert 200 == house.get("reauthenticate", as_=session).status
    body = {"password": "another passphrase of hers", "nonce": house.letter("reauthentication").data["code"]}
    assert (422, "reauthentication_not_valid") == refusal(house.put("user", body, as_=other))
    house.clock.turn(minutes=2)
    assert 200 == house.get("reauthenticate", as_=session).status
    body["nonce"] = house.letter("reauthentication").data["code"]
    assert 200 == house.put("user", body, as_=lift(house, session)).status


def test_a_wish_ends_with_its_session(house: House) -> None:
    """A5: a change of address that a stolen session has asked for is not asked for again by whoever comes after it."""
    thief = house.sign_up()
    assert 200 == house.put("user", {"email": "thief@example.org"}, as_=thief).status
    assert "thief@example.org" == house.get("user", as_=thief).json["new_email"]
    house.letters()
    assert 204 == house.post("logout?scope=local", as_=thief).status
    house.clock.turn(minutes=2)
    assert 200 == house.post("resend", {"type": "email_change", "email": "ann@example.org"}).status
    assert [] == house.letters()
    assert "new_email" not in house.sign_in()["user"]


def test_a_wish_goes_on_behind_a_second_factor(house: House) -> None:
    """A5: a step of assurance is no end."""
    session = house.sign_up()
    assert 200 == house.put("user", {"email": "new@example.org"}, as_=session).status
    links = [letter.data["link"] for letter in house.letters("email_change")]
    stepped = lift(house, session)
    told = [follow(house, link) for link in links]
    assert ("message" in told[0], 200) == (True, house.get("user", as_=told[1]).status)
    assert "new@example.org" == house.get("user", as_=told[1]).json["email"]
    # It was the old address's session.
    assert 403 == house.get("user", as_=stepped).status
