"""What an administrator's request does, to the last field: what is asked for, what it leaves, and what the log says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit
from uuid import UUID

import pytest

from backstay.auth.admin.first import appoint
from backstay.auth.refusal import AuthError
from backstay.auth.route import AuthRequest
from backstay.auth.session import Device
from backstay.errors import DatabaseError
from backstay.policy.principal import SERVICE, Principal
from tests.accounts.house import PASSWORD, House
from tests.accounts.staff import events, give, hire, service
from tests.accounts.test_mails import claims, follow

ANN = "ann@example.org"
OTHER = "another long passphrase"
NOW, LATER = "2026-11-21T12:00:00Z", "2026-11-21T13:00:00Z"
QUIET = pytest.mark.settings(rate_limits="off")
CONFIRMED = pytest.mark.settings(
    rate_limits="off", email_confirmation=True, redirect_urls=("https://app.example.org/**",)
)


def code(reply: Any) -> tuple[int, str]:
    return reply.status, reply.json["code"]


def make(house: House, email: str = ANN, **more: Any) -> Any:
    """A new account; its JSON."""
    reply = house.post(
        "admin/users", {"email": email, "password": PASSWORD, "email_confirm": True, **more}, as_=service(house)
    )
    assert 200 == reply.status, reply.body
    return reply.json


def put(house: House, user: Any, body: Any, as_: Any = None) -> Any:
    return house.put(f"admin/users/{user['id']}", body, as_=as_ or service(house))


# -- an account is changed -------------------------------------------------------------------------------------------


@QUIET
@pytest.mark.parametrize(
    ("body", "fields", "others"),
    [
        ({}, None, []),
        ({"user_metadata": {"a": 1}}, ["user_metadata"], []),
        ({"app_metadata": {"a": 1}}, ["app_metadata"], []),
        ({"role": "editor"}, ["role"], []),
        ({"user_metadata": {}, "app_metadata": {}, "role": "editor"}, ["user_metadata", "app_metadata", "role"], []),
        ({"email": "ann@example.com"}, ["email"], []),
        ({"email": ANN}, None, []),
        ({"email_confirm": True}, None, []),
        ({"email": "ann@example.com", "email_confirm": True}, ["email"], []),
        ({"password": OTHER}, None, ["user_updated_password"]),
        ({"ban_duration": "1h"}, None, ["user_banned"]),
        ({"ban_duration": "none"}, None, ["user_unbanned"]),
        ({"role": "editor", "ban_duration": "1h"}, ["role"], ["user_banned"]),
    ],
)
def test_the_log_says_what_was_changed(
    house: House, body: dict[str, Any], fields: list[str] | None, others: list[str]
) -> None:
    """AU3: each field that is new, once; nothing of what stayed as it was."""
    object.__setattr__(house.office.accounts, "roles", house.office.accounts.roles | {"editor"})
    user = make(house)
    assert 200 == put(house, user, body).status
    modified = events(house, "user_modified")
    assert ([] if fields is None else [(user["id"], {"fields": fields})]) == [(e.subject, e.details) for e in modified]
    seen = events(house, "user_updated_password", "user_banned", "user_unbanned")
    assert others == [event.event for event in seen]
    assert all(user["id"] == event.subject for event in seen)
    if "user_banned" in others:
        assert {"until": "2026-11-21T13:00:00+00:00"} == seen[0].details


@QUIET
def test_a_main_role_is_changed_and_stays(house: House) -> None:
    """TK8: it is in the next session, those before it end, and a change of something else leaves it."""
    object.__setattr__(house.office.accounts, "roles", house.office.accounts.roles | {"editor"})
    user, session = make(house), house.sign_in()
    house.clock.turn(seconds=2)
    assert "editor" == put(house, user, {"role": "editor"}).json["role"]
    assert 401 == house.rest("GET", "secrets", as_=session).status
    house.clock.turn(seconds=2)
    assert 400 == house.refresh(session["refresh_token"]).status
    assert "editor" == claims(house.sign_in())["role"]
    changed = put(house, user, {"app_metadata": {"plan": "pro", "provider": None}}).json
    assert ("editor", {"providers": ["email"], "plan": "pro"}) == (changed["role"], changed["app_metadata"])
    for body in ({"ban_duration": "1h"}, {"ban_duration": "none"}, {"email": "ann@example.com"}, {"password": OTHER}):
        after = put(house, user, body).json
        assert ("editor", "pro") == (after["role"], after["app_metadata"]["plan"])


@QUIET
def test_a_change_keeps_a_ban(house: House) -> None:
    """Another role or other facts say nothing about it."""
    user = make(house, ban_duration="1h")
    for body in ({"app_metadata": {"plan": "pro"}}, {"role": "authenticated"}, {"user_metadata": {"a": 1}}, {}):
        assert LATER == put(house, user, body).json["banned_until"]


@CONFIRMED
@pytest.mark.parametrize(
    ("body", "email", "confirmed"),
    [
        ({}, ANN, False),
        ({"email": "ann@example.com"}, "ann@example.com", False),
        ({"email_confirm": False}, ANN, False),
        ({"email_confirm": True}, ANN, True),
        ({"email": "ann@example.com", "email_confirm": True}, "ann@example.com", True),
    ],
)
def test_an_address_is_vouched_for(house: House, body: dict[str, Any], email: str, confirmed: bool) -> None:
    """OA7: confirmed when the administrator says so, and not by a new address alone."""
    user = make(house, email_confirm=False)
    house.clock.turn(hours=1)
    changed = put(house, user, body).json
    assert (email, LATER if confirmed else None, confirmed) == (
        changed["email"], changed.get("email_confirmed_at"), changed["user_metadata"]["email_verified"]
    )  # fmt: skip
    assert [email] == [identity["email"] for identity in changed["identities"]]
    found = house.post("token?grant_type=password", {"email": email, "password": PASSWORD})
    assert confirmed == (found.status == 200)
    if body == {"email_confirm": True}:
        assert [["email_confirmed_at"]] == [event.details["fields"] for event in events(house, "user_modified")]


@QUIET
def test_a_confirmed_address_stays_confirmed(house: House) -> None:
    """The new one is confirmed as the old one was, and from when it was; its owner learns which it is."""
    user = make(house)
    house.clock.turn(hours=1)
    house.letters()
    changed = put(house, user, {"email": "ann@example.com", "email_confirm": True}).json
    assert (NOW, True) == (changed["email_confirmed_at"], changed["user_metadata"]["email_verified"])
    letter = house.letter("email_changed")
    assert (ANN, "ann@example.com") == (letter.to, letter.data["new_email"])


@QUIET
@pytest.mark.parametrize(
    ("body", "stays"),
    [
        ({"password": OTHER}, True),
        ({"email": "boss@example.com"}, False),
        ({"password": OTHER, "email": "boss@example.com"}, False),
        ({"ban_duration": "1h"}, False),
        ({"password": OTHER, "ban_duration": "1h"}, False),
    ],
)
def test_what_an_administrator_does_to_themselves(house: House, body: dict[str, Any], stays: bool) -> None:
    """PW8: with a new password they stay where they are, and nowhere else; with anything else nowhere."""
    hire(house, "other@example.org")
    boss = hire(house, "boss@example.org")
    elsewhere = house.sign_in("boss@example.org")
    assert 200 == put(house, boss["user"], body, as_=boss).status
    assert (200 if stays else 403, 403) == (
        house.get("user", as_=boss).status, house.get("user", as_=elsewhere).status
    )  # fmt: skip


@QUIET
@pytest.mark.parametrize(
    ("body", "good"),
    [
        ({"password": OTHER}, False),
        ({"email": "ann@example.com"}, False),
        ({"ban_duration": "1ms"}, False),
        ({"user_metadata": {"a": 1}}, True),
        ({"email": ANN, "email_confirm": True, "ban_duration": "none"}, True),
    ],
)
def test_links_end_with_what_they_were_made_for(house: House, body: dict[str, Any], good: bool) -> None:
    """PW8: a link that was sent before a new password, address or ban is none after it."""
    user = make(house)
    link = house.post("admin/generate_link", {"type": "recovery", "email": ANN}, as_=service(house)).json
    session = house.sign_in()
    assert 200 == put(house, user, body).status
    house.clock.turn(seconds=1)
    assert good == ("access_token" in follow(house, link["action_link"]))
    assert good == (200 == house.get("user", as_=session).status)


@pytest.mark.settings(rate_limits='{"signin": "off"}')
@pytest.mark.parametrize("email", [ANN, "ann@example.com"])
def test_a_new_password_opens_what_the_old_one_locked(house: House, email: str) -> None:
    """TH2: also where the address is new, which somebody may have tried before."""
    user = make(house)
    body = {"email": email, "password": "not the right one"}
    statuses = [house.post("token?grant_type=password", body).status for _ in range(6)]
    assert [400] * 5 + [429] == statuses
    change = {"password": OTHER} | ({} if email == ANN else {"email": email})
    assert 200 == put(house, user, change).status
    assert 200 == house.post("token?grant_type=password", {"email": email, "password": OTHER}).status


@QUIET
def test_rights_are_asked_before_the_body_is_looked_at(house: House) -> None:
    """S4: whoever may not change the account learns nothing of what it could be changed to."""
    house.office.accounts.permissions["support"] = frozenset({"users:read", "users:write"})
    boss, support = hire(house, "boss@example.org"), hire(house, "sue@example.org", "support")
    for body in ({"password": "short"}, {"email": "no address"}, {"role": "no_such_role"}, {"ban_duration": "x"}, {}):
        assert (403, "not_admin") == code(put(house, boss["user"], body, as_=support))


# -- an account is made ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "confirmed"),
    [
        pytest.param(None, False, marks=CONFIRMED),
        pytest.param(None, True, marks=QUIET),
        pytest.param(False, False, marks=QUIET),
        pytest.param(True, True, marks=CONFIRMED),
    ],
)
def test_a_new_account_is_confirmed_by_word_or_by_the_app(house: House, given: bool | None, confirmed: bool) -> None:
    """OA7: what is not said is as for everybody."""
    made = make(house, email_confirm=given)
    assert (confirmed, confirmed) == ("email_confirmed_at" in made, made["user_metadata"]["email_verified"])
    (event,) = events(house, "user_signedup")
    assert (made["id"], {"provider": "email"}) == (event.subject, event.details)


@QUIET
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"phone_confirm": True}, (400, "phone_provider_disabled")),
        ({"role": "anon"}, (400, "validation_failed")),
        ({"role": "authenticated"}, None),
        ({"password": "ann@example.org"}, (422, "weak_password")),
        ({"password": None}, None),
        ({"password": None, "password_hash": ""}, (400, "validation_failed")),
        ({"app_metadata": {}}, None),
        ({"app_metadata": {"x": "y" * (16384 - 8)}}, None),
        ({"app_metadata": {"x": "y" * (16384 - 7)}}, (400, "validation_failed")),
        ({"user_metadata": {"x": "y" * (16384 - 8)}}, None),
        ({"user_metadata": {"x": "y" * (16384 - 7)}}, (400, "validation_failed")),
        ({"id": str(UUID(int=1))}, None),
    ],
)
def test_what_a_new_account_may_have(house: House, change: dict[str, Any], expected: tuple[int, str] | None) -> None:
    """To the byte; and what is refused leaves nothing."""
    body = {"email": ANN, "password": PASSWORD, "email_confirm": True} | change
    reply = house.post("admin/users", body, as_=service(house))
    assert (200, None) == (reply.status, expected) if expected is None else expected == code(reply), reply.body
    listed = house.get("admin/users", as_=service(house)).json["users"]
    assert (1 if expected is None else 0) == len(listed)


@QUIET
def test_a_password_is_no_address_of_its_account(house: House) -> None:
    """PW5: the one that it has, and the one that it gets."""
    user = make(house)
    for body in (
        {"password": ANN},
        {"password": "zoe.longname@example.com", "email": "zoe.longname@example.com"},
        {"password": "only.short", "email": "only.short@example.com"},
    ):
        assert (422, "weak_password") == code(put(house, user, body)), body
    assert 200 == put(house, user, {"password": "zoe.longname@example.com"}).status


@QUIET
def test_what_is_null_is_not_kept(house: House) -> None:
    """As when it is changed: ``null`` removes."""
    made = make(house, user_metadata={"a": None, "b": 0, "c": False, "d": ""}, app_metadata={"e": None, "f": []})
    assert {"b": 0, "c": False, "d": ""}.items() <= made["user_metadata"].items()
    assert ("a" in made["user_metadata"], {"provider": "email", "providers": ["email"], "f": []}) == (
        False, made["app_metadata"]
    )  # fmt: skip


@QUIET
def test_the_id_of_a_deleted_account_is_nobodys(house: House) -> None:
    """A12: its rows would be the new account's; the id of one that is there is taken as well."""
    made = make(house)
    again = {"email": "bob@example.org", "id": made["id"]}
    assert (409, "conflict") == code(house.post("admin/users", again, as_=service(house)))
    for soft in (True, False):
        gone = make(house, f"{soft}@example.org")
        path = f"admin/users/{gone['id']}"
        assert 200 == house.delete(path, {"should_soft_delete": soft}, as_=service(house)).status
        again = {"email": "bob@example.org", "id": gone["id"]}
        assert (409, "conflict") == code(house.post("admin/users", again, as_=service(house)))


