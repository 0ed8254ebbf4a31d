"""Whoever administers in tests: the service role, and accounts with roles and a second factor."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from joserfc import jwt
from joserfc.jwk import OctKey

from backstay.audit.read import Wanted, newest
from backstay.auth.route import Route
from backstay.auth.session import Device, session_by_id, start_session
from backstay.auth.tables import RoleAssignment
from backstay.sql.query import query
from tests.accounts.house import SECRET, House
from tests.accounts.test_mails import claims


def service(house: House, role: str = "service_role") -> str:
    """A key in the old form: a JWT of the shared secret."""
    now = house.clock()
    told = {"role": role, "iat": int(now.timestamp()), "exp": int((now + timedelta(days=3650)).timestamp())}
    return jwt.encode({"alg": "HS256", "typ": "JWT"}, told, OctKey.import_key(SECRET), algorithms=["HS256"])


@query
def _role(user_id: UUID, role: str, granted_at: datetime) -> Any:
    return sa.insert(RoleAssignment).values(user_id=user_id, role=role, granted_at=granted_at)


def give(house: House, session: dict[str, Any], role: str) -> None:
    """Assign *role* to the account past the API, as if it had always had it: sessions and tokens go on."""
    id, now = UUID(session["user"]["id"]), house.clock()
    house.run(house.store.transact(lambda tx: tx.run(_role(id, role, now))))
    house.office.trust.expire()


def lift(house: House, session: dict[str, Any]) -> dict[str, Any]:
    """The session that a second factor makes of this one."""
    accounts = house.office.accounts

    async def step(tx: Any) -> Any:
        old = await tx.one(session_by_id(UUID(claims(session)["session_id"])))
        return await start_session(
            tx,
            accounts.options,
            user_id=old.user_id,
            method="totp",
            device=Device("192.0.2.7", "tests"),
            now=house.clock(),
            step_up=old,
            factor_id=uuid4(),
        )

    opened = house.run(house.store.transact(step))
    house.office.trust.expire()
    return dict(house.run(accounts.session_json(opened)))


def hire(house: House, email: str, role: str = "admin") -> dict[str, Any]:
    """A session with a second factor of a new account that has *role*."""
    session = house.sign_up(email)
    give(house, session, role)
    return lift(house, session)


def path_of(route: Route, **named: Any) -> str:
    """The path of *route* with *named* in it; ids else are nobody's."""
    return re.sub(r"\{(\w+)\}", lambda m: str(named.get(m[1], "editor" if m[1] == "role" else uuid4())), route.path)


def events(house: House, *names: str) -> list[Any]:
    """Rows of the audit log of these kinds, the newest first."""
    return [row for row in house.run(newest(house.store, Wanted(), 500)) if row.event in names]


def fingerprint(key: str) -> str:
    """What is kept of a key, in digits."""
    return hashlib.sha256(key.encode()).hexdigest()
