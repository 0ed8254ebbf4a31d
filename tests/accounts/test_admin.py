"""Accounts administered: by the service role, and by accounts with the permission and a second factor."""

from __future__ import annotations

import asyncio
import re
from typing import Any
from uuid import UUID, uuid4

import pytest

from backstay.auth.admin.first import appoint
from backstay.auth.factor import factors_of
from backstay.auth.hashing import HashCost, hash_password
from backstay.auth.refusal import AuthError
from backstay.auth.route import AuthRequest
from backstay.auth.session import Device
from backstay.policy.principal import SERVICE, Principal
from tests.accounts.house import PASSWORD, House
from tests.accounts.staff import events, give, hire, lift, service
from tests.accounts.test_factors import lifted
from tests.accounts.test_mails import follow

OTHER = "another long passphrase"


def code(reply: Any) -> tuple[int, str]:
    return reply.status, reply.json["code"]


def test_accounts_are_listed(house: House) -> None:
    """Pages with totals and links, the newest first; by the beginning of an address, by id, and after a cursor."""
    for name in ("ann", "bob", "b_b", "cid", "dora"):
        house.sign_up(f"{name}@example.org")
        house.clock.turn(seconds=1)
    key = service(house)
    first = house.get("admin/users?page=1&per_page=2", as_=key)
    assert ["dora@example.org", "cid@example.org"] == [user["email"] for user in first.json["users"]]
    assert ("authenticated", "5") == (first.json["aud"], first.one("x-total-count"))
    links = first.one("link") or ""
    assert [("2", "next"), ("3", "last")] == re.findall(r'page=(\d+)&per_page=2>; rel="(\w+)"', links)
    last = house.get("admin/users?page=3&per_page=2", as_=key)
    assert (["ann@example.org"], False) == ([user["email"] for user in last.json["users"]], "next" in last.one("link"))
    assert ["email"] == [identity["provider"] for identity in last.json["users"][0]["identities"]]
    by_name = house.get("admin/users?filter=B_", as_=key)
    assert (["b_b@example.org"], "1") == ([u["email"] for u in by_name.json["users"]], by_name.one("x-total-count"))
    id = last.json["users"][0]["id"]
    assert [id] == [user["id"] for user in house.get(f"admin/users?filter={id}", as_=key).json["users"]]

    seen: list[str] = []
    path = "admin/users?limit=2"
    while True:
        found = house.get(path, as_=key)
        seen += [user["email"].partition("@")[0] for user in found.json["users"]]
        assert all(user["identities"] for user in found.json["users"])
        if not found.json["pagination"]["has_more"]:
            break
        path = f"admin/users?limit=2&cursor={found.json['pagination']['next_cursor']}"
    assert ["dora", "cid", "b_b", "bob", "ann"] == seen

    for bad in ("page=0", "page=x", "per_page=-1", "cursor=AAAA", "cursor=%C3%A4", f"filter={'a' * 300}"):
        assert (400, "validation_failed") == code(house.get(f"admin/users?{bad}", as_=key)), bad
    assert 200 == house.get("admin/users?per_page=99999999", as_=key).status
    read = events(house, "admin_read_user")
    assert (["users"], 2) == (read[-1].details["fields"], read[-1].details["count"])


