"""API keys: made once, kept as hashes, bounded, revoked everywhere."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from backstay.auth.admin.apikeys import KeyParams, check_key
from backstay.auth.apikey import is_whole, key_by_id
from backstay.auth.refusal import AuthError
from backstay.auth.routes import ROUTES
from tests.accounts.house import Clock, House, make_app
from tests.accounts.staff import events, fingerprint, hire, path_of, service


def make(house: House, **more: Any) -> dict[str, Any]:
    body = {"name": "backup", "role": "service_role", **more}
    reply = house.post("admin/api-keys", body, as_=service(house))
    assert 200 == reply.status, reply.body
    return dict(reply.json)


def status(house: House, key: str, **named: Any) -> int:
    return int(house.rest("GET", "secrets", headers={"apikey": key}, **named).status)


#: What becomes of an account that has made keys, with what makes it as it was; ``None``: nothing does.
Fate = tuple[Callable[[House, str], Any], Callable[[House, str], Any] | None]


def asked(method: str, path: str, body: Any = None) -> Callable[[House, str], Any]:
    """The operator's request about the account."""

    def ask(house: House, id: str) -> Any:
        reply = house.send(method, f"admin/users/{id}{path}", body, as_=service(house))
        assert reply.status < 300, reply.body

    return ask


FATES: dict[str, Fate] = {
    "role taken": (asked("DELETE", "/roles/admin"), asked("PUT", "/roles/admin?empty=true")),
    "ban": (asked("PUT", "", {"ban_duration": "24h"}), asked("PUT", "", {"ban_duration": "none"})),
    "a ban that ends": (
        asked("PUT", "", {"ban_duration": "24h"}),
        lambda house, id: house.clock.turn(hours=25),
    ),
    "deletion": (asked("DELETE", "", {}), None),
    "soft deletion": (asked("DELETE", "", {"should_soft_delete": True}), None),
}


@pytest.mark.parametrize("fate", FATES)
def test_a_key_may_no_more_than_its_maker(house: House, fate: str) -> None:
    """S4: a secret key is good while the account that made it may make it, and a publishable one serves on."""
    hire(house, "other@example.org")
    boss = hire(house, "boss@example.org")
    # Whoever gets a role back keeps what is surely theirs.
    house.prove("boss@example.org")
    body = {"name": "job", "role": "service_role"}
    made = house.post("admin/api-keys", body, as_=boss)
    public = house.post("admin/api-keys", {**body, "role": "anon"}, as_=boss)
    operators = make(house)["api_key"]
    assert (200, 200) == (made.status, public.status)
    keys = (made.json["api_key"], public.json["api_key"], operators)
    nobody = house.rest("GET", "secrets").status
    assert [200, nobody, 200] == [status(house, key) for key in keys]
    happens, undone = FATES[fate]
    happens(house, boss["user"]["id"])
    assert [401, nobody, 200] == [status(house, key) for key in keys]
    if undone is not None:
        undone(house, boss["user"]["id"])
        assert [200, nobody, 200] == [status(house, key) for key in keys]


def test_a_key_is_shown_once(house: House) -> None:
    """TK9: 256 bits, a prefix and a checksum; at rest a SHA-256, in the list its beginning."""
    made = make(house)
    key = made["api_key"]
    assert (True, True) == (key.startswith("sb_secret_"), is_whole(key))
    assert 32 * 4 / 3 < len(key.removeprefix("sb_secret_")) - 9 + 1
    row = house.run(house.store.one(key_by_id(UUID(made["id"]))))
    assert (fingerprint(key), key[:14]) == (row.hash.hex(), row.hint)
    assert key not in repr(row)
    listed = house.get("admin/api-keys", as_=service(house))
    assert [made["id"]] == [shown["id"] for shown in listed.json["api_keys"]]
    assert key.encode() not in listed.body
    (event,) = events(house, "api_key_created")
    assert (made["id"], "service_role", ["read", "write"]) == (
        event.subject,
        event.details["role"],
        event.details["scopes"],
    )
    assert key not in repr(event)


