"""Lists of the accounts API come in pages, and one that is too heavy is refused before it is read (S11)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import pytest

from backstay.audit import SYSTEM, Event
from backstay.auth.apikey import add_key
from backstay.auth.session import Device, start_session
from backstay.auth.user import add_identity
from backstay.db.store import Store
from tests.accounts.house import House
from tests.accounts.staff import events, service

#: As few bytes as the setting takes.
SMALL = pytest.mark.settings(rate_limits="off", max_answer_bytes=65_536)


def links(reply: Any) -> tuple[str | None, str | None]:
    headers = {name: value.decode() for name, value in reply.headers}
    return headers.get(b"x-total-count"), headers.get(b"link")


def keys(house: House, count: int, name: str = "n") -> None:
    async def make(tx: Any) -> None:
        for number in range(count):
            key = f"sb_secret_{uuid4().hex}"
            told = {"role": "service_role", "scopes": ["read"], "created_by": None, "expires_at": None}
            await add_key(tx, uuid4(), key, name=f"{name}{number}", now=house.clock(), **told)

    house.run(house.store.transact(make))


def sessions(house: House, user_id: str, count: int) -> None:
    async def make(tx: Any) -> None:
        for _ in range(count):
            device = Device("192.0.2.7", "x" * 500)
            options = house.office.accounts.options
            now = house.clock()
            await start_session(tx, options, user_id=UUID(user_id), method="password", device=device, now=now)

    house.run(house.store.transact(make))


def noted(house: House, count: int) -> None:
    told = {"before": "x" * 400, "fingerprint": "y"}
    made = [Event("policy_changed", house.clock(), SYSTEM, details=told) for _ in range(count)]
    house.run(house.store.transact(lambda tx: house.office.accounts.audit(tx, *made)))


def test_keys_come_in_pages(house: House) -> None:
    """S11: as many as are asked for, with the total and the numbers of other pages in GoTrue's headers."""
    key = service(house)
    keys(house, 3)
    first = house.get("admin/api-keys?per_page=2", as_=key)
    assert (2, ("3", '</admin/api-keys?page=2&per_page=2>; rel="next", </admin/api-keys?page=2&per_page=2>; rel="last"')) == (
        len(first.json["api_keys"]), links(first)
    )  # fmt: skip
    second = house.get("admin/api-keys?per_page=2&page=2", as_=key)
    assert ("3", '</admin/api-keys?page=2&per_page=2>; rel="last"') == links(second)
    assert 3 == len({one["id"] for one in first.json["api_keys"] + second.json["api_keys"]})
    assert [] == house.get("admin/api-keys?page=3&per_page=2", as_=key).json["api_keys"]
    keys(house, 60)
    assert 50 == len(house.get("admin/api-keys", as_=key).json["api_keys"])
    assert 400 == house.get("admin/api-keys?page=x", as_=key).status


@pytest.mark.settings(rate_limits="off")
def test_sessions_come_in_pages(house: House) -> None:
    """S11: one's own and those of an account alike; what is ended need not be on a page."""
    mine = house.sign_up()
    house.clock.turn(minutes=1)
    sessions(house, mine["user"]["id"], 2)
    for path, caller in (("sessions", mine), (f"admin/users/{mine['user']['id']}/sessions", service(house))):
        pages = [house.get(f"{path}?per_page=2&page={page}", as_=caller) for page in (1, 2, 3)]
        assert [2, 1, 0] == [len(page.json["sessions"]) for page in pages]
        last = f'</{path}?page=2&per_page=2>; rel="last"'
        assert [("3", f"{last.replace('last', 'next')}, {last}"), ("3", last), ("3", last)] == list(map(links, pages))
    last = house.get("sessions?per_page=1&page=3", as_=mine).json["sessions"][0]
    assert last["current"]
    sessions(house, mine["user"]["id"], 60)
    assert 50 == len(house.get("sessions", as_=mine).json["sessions"])
    assert 204 == house.delete(f"sessions/{last['id']}", as_=mine).status


def heavy_users(house: House) -> str:
    for number in range(6):
        body = {"email": f"u{number}@example.org", "user_metadata": {"a": "x" * 15_000}, "email_confirm": True}
        assert 200 == house.post("admin/users", body, as_=service(house)).status
    return "admin/users"


def heavy_cursor(house: House) -> str:
    return heavy_users(house) + "?limit=50"


def heavy_keys(house: House) -> str:
    keys(house, 500, "n" * 90)
    return "admin/api-keys?per_page=500"


def heavy_log(house: House) -> str:
    noted(house, 300)
    return "admin/audit?per_page=300"


def heavy_sessions(house: House) -> str:
    id = house.sign_up()["user"]["id"]
    sessions(house, id, 200)
    return f"admin/users/{id}/sessions?per_page=200"


@SMALL
@pytest.mark.parametrize("fill", [heavy_users, heavy_cursor, heavy_keys, heavy_log, heavy_sessions])
def test_a_page_that_is_too_heavy_is_not_read(
    house: House, monkeypatch: pytest.MonkeyPatch, fill: Callable[[House], str]
) -> None:
    """S11: it is 413 by its own name, says what to do, and no row of it has left the database."""
    path = fill(house)
    few = path.partition("?")[0] + ("?limit=2" if "limit=" in path else "?per_page=2")
    assert 200 == house.get(few, as_=service(house)).status
    seen = len(events(house, "admin_read_user"))

    async def nothing(self: Store, asked: Any) -> Any:
        raise AssertionError(f"{asked.query} was read")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "all", nothing)
        reply = house.get(path, as_=service(house))
    assert (413, "answer_too_large") == (reply.status, reply.json["code"])
    assert "larger than 65536 bytes" in reply.json["message"]
    assert "per_page" in reply.json["message"]
    assert seen == len(events(house, "admin_read_user"))


@SMALL
def test_a_page_that_keys_and_quotes_make_too_large(house: House) -> None:
    """S11: its rows are light enough, and the list is not: the same refusal, and nothing is in the log."""
    id = house.sign_up()["user"]["id"]
    sessions(house, id, 200)
    sizes = range(70, 200, 5)
    statuses = [house.get(f"admin/users/{id}/sessions?per_page={size}", as_=service(house)).status for size in sizes]
    assert 1 == sum(one != other for one, other in pairwise(statuses))
    assert (200, 413) == (statuses[0], statuses[-1])


@SMALL
def test_what_is_told_of_an_effect_is_not_refused(house: House) -> None:
    """S11: one account, however much it says of itself, is answered: a sign-in has happened when it is told."""
    told = {"a": "€" * 5_400}
    body = {"email": "ann@example.org", "password": "x" * 20, "user_metadata": told, "app_metadata": told}
    made = house.post("admin/users", body, as_=service(house))
    assert (200, True) == (made.status, len(made.body) > 30_000)
    session = house.sign_in("ann@example.org", "x" * 20)

    async def more(tx: Any) -> None:
        for number in range(4):
            user_id = UUID(made.json["id"])
            await tx.run(
                add_identity(uuid4(), user_id, "corp", str(number), {"name": "€" * 4_000}, None, house.clock())
            )

    house.run(house.store.transact(more))
    assert len(house.get("user", as_=session).body) > 65_536
    assert "access_token" in house.sign_in("ann@example.org", "x" * 20)
    assert (200, True) == ((reply := house.get("openapi.json")).status, len(reply.body) > 65_536)