# -- ways in for somebody else ---------------------------------------------------------------------------------------


def generate(house: House, type_: str, email: str = ANN, query: str = "", **more: Any) -> Any:
    return house.post(f"admin/generate_link{query}", {"type": type_, "email": email, **more}, as_=service(house))


@CONFIRMED
@pytest.mark.parametrize(
    ("query", "body", "place"),
    [
        ("", None, "https://api.example.org"),
        ("", "https://app.example.org/a", "https://app.example.org/a"),
        ("?redirect_to=https://app.example.org/b", None, "https://app.example.org/b"),
        ("?redirect_to=https://app.example.org/b", "https://app.example.org/a", "https://app.example.org/b"),
        ("?redirect_to=https://evil.example/", "https://evil.example/", "https://api.example.org"),
    ],
)
def test_where_a_link_leads(house: House, query: str, body: str | None, place: str) -> None:
    """OA3: where the request says, in its query or else in its body, if that is allowed."""
    make(house)
    made = generate(house, "magiclink", query=query, redirect_to=body).json
    assert place == made["redirect_to"].rstrip("/")
    assert f"&redirect_to={quote(made['redirect_to'], safe='')}" in made["action_link"]
    reply = house.get(f"verify?{urlsplit(made['action_link']).query}")
    assert place == str(reply.one("location")).partition("#")[0].rstrip("/")
    by_hash = house.post(
        "verify", {"type": "magiclink", "token_hash": generate(house, "magiclink").json["hashed_token"]}
    )
    assert 200 == by_hash.status