def test_an_account_is_made(house: House) -> None:
    """With a password, or a hash of another system; with metadata, a role, a ban and an id of one's own."""
    key = service(house)
    id = str(uuid4())
    made = house.post(
        "admin/users",
        {
            "id": id,
            "email": "Eve@example.org",
            "password": PASSWORD,
            "email_confirm": True,
            "user_metadata": {"name": "Eve"},
            "app_metadata": {"plan": "pro"},
        },
        as_=key,
    )
    assert (200, id, "eve@example.org") == (made.status, made.json["id"], made.json["email"])
    assert {"provider": "email", "providers": ["email"], "plan": "pro"} == made.json["app_metadata"]
    assert ("Eve", True) == (made.json["user_metadata"]["name"], made.json["user_metadata"]["email_verified"])
    assert "Eve" == house.sign_in("eve@example.org")["user"]["user_metadata"]["name"]
    assert made.json["id"] == house.get(f"admin/users/{id}", as_=key).json["id"]

    hashed = hash_password(OTHER, HashCost(19456, 2, 1))
    moved = {"email": "fay@example.org", "password_hash": hashed, "email_confirm": True}
    assert 200 == house.post("admin/users", moved, as_=key).status
    assert 200 == house.post("token?grant_type=password", {"email": "fay@example.org", "password": OTHER}).status
    unsure = {"email": "gil@example.org", "password": PASSWORD, "email_confirm": False}
    assert 200 == house.post("admin/users", unsure, as_=key).status
    refused = house.post("token?grant_type=password", {"email": "gil@example.org", "password": PASSWORD})
    assert (400, "email_not_confirmed") == code(refused)
    banned = {"email": "hal@example.org", "password": PASSWORD, "email_confirm": True, "ban_duration": "1h30m"}
    assert "2026-11-21T13:30:00Z" == house.post("admin/users", banned, as_=key).json["banned_until"]

    good = {"email": "x@example.org", "password": PASSWORD}
    for change, expected in (
        ({"email": "eve@example.org"}, (422, "email_exists")),
        ({"id": id}, (409, "conflict")),
        ({"id": "x"}, (400, "validation_failed")),
        ({"id": str(UUID(int=0))}, (400, "validation_failed")),
        ({"email": None}, (400, "validation_failed")),
        ({"email": "no address"}, (400, "email_address_invalid")),
        ({"password": "short"}, (422, "weak_password")),
        ({"password_hash": hashed}, (400, "validation_failed")),
        ({"password": None, "password_hash": "5f4dcc3b5aa765d61d8327deb882cf99"}, (400, "validation_failed")),
        ({"phone": "4912345"}, (400, "phone_provider_disabled")),
        ({"role": "service_role"}, (400, "validation_failed")),
        ({"role": "no_such_role"}, (400, "validation_failed")),
        ({"ban_duration": "soon"}, (400, "validation_failed")),
        ({"ban_duration": "0h"}, (400, "validation_failed")),
        ({"app_metadata": {"roles": ["admin"]}}, (400, "validation_failed")),
        ({"app_metadata": {"x": "y" * 20_000}}, (400, "validation_failed")),
        ({"user_metadata": {"x": "y" * 20_000}}, (400, "validation_failed")),
    ):
        assert expected == code(house.post("admin/users", good | change, as_=key)), change


def test_an_account_is_changed(house: House) -> None:
    """TK8: metadata is merged, and what tokens say of it is stale at once; nobody else can write it."""
    key = service(house)
    session = house.sign_up()
    path = f"admin/users/{session['user']['id']}"
    house.clock.turn(seconds=2)
    mine = house.put("user", {"data": {"a": 1}, "app_metadata": {"plan": "pro"}, "role": "service_role"}, as_=session)
    assert ("authenticated", False) == (mine.json["role"], "plan" in mine.json["app_metadata"])
    changed = house.put(path, {"app_metadata": {"plan": "pro"}, "user_metadata": {"a": None, "b": 2}}, as_=key)
    assert ("pro", 2, False) == (
        changed.json["app_metadata"]["plan"],
        changed.json["user_metadata"]["b"],
        "a" in changed.json["user_metadata"],
    )
    stale = house.rest("GET", "secrets", as_=session)
    assert (401, "PGRST303") == (stale.status, stale.json["code"])
    house.clock.turn(seconds=2)
    session = house.refresh(session["refresh_token"]).json
    assert 200 == house.rest("GET", "secrets", as_=session).status

    # A new address: who was signed in under the old one is no more, and is told.
    house.letters()
    assert 200 == house.put(path, {"email": "ann@example.com"}, as_=key).status
    assert "ann@example.org" == house.letter("email_changed").to
    assert 403 == house.get("user", as_=session).status
    session = house.sign_in("ann@example.com")
    assert ["ann@example.com"] == [identity["email"] for identity in session["user"]["identities"]]
    house.sign_up("bob@example.org")
    assert (422, "email_exists") == code(house.put(path, {"email": "bob@example.org"}, as_=key))

    # A new password.
    assert 200 == house.put(path, {"password": OTHER}, as_=key).status
    assert 403 == house.get("user", as_=session).status
    assert 200 == house.post("token?grant_type=password", {"email": "ann@example.com", "password": OTHER}).status
    assert (422, "weak_password") == code(house.put(path, {"password": "short"}, as_=key))

    assert (400, "validation_failed") == code(house.put("admin/users/x", {}, as_=key))
    assert (404, "user_not_found") == code(house.put(f"admin/users/{uuid4()}", {}, as_=key))
    kinds = {row.event for row in events(house, "user_modified", "user_updated_password")}
    assert {"user_modified", "user_updated_password"} == kinds