def test_a_key_acts_for_its_role(house: House) -> None:
    """As ``apikey`` and as bearer, beside keys in the old form; a person's token outranks it."""
    key = make(house)["api_key"]
    ann = house.sign_up()
    house.rest("POST", "secrets", {"owner_id": ann["user"]["id"], "text": "x"}, as_=ann)
    for headers in ({"apikey": key}, {"authorization": f"Bearer {key}"}, {"apikey": service(house)}):
        assert ["x"] == [row["text"] for row in house.rest("GET", "secrets", headers=headers).json]
    assert 200 == house.get("admin/users", headers={"apikey": key}).status
    both = house.rest("GET", "secrets", headers={"apikey": key}, as_=house.sign_up("bob@example.org"))
    assert [] == both.json
    public = make(house, role="anon")["api_key"]
    assert public.startswith("sb_publishable_")
    nobody = house.rest("GET", "secrets").json
    assert nobody == house.rest("GET", "secrets", headers={"apikey": public}).json
    assert 401 == house.get("admin/users", headers={"apikey": public}).status
    # TK9: who opens a page has what it sends.
    page = {"apikey": key, "origin": "https://app.example.org"}
    assert (401, 403) == (
        house.rest("GET", "secrets", headers=page).status,
        house.get("admin/users", headers=page).status,
    )
    assert nobody == house.rest("GET", "secrets", headers={**page, "apikey": public}).json