@CONFIRMED
@pytest.mark.parametrize(
    ("type_", "seconds"),
    [("magiclink", 600), ("recovery", 600), ("signup", 600), ("invite", 86400)],
)
def test_how_long_a_link_is_good(house: House, type_: str, seconds: int) -> None:
    """TH6: as long as the app says, an invitation for a day; to the second."""
    if type_ in ("magiclink", "recovery"):
        make(house)
    for late in (0, 1):
        email = ANN if type_ in ("magiclink", "recovery") else f"{type_}{late}@example.org"
        link = generate(house, type_, email, password=PASSWORD).json["action_link"]
        house.clock.turn(seconds=seconds - 1 + late)
        assert (not late) == ("access_token" in follow(house, link)), late


@QUIET
def test_a_link_is_good_for_a_minute_at_least(house: House) -> None:
    """Shorter ones would have ended before they are sent on."""
    make(house)
    # No setting of an app's: an option of the room.
    accounts = house.office.accounts
    object.__setattr__(accounts, "options", replace(accounts.options, otp_seconds=30))
    for late in (0, 1):
        link = generate(house, "magiclink").json["action_link"]
        house.clock.turn(seconds=59 + late)
        assert (not late) == ("access_token" in follow(house, link)), late


@CONFIRMED
@pytest.mark.parametrize(
    ("type_", "event", "details"),
    [
        ("invite", "user_invited", {}),
        ("signup", "user_recovery_requested", {"method": "link"}),
        ("magiclink", "user_recovery_requested", {"method": "link"}),
        ("recovery", "user_recovery_requested", {"method": "link"}),
        ("email_change_new", "user_recovery_requested", {"method": "link"}),
    ],
)
def test_the_log_says_which_link_was_made(house: House, type_: str, event: str, details: dict[str, str]) -> None:
    """AU3: for whom, and nothing of the link."""
    if type_ not in ("invite", "signup"):
        make(house)
    made = generate(house, type_, password=PASSWORD, new_email="ann@example.com").json
    (found,) = events(house, "user_invited", "user_recovery_requested")
    assert (event, made["id"], details) == (found.event, found.subject, found.details)
    assert (type_ == "invite") == ("invited_at" in made) == ("confirmation_sent_at" in made)