def test_a_ban_bites_at_once(house: House) -> None:
    """TK4, TK5: sessions end, sign-ins and links are refused; ``none`` ends it."""
    key = service(house)
    session = house.sign_up()
    path = f"admin/users/{session['user']['id']}"
    banned = house.put(path, {"ban_duration": "24h"}, as_=key)
    assert "2026-11-22T12:00:00Z" == banned.json["banned_until"]
    assert (403, 401) == (house.get("user", as_=session).status, house.rest("GET", "secrets", as_=session).status)
    assert 400 == house.refresh(session["refresh_token"]).status
    again = house.post("token?grant_type=password", {"email": "ann@example.org", "password": PASSWORD})
    assert (400, "user_banned") == code(again)
    refused = house.post("admin/generate_link", {"type": "recovery", "email": "ann@example.org"}, as_=key)
    assert (400, "user_banned") == code(refused)
    assert "banned_until" not in house.put(path, {"ban_duration": "none"}, as_=key).json
    house.sign_in()
    assert ["user_unbanned", "user_banned"] == [row.event for row in events(house, "user_banned", "user_unbanned")]


def test_an_account_is_deleted(house: House) -> None:
    """Gone with all that was its, or left as a row that names nobody; the address is free again."""
    key = service(house)
    for soft in (False, True):
        session = house.sign_up()
        id = session["user"]["id"]
        assert (200, {}) == (
            (done := house.delete(f"admin/users/{id}", {"should_soft_delete": soft}, as_=key)).status,
            done.json,
        )
        assert (403, 401) == (house.get("user", as_=session).status, house.rest("GET", "secrets", as_=session).status)
        assert (404, "user_not_found") == code(house.get(f"admin/users/{id}", as_=key))
        assert (404, "user_not_found") == code(house.delete(f"admin/users/{id}", as_=key))
    house.sign_up()
    assert [True, False] == [row.details["soft"] for row in events(house, "user_deleted")]


@pytest.mark.settings(email_confirmation=True)
def test_somebody_is_invited(house: House) -> None:
    """By a mail whose link is good for a day; the account is theirs when they have followed it."""
    key = service(house)
    invited = house.post(
        "invite?redirect_to=https://evil.example", {"email": "ann@example.org", "data": {"n": 1}}, as_=key
    )
    assert (200, 1) == (invited.status, invited.json["user_metadata"]["n"])
    assert "invited_at" in invited.json
    letter = house.letter("invite")
    assert ("1440", False) == (letter.data["minutes"], "code" in letter.data)
    assert "evil" not in letter.data["link"]
    house.clock.turn(hours=23)
    session = follow(house, letter.data["link"])
    assert invited.json["id"] == house.get("user", as_=session).json["id"]
    assert 200 == house.put("user", {"password": PASSWORD}, as_=session).status
    house.sign_in()
    assert (422, "email_exists") == code(house.post("invite", {"email": "ann@example.org"}, as_=key))
    assert (400, "email_address_invalid") == code(house.post("invite", {"email": ""}, as_=key))
    assert {"user_invited", "invite_accepted"} == {
        row.event for row in events(house, "user_invited", "invite_accepted")
    }


@pytest.mark.settings(email_confirmation=True)
def test_links_are_made_without_a_mail(house: House) -> None:
    """Every type leads where its mail would; each is good once (ID4)."""
    key = service(house)

    def make(type_: str, email: str = "ann@example.org", **more: Any) -> Any:
        return house.post("admin/generate_link", {"type": type_, "email": email, **more}, as_=key)

    assert (404, "user_not_found") == code(make("recovery"))
    made = make("signup", password=PASSWORD, data={"name": "Ann"}).json
    assert ("signup", "Ann") == (made["verification_type"], made["user_metadata"]["name"])
    assert made["hashed_token"] in made["action_link"]
    assert "access_token" in follow(house, made["action_link"])
    assert "otp_expired" == follow(house, made["action_link"])["error_code"]
    house.sign_in()
    assert (422, "email_exists") == code(make("signup", password=PASSWORD))
    for type_ in ("magiclink", "recovery"):
        found = make(type_).json
        reply = house.post("verify", {"type": type_, "email": "ann@example.org", "token": found["email_otp"]})
        assert 200 == reply.status, reply.body
        found = make(type_).json
        assert 200 == house.post("verify", {"type": type_, "token_hash": found["hashed_token"]}).status
    assert "signup" == make("magiclink", "new@example.org").json["verification_type"]
    assert "access_token" in follow(house, make("invite", "bob@example.org").json["action_link"])
    old = make("email_change_current", new_email="ann@example.com").json
    new = make("email_change_new", new_email="ann@example.com").json
    assert "message" in follow(house, old["action_link"])
    follow(house, new["action_link"])
    house.sign_in("ann@example.com")
    assert (422, "email_exists") == code(make("email_change_new", "bob@example.org", new_email="ann@example.com"))
    assert (400, "validation_failed") == code(make("signup", "x@example.org"))
    assert (422, "weak_password") == code(make("signup", "x@example.org", password="short"))
    assert (400, "validation_failed") == code(make("sms"))
    assert ["email_changed"] == [letter.kind for letter in house.letters()]


