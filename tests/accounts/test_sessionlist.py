"""Where an account is signed in: seen and ended by its owner and by administrators (TK10)."""

from __future__ import annotations

from uuid import uuid4

from tests.accounts.house import House
from tests.accounts.staff import events, service
from tests.accounts.test_mails import claims


def test_ones_own_sessions(house: House) -> None:
    """TK10: with device, address and time; one is ended, or all others, and is worth nothing at once."""
    here = house.sign_up()
    house.clock.turn(minutes=1)
    elsewhere = {"email": "ann@example.org", "password": "correct horse battery staple"}
    there = house.post(
        "token?grant_type=password", elsewhere, headers={"user-agent": "Phone/1.0"}, client=("198.51.100.9", 1)
    ).json
    listed = house.get("sessions", as_=here).json["sessions"]
    phone, desk = listed
    assert (claims(there)["session_id"], "Phone/1.0", "198.51.100.9", False) == (
        phone["id"],
        phone["user_agent"],
        phone["ip"],
        phone["current"],
    )
    assert ("2026-11-21T12:01:00Z", "2026-12-21T12:01:00Z", "aal1", ["password"]) == (
        phone["created_at"],
        phone["not_after"],
        phone["aal"],
        phone["methods"],
    )
    assert (claims(here)["session_id"], True) == (desk["id"], desk["current"])
    assert 204 == house.delete(f"sessions/{phone['id']}", as_=here).status
    assert (403, 401) == (house.get("user", as_=there).status, house.rest("GET", "secrets", as_=there).status)
    assert 400 == house.refresh(there["refresh_token"]).status
    for gone, status in ((phone["id"], 404), (uuid4(), 404), ("x", 400)):
        assert status == house.delete(f"sessions/{gone}", as_=here).status
    others = [house.sign_in() for _ in range(3)]
    assert 204 == house.delete("sessions", as_=here).status
    assert {403} == {house.get("user", as_=session).status for session in others}
    assert [True] == [one["current"] for one in house.get("sessions", as_=here).json["sessions"]]
    assert [("others", 3), ("one", 1)] == [
        (row.details["scope"], row.details["sessions"]) for row in events(house, "logout")
    ]


def test_an_accounts_sessions(house: House) -> None:
    """TK10: administrators see and end them, one or all; both is in the log (AU3)."""
    key = service(house)
    sessions = [house.sign_up(), house.sign_in(), house.sign_in()]
    path = f"admin/users/{sessions[0]['user']['id']}/sessions"
    listed = house.get(path, as_=key).json["sessions"]
    assert {claims(session)["session_id"] for session in sessions} == {one["id"] for one in listed}
    assert "current" not in listed[0]
    assert 204 == house.delete(f"{path}/{claims(sessions[0])['session_id']}", as_=key).status
    assert [403, 200, 200] == [house.get("user", as_=session).status for session in sessions]
    assert 404 == house.delete(f"{path}/{uuid4()}", as_=key).status
    assert 400 == house.delete(f"{path}/x", as_=key).status
    assert 204 == house.delete(path, as_=key).status
    assert {401} == {house.rest("GET", "secrets", as_=session).status for session in sessions}
    assert [2, 1] == [row.details["sessions"] for row in events(house, "token_revoked")]
    assert ["sessions"] == events(house, "admin_read_user")[0].details["fields"]
    assert 204 == house.delete(path, as_=key).status