@CONFIRMED
def test_what_a_stranger_said_of_an_account_goes(house: House) -> None:
    """OA7: an invitation or a link for an address that is not confirmed says what its administrator wrote."""
    house.post("signup", {"email": ANN, "password": OTHER, "data": {"name": "Mallory"}})
    for path, body in (
        ("invite", {"email": ANN, "data": {"name": "Ann"}}),
        ("admin/generate_link", {"type": "invite", "email": ANN, "data": {"name": "Ann"}}),
        ("admin/generate_link", {"type": "signup", "email": ANN, "password": PASSWORD, "data": {"name": "Ann"}}),
    ):
        shown = house.post(path, body, as_=service(house)).json
        assert ("Ann", False) == (shown["user_metadata"]["name"], shown["user_metadata"]["email_verified"])
        assert "email_confirmed_at" not in shown


@CONFIRMED
def test_the_newest_wish_for_an_address_counts(house: House) -> None:
    """Links of both addresses lead to the one that was named last."""
    make(house)
    for name in ("first", "second"):
        made = generate(house, "email_change_current", new_email=f"{name}@example.org").json
        assert f"{name}@example.org" == made["new_email"]
    other = generate(house, "email_change_new", new_email="second@example.org").json
    assert "message" in follow(house, made["action_link"])
    follow(house, other["action_link"])
    assert "second@example.org" == house.sign_in("second@example.org")["user"]["email"]