def test_the_log_is_read(house: House) -> None:
    """AU3: newest first, by page, with names; and the look itself is in it."""
    key = service(house)
    house.sign_up()
    found = house.get("admin/audit?per_page=2", as_=key)
    assert ["login", "user_signedup"] == [entry["payload"]["action"] for entry in found.json]
    total = int(found.one("x-total-count") or 0)
    older = house.get("admin/audit?page=2&per_page=2", as_=key)
    assert "admin_read_user" == older.json[0]["payload"]["action"] or total <= 3
    assert "admin_read_user" == house.get("admin/audit", as_=key).json[0]["payload"]["action"]


def test_an_account_administers_with_a_second_factor(house: House) -> None:
    """The role alone is not enough, nor is the second factor alone; an administrator's password is long (PW4)."""
    plain = house.sign_up("ann@example.org")
    assert (403, "not_admin") == code(house.get("admin/users", as_=plain))
    assert (403, "not_admin") == code(house.get("admin/users", as_=lift(house, plain)))
    boss = house.sign_up("boss@example.org")
    give(house, boss, "admin")
    assert (403, "insufficient_aal") == code(house.get("admin/users", as_=boss))
    boss = lift(house, boss)
    assert 200 == house.get("admin/users", as_=boss).status
    assert (401, "no_authorization") == code(house.get("admin/users"))
    short = {"password": "only14letters!"}
    assert (422, "weak_password") == code(house.put("user", short, as_=boss))
    assert (422, "weak_password") == code(house.put(f"admin/users/{boss['user']['id']}", short, as_=service(house)))
    ann = f"admin/users/{plain['user']['id']}"
    assert 200 == house.put(ann, short, as_=boss).status
    assert boss["user"]["id"] == str(events(house, "user_updated_password")[0].actor_id)


def test_nobody_reaches_above_themselves(house: House) -> None:
    """Who may change accounts does not change, enter or sign out those that may do more."""
    boss = hire(house, "boss@example.org")
    house.office.accounts.permissions["support"] = frozenset({"users:read", "users:write", "roles:write"})
    house.office.accounts.permissions["clerk"] = frozenset({"users:read"})
    support = hire(house, "sue@example.org", "support")
    ann = house.sign_up()
    house.prove()
    theirs = f"admin/users/{boss['user']['id']}"
    for method, path, body in (
        ("PUT", theirs, {"password": OTHER}),
        ("DELETE", theirs, {}),
        ("DELETE", f"{theirs}/sessions", None),
        ("DELETE", f"{theirs}/roles/admin", None),
        ("PUT", f"admin/users/{support['user']['id']}/roles/admin", None),
        ("PUT", f"admin/users/{ann['user']['id']}/roles/admin", None),
        ("POST", "admin/generate_link", {"type": "recovery", "email": "boss@example.org"}),
        ("POST", "admin/api-keys", {"name": "x", "role": "service_role"}),
        ("GET", "admin/audit", None),
    ):
        assert (403, "not_admin") == code(house.send(method, path, body, as_=support)), (method, path)
    assert 200 == house.put(f"admin/users/{ann['user']['id']}", {"ban_duration": "1h"}, as_=support).status
    assert 200 == house.put(f"admin/users/{ann['user']['id']}/roles/clerk", as_=support).status
    assert 200 == house.get("user", as_=boss).status