def test_a_browser_is_refused_everywhere(house: House) -> None:
    """S12: a secret key with what a page cannot leave out, and without an Origin, on every surface."""
    page = {"apikey": make(house)["api_key"], "sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}
    asked = [("GET", "secrets"), ("POST", "secrets"), ("POST", "batch"), ("POST", "rpc/nothing"), ("GET", "")]
    assert [401] * 5 == [house.rest(method, path, {}, headers=page).status for method, path in asked]
    admin = ("admin/users", "admin/api-keys")
    assert [403] * 2 == [house.get(path, headers=page).status for path in admin]
    assert 200 == house.get("admin/users", headers={"apikey": page["apikey"], "sec-fetch-mode": "cors"}).status


def test_keys_have_their_own_answers(house: House) -> None:
    """S8: two API keys of one role do not share the answers of an Idempotency-Key; a publishable one has none."""
    one, two = make(house)["api_key"], make(house, name="other")["api_key"]
    body = {"owner_id": str(uuid4()), "text": "kept"}

    def send(key: str) -> Any:
        headers = {"apikey": key, "idempotency-key": "k", "prefer": "return=representation"}
        return house.rest("POST", "secrets", body, headers=headers)

    first, second, third = send(one), send(two), send(one)
    assert [201] * 3 == [first.status, second.status, third.status]
    assert (True, False) == (first.body == third.body, first.body == second.body)
    public = send(make(house, role="anon")["api_key"])
    assert (400, "BST400") == (public.status, public.code)


def test_a_reading_key_writes_nothing(house: House) -> None:
    """RB5: neither rows nor calls nor accounts, alone or beside a person's token."""
    key = make(house, scopes=["read"])["api_key"]
    ann = house.sign_up()
    alone = {"apikey": key}
    body = {"owner_id": ann["user"]["id"], "text": "x"}
    assert (200, 200) == (status(house, key), house.get("admin/users", headers=alone).status)
    for method, path in (
        ("POST", "secrets"),
        ("PATCH", "secrets?id=eq.1"),
        ("PUT", "secrets?id=eq.1"),
        ("DELETE", "secrets"),
        ("POST", "rpc/anything"),
        ("POST", "batch"),
        ("POST", ""),
    ):
        refused = house.rest(method, path, body, headers=alone)
        assert (403, "42501", "The API key may only read") == (
            refused.status,
            refused.json["code"],
            refused.json["message"],
        ), (method, path)
    for route in ROUTES:
        if route.who == "admin" and route.method != "GET":
            path = path_of(route)
            refused = house.send(route.method, path, {}, headers=alone)
            assert (403, "not_admin") == (refused.status, refused.json["code"]), route.path
    assert 403 == house.rest("POST", "secrets", body, headers=alone, as_=ann).status
    assert 201 == house.rest("POST", "secrets", body, as_=ann).status


def test_a_key_ends(house: House) -> None:
    """By its date, or by revocation, which other workers see within a second (TK5)."""
    short = make(house, expires_at=(house.clock() + timedelta(hours=1)).isoformat())
    made = make(house)
    other = make_app(house.app._given.database)  # type: ignore[union-attr]
    other._now = house.clock
    house.run(other._start())
    try:
        there = House(other, house.loop, house.clock, house.kind)
        assert {200} == {
            status(house, short["api_key"]),
            status(there, short["api_key"]),
            status(there, made["api_key"]),
        }
        house.clock.turn(hours=1)
        assert {401} == {status(house, short["api_key"]), status(there, short["api_key"])}
        gone = f"admin/api-keys/{made['id']}"
        assert 204 == house.delete(gone, as_=service(house)).status
        assert 401 == status(house, made["api_key"])
        # The other process looks when what it knows is older than a second.
        assert there.office is not None
        there.office.trust.expire()
        assert 401 == status(there, made["api_key"])
        assert 404 == house.delete(gone, as_=service(house)).status
        assert 404 == house.delete(f"admin/api-keys/{uuid4()}", as_=service(house)).status
        assert 400 == house.delete("admin/api-keys/x", as_=service(house)).status
        assert 1 == len(events(house, "api_key_revoked"))
    finally:
        house.run(other._stop())


def test_the_last_use_is_shown(house: House) -> None:
    """Noted once a minute, and when the app ends; never by the request itself."""
    made = make(house)
    status(house, made["api_key"])

    def shown() -> Any:
        (found,) = house.get("admin/api-keys", as_=service(house)).json["api_keys"]
        return found["last_used_at"]

    assert shown() is None
    house.run(house.office.note_uses())
    assert "2026-11-21T12:00:00Z" == shown()
    house.clock.turn(minutes=5)
    status(house, made["api_key"])
    house.run(house.office.note_uses())
    house.run(house.office.note_uses())
    assert "2026-11-21T12:05:00Z" == shown()


@pytest.mark.parametrize(
    "bad",
    [
        {"name": " "},
        {"name": "x" * 101},
        {"name": "a\nb"},
        {"role": "authenticated"},
        {"role": "nobody_knows"},
        {"scopes": ["write"]},
        {"scopes": ["admin"]},
        {"expires_at": "2026-11-21T11:00:00Z"},
        {"expires_at": "2026-11-22T11:00:00"},
        {"expires_at": "soon"},
    ],
)
def test_what_is_no_key(bad: dict[str, Any]) -> None:
    """Refused in words."""
    roles = frozenset({"anon", "authenticated", "service_role"})
    with pytest.raises((AuthError, msgspec.ValidationError)):
        check_key(msgspec.convert({"name": "x", "role": "anon", **bad}, KeyParams), roles, Clock()())


def test_an_account_makes_keys(house: House) -> None:
    """With its name on them."""
    boss = hire(house, "boss@example.org")
    made = house.post("admin/api-keys", {"name": "of the boss", "role": "service_role"}, as_=boss)
    assert (200, boss["user"]["id"]) == (made.status, made.json["created_by"])
    house.clock.turn(seconds=1)
    read = house.get("admin/users", headers={"apikey": made.json["api_key"]})
    assert 200 == read.status
    assert made.json["id"] == str(events(house, "admin_read_user")[0].actor_id)


def test_a_key_that_another_process_made_is_good_at_once(house: House) -> None:
    """What nobody here knows is looked for before it is refused, though not more than fifty times a second."""
    trust = house.office.trust
    status(house, "")
    key = make(house)["api_key"]
    # As if it had been made elsewhere: this process looked before that, and need not look again yet.
    trust._looked_at = trust._timer()
    assert 401 == status(house, key)
    trust._looked_at = trust._timer() - 0.1
    assert not trust.is_stale
    assert 200 == status(house, key)
    other = make(house)["api_key"]
    trust._looked_at = trust._timer() - 0.1
    assert 200 == house.get("admin/users", headers={"apikey": other}).status