@CONFIRMED
@pytest.mark.parametrize("type_", ["magiclink", "recovery", "email_change_new"])
def test_no_link_for_the_banned(house: House, type_: str) -> None:
    """TK5: until the ban ends, to the second; and none for nobody but a sign-up."""
    make(house, ban_duration="1h")
    house.clock.turn(minutes=59, seconds=59)
    assert (400, "user_banned") == code(generate(house, type_, new_email="x@example.org"))
    house.clock.turn(seconds=1)
    assert 200 == generate(house, type_, new_email="x@example.org").status
    nobody = generate(house, type_, "nobody@example.org", new_email="y@example.org")
    assert (200 if type_ == "magiclink" else 404) == nobody.status


@pytest.mark.settings(email_confirmation=True, rate_limits='{"mail_address": "1/60"}')
def test_invitations_to_one_address_are_few(house: House) -> None:
    """TH4: counted by the address, as every mail is; another one's is let through."""
    invite = [house.post("invite", {"email": email}, as_=service(house)) for email in (ANN, ANN, "bob@example.org")]
    assert [200, 429, 200] == [reply.status for reply in invite]
    assert [ANN, "bob@example.org"] == [letter.to for letter in house.letters("invite")]


# -- what is seen ----------------------------------------------------------------------------------------------------


@QUIET
@pytest.mark.parametrize("name", ["filter", "search"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["b_b", "bob", "ann"]),
        ("B", ["b_b", "bob"]),
        ("b_", ["b_b"]),
        ("%", []),
        ("b\\", []),
        ("ob", []),
        ("ann@example.org", ["ann"]),
        ("x" * 254, []),
        ("x" * 255, None),
        ("a\0", None),
        (str(UUID(int=7)), ["ann"]),
        (str(UUID(int=0)), []),
    ],
)
def test_accounts_are_looked_for(house: House, name: str, text: str, expected: list[str] | None) -> None:
    """By the beginning of an address, taken as it is written, or by an id; with and without a cursor."""
    for at, who in enumerate(("ann", "bob", "b_b")):
        make(house, f"{who}@example.org", id=str(UUID(int=7 + at)))
        house.clock.turn(seconds=1)
    for page in ("", "&limit=9", "&cursor="):
        reply = house.get(f"admin/users?{name}={quote(text, safe='')}{page}", as_=service(house))
        if expected is None:
            assert (400, "validation_failed") == code(reply)
        else:
            assert expected == [user["email"].partition("@")[0] for user in reply.json["users"]]


