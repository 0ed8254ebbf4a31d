"""A10: no sequence of removals leaves an account that nobody can sign in to; and ids of deleted accounts stay theirs."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from backstay.auth.gone import Gone, gone_account
from backstay.auth.user import add_identity
from backstay.db.own import Own
from backstay.db.statement import Statement
from tests.accounts.authenticator import Authenticator
from tests.accounts.house import House
from tests.accounts.staff import events, hire, service
from tests.accounts.test_factors import refusal
from tests.accounts.test_passkeys import register, sign_in

PARTY = {"client_id": "backstay", "client_secret": "secret", "issuer": "https://id.example.org", "trusted": True}
SITE: dict[str, Any] = {"site_url": "https://app.example.org", "rate_limits": "off", "anonymous_sign_ins": True}
pytestmark = pytest.mark.settings(**SITE, providers=json.dumps({"corp": PARTY}))


def identity(house: House, session: Any, provider: str = "corp") -> str:
    """Link an identity, past the provider; its id."""
    id, user_id, now = uuid4(), UUID(session["user"]["id"]), house.clock()
    subject = uuid4().hex
    house.run(house.store.transact(lambda tx: tx.run(add_identity(id, user_id, provider, subject, {}, None, now))))
    return str(id)


def nobody(house: House) -> Any:
    """A session of an account without an address or a password."""
    reply = house.post("signup", {})
    assert 200 == reply.status, reply.body
    return reply.json


def passkey(house: House, session: Any) -> tuple[str, Any]:
    """A new passkey's id, and the session that it opens."""
    key = Authenticator(count=1)
    made = register(house, session, key)
    assert 200 == made.status, made.body
    return made.json["id"], sign_in(house, key).json


@pytest.mark.parametrize("order", ["identity first", "passkey first"])
def test_the_last_way_stays(house: House, order: str) -> None:
    """A10, OA10: after the identity the passkey stays, and after the passkey the identity."""
    session = nobody(house)
    linked = f"user/identities/{identity(house, session)}"
    key, session = passkey(house, session)
    paths = [linked, f"passkeys/{key}"] if order == "identity first" else [f"passkeys/{key}", linked]
    assert (200 if order == "identity first" else 204) == house.delete(paths[0], as_=session).status
    assert (422, "single_identity_not_deletable") == refusal(house.delete(paths[1], as_=session))
    # A second one may go.
    if order == "identity first":
        other, _ = passkey(house, session)
        assert 204 == house.delete(f"passkeys/{other}", as_=session).status
        assert (422, "single_identity_not_deletable") == refusal(house.delete(f"passkeys/{key}", as_=session))


def test_both_at_once(house: House) -> None:
    """A10: of an unlinking and a removal at the same moment one is refused."""
    session = nobody(house)
    linked = identity(house, session)
    key, session = passkey(house, session)

    async def at_once() -> list[Any]:
        return await asyncio.gather(
            house.sending("DELETE", f"user/identities/{linked}", as_=session),
            house.sending("DELETE", f"passkeys/{key}", as_=session),
        )

    statuses = sorted(reply.status for reply in house.run(at_once()))
    assert statuses in ([200, 422], [204, 422])


def test_an_identity_of_a_provider_that_is_no_more_is_no_way(house: House) -> None:
    """A10: the app no longer has it, so nobody can come in by it."""
    session = nobody(house)
    identity(house, session, "retired")
    key, session = passkey(house, session)
    assert (422, "single_identity_not_deletable") == refusal(house.delete(f"passkeys/{key}", as_=session))


def test_a_password_is_a_way(house: House) -> None:
    """A10: with it the only passkey may go; what is not there is not found, however few ways there are."""
    session = house.sign_up()
    key, session = passkey(house, session)
    assert 204 == house.delete(f"passkeys/{key}", as_=session).status
    alone = nobody(house)
    assert (404, "passkey_not_found") == refusal(house.delete(f"passkeys/{key}", as_=alone))


def test_an_administrator_may_take_the_last_one_and_the_log_says_so(house: House) -> None:
    """A10: for who has lost it; the address is left to come in by, or nothing is."""
    session = nobody(house)
    key, _ = passkey(house, session)
    path = f"admin/users/{session['user']['id']}/passkeys/{key}"
    assert 204 == house.delete(path, as_=service(house)).status
    (event,) = events(house, "passkey_removed")
    assert {"passkey_id": key, "ways_left": 0} == event.details


@pytest.mark.parametrize("by", ["service", "users:write"])
def test_nobody_gets_the_id_of_a_deleted_account(house: House, by: str) -> None:
    """A12: its rows would be theirs; an id that never was an account's may be chosen."""
    asker: Any = service(house) if by == "service" else hire(house, "boss@example.org")
    gone = house.sign_up("gone@example.org")["user"]["id"]
    assert 200 == house.delete(f"admin/users/{gone}", {}, as_=asker).status
    for id in (gone, gone.upper(), gone.replace("-", "")):
        body = {"id": id, "email": "new@example.org", "email_confirm": True}
        assert (409, "conflict") == refusal(house.post("admin/users", body, as_=asker))
    free = str(uuid4())
    made = house.post("admin/users", {"id": free, "email": "new@example.org"}, as_=asker)
    assert (200, free) == (made.status, made.json["id"])
    soft = house.sign_up("soft@example.org")["user"]["id"]
    assert 200 == house.delete(f"admin/users/{soft}", {"should_soft_delete": True}, as_=asker).status
    body = {"id": soft, "email": "other@example.org"}
    assert (409, "conflict") == refusal(house.post("admin/users", body, as_=asker))


def test_deletions_before_there_was_a_list_are_remembered(house: House) -> None:
    """A12: the audit log knows them; the table is filled when it is made."""
    if house.kind == "sqlite":
        pytest.skip("the app's own connections drop no table there; `_recall` is the same")
    gone = house.sign_up("gone@example.org")["user"]["id"]
    soft = house.sign_up("soft@example.org")["user"]["id"]
    assert 200 == house.delete(f"admin/users/{gone}", {}, as_=service(house)).status
    assert 200 == house.delete(f"admin/users/{soft}", {"should_soft_delete": True}, as_=service(house)).status
    house.run(house.store.database.fetch(Statement(f"DROP TABLE {Gone.__tablename__}")))
    house.run(house.store.database.create_tables(Own.metadata))
    assert house.run(house.store.one(gone_account(UUID(gone)))) is not None
    assert house.run(house.store.one(gone_account(UUID(soft)))) is None