def test_roles_come_from_the_database(house: House) -> None:
    """TK8: a role assigned is in the next session, a role taken makes running tokens stale; metadata gives none."""
    boss = hire(house, "boss@example.org")
    ann = house.sign_up(data={"roles": ["editor"]})
    house.prove()
    path = f"admin/users/{ann['user']['id']}/roles"
    house.rest("POST", "notices", {"text": "hello"}, as_=service(house))
    assert [] == house.rest("GET", "notices", as_=ann).json
    house.clock.turn(seconds=2)
    given = house.put(f"{path}/editor", as_=boss)
    assert [("editor", boss["user"]["id"])] == [(r["role"], r["granted_by"]) for r in given.json["roles"]]
    assert given.json == house.put(f"{path}/editor", as_=boss).json == house.get(path, as_=boss).json
    assert 401 == house.rest("GET", "notices", as_=ann).status
    house.clock.turn(seconds=2)
    assert 400 == house.refresh(ann["refresh_token"]).status
    ann = house.sign_in()
    assert ["hello"] == [row["text"] for row in house.rest("GET", "notices", as_=ann).json]
    house.clock.turn(seconds=2)
    assert {"roles": []} == house.delete(f"{path}/editor", as_=boss).json
    assert 401 == house.rest("GET", "notices", as_=ann).status
    assert (404, "not_found") == code(house.delete(f"{path}/editor", as_=boss))
    for name in ("service_role", "authenticated", "1x", "a%20b", "x" * 64):
        assert (400, "validation_failed") == code(house.put(f"{path}/{name}", as_=boss)), name
    key = service(house)
    house.office.accounts.permissions.update({f"r{number}": frozenset() for number in range(51)})
    statuses = {house.put(f"{path}/r{number}", as_=key).status for number in range(50)}
    assert ({200}, 400) == (statuses, house.put(f"{path}/r50", as_=key).status)
    assert ["role_revoked", "role_granted"] == [
        row.event for row in events(house, "role_granted", "role_revoked") if row.details["role"] == "editor"
    ]


def test_the_last_admin_stays(house: House) -> None:
    """RB4: twenty at once take the role, ban and delete; one account with it is left, on any way."""
    key = service(house)
    ids = []
    for number in range(20):
        session = house.sign_up(f"admin{number}@example.org") if number < 4 else None
        if session is None:
            made = {"email": f"admin{number}@example.org", "email_confirm": True}
            session = {"user": house.post("admin/users", made, as_=key).json}
        give(house, session, "admin")
        ids.append(session["user"]["id"])

    async def all_at_once() -> list[Any]:
        ways = (
            lambda id: house.sending("DELETE", f"admin/users/{id}/roles/admin", as_=key),
            lambda id: house.sending("PUT", f"admin/users/{id}", {"ban_duration": "24h"}, as_=key),
            lambda id: house.sending("DELETE", f"admin/users/{id}", {}, as_=key),
            lambda id: house.sending("DELETE", f"admin/users/{id}", {"should_soft_delete": True}, as_=key),
        )
        return await asyncio.gather(*(ways[number % 4](id) for number, id in enumerate(ids)))

    replies = house.run(all_at_once())
    assert [200] * 19 + [409] == sorted(reply.status for reply in replies)
    (left,) = [id for id, reply in zip(ids, replies, strict=True) if reply.status == 409]
    for reply in (
        house.delete(f"admin/users/{left}/roles/admin", as_=key),
        house.put(f"admin/users/{left}", {"ban_duration": "1h"}, as_=key),
        house.delete(f"admin/users/{left}", {}, as_=key),
    ):
        assert (409, "conflict") == code(reply)
    assert ["admin"] == [r["role"] for r in house.get(f"admin/users/{left}/roles", as_=key).json["roles"]]


def test_no_hash_comes_out(house: House) -> None:
    """PW9: no answer of the admin API has one, whichever way an account is looked at."""
    key = service(house)
    session = house.sign_up()
    id = session["user"]["id"]
    replies = [
        house.get("admin/users", as_=key),
        house.get("admin/users?limit=5", as_=key),
        house.get(f"admin/users/{id}", as_=key),
        house.put(f"admin/users/{id}", {"password": OTHER}, as_=key),
        house.post("admin/users", {"email": "b@example.org", "password": PASSWORD}, as_=key),
        house.post("admin/generate_link", {"type": "magiclink", "email": "b@example.org"}, as_=key),
        house.get("admin/audit", as_=key),
        house.get("admin/api-keys", as_=key),
    ]
    for reply in replies:
        assert 200 == reply.status
        assert b"argon2" not in reply.body
        assert b"password_hash" not in reply.body