@QUIET
def test_a_cursor_loses_and_repeats_nobody(house: House) -> None:
    """Also of accounts that were made at the same moment; the last page says that it is the last."""
    ids = [make(house, f"u{number}@example.org")["id"] for number in range(4)]
    house.clock.turn(seconds=1)
    ids += [make(house, f"v{number}@example.org")["id"] for number in range(2)]
    for limit in (1, 2, 3, 6, 7):
        seen: list[list[str]] = []
        path = f"admin/users?limit={limit}"
        while path:
            found = house.get(path, as_=service(house))
            users, pagination = found.json["users"], found.json["pagination"]
            assert all(["email"] == [i["provider"] for i in user["identities"]] for user in users)
            seen.append([user["id"] for user in users])
            link = found.one("link")
            assert pagination["has_more"] == (link is not None) == ("next_cursor" in pagination)
            path = f"admin/users?limit={limit}&cursor={pagination['next_cursor']}" if link else ""
            assert (
                link is None
                or link == f'</{path.partition("?")[0]}?cursor={pagination["next_cursor"]}&limit={limit}>; rel="next"'
            )
        assert sorted(ids) == sorted(id for page in seen for id in page)
        assert [limit] * (6 // limit) + ([6 % limit] if 6 % limit else []) == [len(page) for page in seen]
        assert set(ids[4:]) == set([id for page in seen for id in page][:2])
    assert 6 == len(house.get("admin/users?cursor=", as_=service(house)).json["users"])


@QUIET
@pytest.mark.parametrize(
    "cursor", ["AAAA", "!", "%C3%A4", "WyIyMDI2LTExLTIxVDEyOjAwOjAwWiJd", "W10", "WyIwMDAxLTAxLTAxVDAwOjAwOjAwKzIzOjU5IiwiMDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAwIl0"]
)  # fmt: skip
def test_a_cursor_that_is_none(house: House, cursor: str) -> None:
    """What we have not written is refused, and no 500."""
    assert (400, "validation_failed") == code(house.get(f"admin/users?cursor={cursor}", as_=service(house)))


@QUIET
def test_every_look_is_in_the_log(house: House) -> None:
    """AU3: whose data, which, and how many rows of it."""
    user, key = make(house), service(house)
    house.sign_in()
    path = f"admin/users/{user['id']}"
    for place, subject, details in (
        ("admin/users", None, {"fields": ["users"], "count": 1}),
        ("admin/users?filter=nobody", None, {"fields": ["users"], "count": 0}),
        ("admin/users?limit=5", None, {"fields": ["users"], "count": 1}),
        (path, user["id"], {"fields": ["user"], "count": 1}),
        (f"{path}/factors", user["id"], {"fields": ["factors"], "count": 0}),
        (f"{path}/passkeys", user["id"], {"fields": ["passkeys"], "count": 0}),
        (f"{path}/roles", user["id"], {"fields": ["roles"], "count": 1}),
        (f"{path}/sessions", user["id"], {"fields": ["sessions"], "count": 1}),
        ("admin/audit?per_page=3", None, {"fields": ["audit"], "count": 3}),
    ):
        assert 200 == house.get(place, as_=key).status
        newest = events(house, "admin_read_user")[0]
        assert (subject, details) == (newest.subject, newest.details), place


@QUIET
def test_the_pages_of_the_log(house: House) -> None:
    """AU3: each row once, with the address of whoever did it, as long as they are there."""
    boss = hire(house, "boss@example.org")
    ann = house.sign_up(ANN)
    assert 200 == put(house, ann["user"], {"user_metadata": {"a": 1}}, as_=boss).status
    everything = house.get("admin/audit?per_page=100", as_=boss)
    total = len(everything.json)
    assert str(total) == everything.one("x-total-count")
    names = {entry["payload"]["action"]: entry["payload"]["actor_username"] for entry in everything.json}
    assert "boss@example.org" == names["user_modified"]
    pages = [house.get(f"admin/audit?per_page=2&page={page}", as_=boss) for page in range(1, 4)]
    # Each look is a row more, and moves what is behind it by one.
    assert everything.json[0] == pages[0].json[1]
    assert everything.json[0] == pages[1].json[0]
    assert [] == house.get("admin/audit?page=1000", as_=boss).json
    assert 'rel="next"' in str(pages[0].one("link"))
    assert 200 == house.delete(f"admin/users/{ann['user']['id']}", {"should_soft_delete": True}, as_=boss).status
    gone = {entry["payload"]["actor_id"]: entry["payload"]["actor_username"] for entry in
            house.get("admin/audit?per_page=100", as_=boss).json}  # fmt: skip
    assert "" == gone.get(ann["user"]["id"], "")


# -- what is given, and ended ----------------------------------------------------------------------------------------


@QUIET
def test_roles_are_given_by_somebody(house: House) -> None:
    """AU3, RB1: who gave a role and when; a second time is none, and the service role is nobody."""
    house.office.accounts.permissions["clerk"] = frozenset({"users:read", "audit:read"})
    user, boss = make(house), hire(house, "boss@example.org")
    path = f"admin/users/{user['id']}/roles"
    for role, by, name in (("clerk", boss, boss["user"]["id"]), ("editor", service(house), None)):
        for _ in range(2):
            shown = house.put(f"{path}/{role}", as_=by).json["roles"]
        (given,) = [entry for entry in shown if entry["role"] == role]
        permissions = ["audit:read", "users:read"] if role == "clerk" else []
        assert {"role": role, "permissions": permissions, "granted_by": name, "granted_at": NOW} == given
    granted = [event for event in events(house, "role_granted") if event.subject == user["id"]]
    assert [{"role": "editor"}, {"role": "clerk"}] == [event.details for event in granted]
    assert 200 == house.delete(f"{path}/editor", as_=boss).status
    (taken,) = events(house, "role_revoked")
    assert (user["id"], {"role": "editor"}) == (taken.subject, taken.details)


@QUIET
def test_sessions_are_ended_one_or_all(house: House) -> None:
    """TK10: the one that was named, and no other account's; the log says which."""
    user = make(house)
    first, second, third = house.sign_in(), house.sign_in(), house.sign_up("bob@example.org")
    path = f"admin/users/{user['id']}/sessions"
    id = claims(first)["session_id"]
    assert 204 == house.delete(f"{path}/{id}", as_=service(house)).status
    assert 404 == house.delete(f"{path}/{id}", as_=service(house)).status
    assert 404 == house.delete(f"{path}/{claims(third)['session_id']}", as_=service(house)).status
    assert 400 == house.delete(f"{path}/x", as_=service(house)).status
    assert [403, 200, 200] == [house.get("user", as_=session).status for session in (first, second, third)]
    assert 401 == house.rest("GET", "secrets", as_=first).status
    assert [204, 204] == [house.delete(path, as_=service(house)).status for _ in range(2)]
    assert [403, 200] == [house.get("user", as_=session).status for session in (second, third)]
    ended = [event.details for event in events(house, "token_revoked")]
    assert [
        {"session_id": None, "sessions": 1, "reason": "admin"}, {"session_id": id, "sessions": 1, "reason": "admin"}
    ] == ended  # fmt: skip


@QUIET
def test_a_key_is_what_was_asked_for(house: House) -> None:
    """TK9: name, role, scopes in their order, end, and who made it; revoked once, by its id."""
    body = {"name": " backup ", "role": "anon", "scopes": ["write", "read", "read"], "expires_at": LATER}
    made = house.post("admin/api-keys", body, as_=service(house)).json
    key = made.pop("api_key")
    assert {
        "id": made["id"], "name": "backup", "hint": key[:14], "role": "anon", "scopes": ["read", "write"],
        "created_by": None, "created_at": NOW, "expires_at": LATER, "last_used_at": None, "revoked_at": None,
    } == made | {"hint": key[:14]}  # fmt: skip
    (event,) = events(house, "api_key_created")
    assert (made["id"], {"key_id": made["id"], "role": "anon", "scopes": ["read", "write"], "expires_at": LATER}) == (
        event.subject, event.details
    )  # fmt: skip
    path = f"admin/api-keys/{made['id']}"
    assert [204, 404] == [house.delete(path, as_=service(house)).status for _ in range(2)]
    (event,) = events(house, "api_key_revoked")
    assert (made["id"], {"key_id": made["id"], "role": "anon"}) == (event.subject, event.details)
    (shown,) = house.get("admin/api-keys", as_=service(house)).json["api_keys"]
    assert NOW == shown["revoked_at"]


# -- the first administrator -----------------------------------------------------------------------------------------

ASKED = AuthRequest("", {}, {}, {}, None, Principal(role=SERVICE), Device("", "backstay"))


@CONFIRMED
def test_the_first_administrator(house: House) -> None:
    """SE3: an account that is confirmed, with the role; a link to the site that is good for a quarter of an hour."""
    made = house.run(appoint(ASKED, house.office.accounts, "Boss@example.org"))
    assert ("boss@example.org", 15) == (made["email"], made["minutes"])
    query = {name: values[0] for name, values in parse_qs(urlsplit(made["link"]).query).items()}
    assert ("recovery", "https://api.example.org") == (query["type"], query["redirect_to"].rstrip("/"))
    house.clock.turn(minutes=14, seconds=59)
    session = follow(house, made["link"])
    shown = house.get("user", as_=session).json
    assert (made["id"], NOW) == (shown["id"], shown["email_confirmed_at"])
    assert [("admin", None)] == [
        (row["role"], row["granted_by"])
        for row in house.get(f"admin/users/{made['id']}/roles", as_=service(house)).json["roles"]
    ]
    again = house.run(appoint(ASKED, house.office.accounts, "boss@example.org"))
    assert made["id"] == again["id"]
    (granted,) = events(house, "role_granted")
    assert (made["id"], {"role": "admin"}) == (granted.subject, granted.details)
    assert [(made["id"], {"method": "link"})] * 2 == [
        (event.subject, event.details) for event in events(house, "user_recovery_requested")
    ]


@QUIET
def test_no_administrator_who_is_banned(house: House) -> None:
    """TK5: until the ban has ended; whoever has proved the address keeps what is theirs."""
    make(house, ban_duration="1h")
    house.clock.turn(minutes=59, seconds=59)
    with pytest.raises(AuthError, match="banned"):
        house.run(appoint(ASKED, house.office.accounts, ANN))
    house.clock.turn(seconds=1)
    assert house.run(appoint(ASKED, house.office.accounts, ANN))["link"]
    assert 200 == house.post("token?grant_type=password", {"email": ANN, "password": PASSWORD}).status


# -- two at the same moment ------------------------------------------------------------------------------------------


@dataclass
class Meets:
    """A store of which a transaction finds that another one has been there before: the one after *others*."""

    store: Any
    error: DatabaseError
    others: int = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    async def transact(self, flow: Callable[..., Any], **named: Any) -> Any:
        async def met(tx: Any) -> Any:
            await flow(tx)
            raise self.error

        self.others -= 1
        if self.others != -1:
            return await self.store.transact(flow, **named)
        return await self.store.transact(met, **named)


@CONFIRMED
@pytest.mark.parametrize(
    ("method", "path", "body", "others"),
    [
        ("POST", "admin/users", {}, 0),
        ("PUT", "admin/users/{id}", {}, 0),
        # The limits of mails come before.
        ("POST", "invite", {}, 1),
        ("POST", "admin/generate_link", {"type": "magiclink"}, 0),
    ],
)
def test_the_unique_index_decides(house: House, method: str, path: str, body: dict[str, str], others: int) -> None:
    """ID4: of two that take one address the second is told so; any other fault of the database stays one."""
    user, accounts = make(house), house.office.accounts
    store = accounts.store
    for error, expected in (("23505", "email_exists"), ("23503", None)):
        object.__setattr__(accounts, "store", Meets(store, DatabaseError(error, "met"), others))
        given = {"email": "new@example.org", **body}
        reply = house.send(method, path.format(id=user["id"]), given, as_=service(house))
        object.__setattr__(accounts, "store", store)
        assert (expected == "email_exists") == (reply.json["code"] == "email_exists"), reply.body
    assert [ANN] == [row["email"] for row in house.get("admin/users", as_=service(house)).json["users"]]


@QUIET
def test_the_last_administrator_may_be_freed_of_a_ban_that_ends(house: House) -> None:
    """RB4: who is banned now is no administrator now; who no longer is, is one."""
    first, second = hire(house, "one@example.org"), hire(house, "two@example.org")
    assert 200 == put(house, first["user"], {"ban_duration": "1h"}).status
    assert (409, "conflict") == code(put(house, second["user"], {"ban_duration": "2h"}))
    house.clock.turn(hours=1)
    assert 200 == put(house, second["user"], {"ban_duration": "2h"}).status
    plain = house.sign_up("plain@example.org")
    give(house, plain, "editor")
    assert 200 == put(house, plain["user"], {"ban_duration": "2h"}).status