@pytest.mark.settings(email_confirmation=True)
def test_an_admins_link_expires(house: House) -> None:
    """SE3: after fifteen minutes; and none is made for an address that somebody else may have signed up with (OA7)."""
    accounts = house.office.accounts
    asked = AuthRequest("", {}, {}, {}, None, Principal(role=SERVICE), Device("", "backstay"))
    made = house.run(appoint(asked, accounts, "boss@example.org"))
    house.clock.turn(minutes=15, seconds=1)
    assert "otp_expired" == follow(house, made["link"])["error_code"]
    house.post("signup", {"email": "ann@example.org", "password": PASSWORD})
    with pytest.raises(AuthError, match="not confirmed"):
        house.run(appoint(asked, accounts, "ann@example.org"))
    key = service(house)
    banned = {"email": "bob@example.org", "email_confirm": True, "ban_duration": "1h"}
    assert 200 == house.post("admin/users", banned, as_=key).status
    with pytest.raises(AuthError, match="banned"):
        house.run(appoint(asked, accounts, "bob@example.org"))
    # Whoever signs up with the address afterwards gets nothing of it.
    house.post("signup", {"email": "boss@example.org", "password": OTHER})
    refused = house.post("token?grant_type=password", {"email": "boss@example.org", "password": OTHER})
    assert (400, "invalid_credentials") == code(refused)


def test_second_factors_are_removed_for_their_owner(house: House) -> None:
    """MF4: seen without secrets; what a factor lifted falls back, its owner is told, and so is the log."""
    key = service(house)
    factor, session = lifted(house, house.sign_up(), "phone")
    path = f"admin/users/{session['user']['id']}"
    listed = house.get(f"{path}/factors", as_=key)
    assert [("phone", "totp", "verified")] == [(f["friendly_name"], f["factor_type"], f["status"]) for f in listed.json]
    assert factor["totp"]["secret"].encode() not in listed.body
    assert [factor["id"]] == [f["id"] for f in house.get(path, as_=key).json["factors"]]
    assert [] == house.get(f"{path}/passkeys", as_=key).json
    body = {"owner_id": session["user"]["id"]}
    assert 201 == house.rest("POST", "vaults", body, as_=session).status
    house.letters()
    assert {"id": factor["id"]} == house.delete(f"{path}/factors/{factor['id']}", as_=key).json
    assert 403 == house.rest("POST", "vaults", body, as_=session).status
    assert "phone" == house.letter("factor_removed").data["factor"]
    assert (404, "mfa_factor_not_found") == code(house.delete(f"{path}/factors/{factor['id']}", as_=key))
    assert (404, "passkey_not_found") == code(house.delete(f"{path}/passkeys/{uuid4()}", as_=key))
    assert ["factors", "user", "passkeys"] == [
        row.details["fields"][0] for row in reversed(events(house, "admin_read_user"))
    ]
    lifted(house, session, "tablet")
    assert 200 == house.delete(path, {"should_soft_delete": True}, as_=key).status
    assert [] == house.run(factors_of(house.store, UUID(session["user"]["id"])))


def test_changes_at_once_wait_for_each_other(house: House) -> None:
    """An administrator and the owner change one account at the same time: all are answered, and nothing is lost."""
    key = service(house)
    session = house.sign_up()
    path = f"admin/users/{session['user']['id']}"

    for number in range(5):
        give(house, session, f"r{number}")

    async def all_at_once() -> list[Any]:
        return await asyncio.gather(
            *(house.sending("PUT", path, {"app_metadata": {f"a{n}": n}}, as_=key) for n in range(5)),
            *(house.sending("PUT", "user", {"data": {f"u{n}": n}}, as_=session) for n in range(5)),
            *(house.sending("PUT", path, {"user_metadata": {f"v{n}": n}}, as_=key) for n in range(5)),
            *(house.sending("DELETE", f"{path}/roles/r{n}", as_=key) for n in range(5)),
            *(
                house.sending("POST", "factors", {"factor_type": "totp", "friendly_name": f"f{n}"}, as_=session)
                for n in range(3)
            ),
        )

    assert {200} == {reply.status for reply in house.run(all_at_once())}
    shown = house.get(path, as_=key).json
    assert {f"a{n}": n for n in range(5)}.items() <= shown["app_metadata"].items()
    assert {f"v{n}": n for n in range(5)}.items() <= shown["user_metadata"].items()
    again = {"ban_duration": "1h", "email": "ann@example.com", "password": OTHER}

    async def ends() -> list[Any]:
        return await asyncio.gather(
            *(house.sending("PUT", path, again, as_=key) for _ in range(4)),
            *(house.sending("POST", "logout?scope=global", as_=session) for _ in range(2)),
            *(house.sending("DELETE", f"{path}/sessions", as_=key) for _ in range(4)),
        )

    assert {reply.status for reply in house.run(ends())} <= {200, 204, 403}
