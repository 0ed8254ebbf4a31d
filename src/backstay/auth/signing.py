"""The keys that sign access tokens: ES256, made on first run, rotated without losing a session (TK7).

1. A key goes ``standby`` → ``current`` → ``previous`` → ``revoked``.  One is current and one stands by: verifiers
   elsewhere have read it from the JWKS long before the first token is signed with it.
2. What a previous key signed stays good; what a revoked one signed does not, from the next request on.
3. Private halves are sealed with the keyring, and never leave this room.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from joserfc.jwk import ECKey

from backstay.auth.epoch import bump_epoch
from backstay.auth.moment import told
from backstay.auth.tables import SigningKey
from backstay.crypt import Keyring, context_of
from backstay.db.store import Asks, Transaction
from backstay.sql.query import query

STANDBY: Final = "standby"
CURRENT: Final = "current"
PREVIOUS: Final = "previous"
REVOKED: Final = "revoked"

#: What private halves are sealed for.
PURPOSE: Final = "signing-key"


@dataclass(frozen=True, slots=True, repr=False)
class SigningKeys:
    """The keys as they stand: *current* signs, *public* verify (the revoked are not among them)."""

    kid: str
    current: ECKey
    public: tuple[Mapping[str, Any], ...]


@query
def _keys() -> sa.Executable:
    return sa.select(SigningKey).order_by(SigningKey.created_at, SigningKey.kid)


@query
def _add(
    kid: str, state: str, public: dict[str, Any], private: bytes, created_at: datetime, changed_at: datetime
) -> sa.Executable:
    return sa.insert(SigningKey).values(
        kid=kid, state=state, public=public, private=private, created_at=created_at, changed_at=changed_at
    )


@query
def _move(old: str, new: str, now: datetime) -> sa.Executable:
    moved = sa.update(SigningKey).where(SigningKey.state == old).values(state=new, changed_at=now)
    return moved.returning(SigningKey.kid)


@query
def _revoke(kid: str, now: datetime) -> sa.Executable:
    taken = sa.update(SigningKey).where(SigningKey.kid == kid, SigningKey.state.in_((STANDBY, PREVIOUS)))
    return taken.values(state=REVOKED, changed_at=now).returning(SigningKey.kid)


async def load_keys(asks: Asks, keyring: Keyring) -> SigningKeys | None:
    """The keys in the database; ``None`` before the first run.

    Raises:
        Unsealable: when the key they were sealed with is no longer on the ring.
    """
    rows = await asks.all(_keys())
    current = next((row for row in rows if row.state == CURRENT), None)
    if current is None:
        return None
    private = keyring.open_sealed(current.private, purpose=PURPOSE, context=context_of_key(current.kid))
    return SigningKeys(
        current.kid,
        ECKey.import_key(json.loads(private)),
        tuple(row.public for row in rows if row.state != REVOKED),
    )


async def current_kid(asks: Asks) -> str:
    """The key that signs; `ensure_keys` has made one."""
    return next(str(row.kid) for row in await asks.all(_keys()) if row.state == CURRENT)


async def list_keys(asks: Asks) -> list[dict[str, Any]]:
    """Every key without its private half, the oldest first."""
    return [
        {"kid": row.kid, "state": row.state, "created_at": told(row.created_at), "changed_at": told(row.changed_at)}
        for row in await asks.all(_keys())
    ]


async def ensure_keys(transaction: Transaction, keyring: Keyring, now: datetime) -> None:
    """Make the first two keys, unless there are some."""
    # Whoever comes first holds the row until the keys are there; the others find them.
    await bump_epoch(transaction)
    if not await transaction.all(_keys()):
        await _make(transaction, keyring, CURRENT, now)
        await _make(transaction, keyring, STANDBY, now)


async def rotate_keys(transaction: Transaction, keyring: Keyring, now: datetime) -> None:
    """Let the standby key sign from now on; what the current one signed stays good."""
    await bump_epoch(transaction)
    await transaction.run(_move(CURRENT, PREVIOUS, now))
    await transaction.run(_move(STANDBY, CURRENT, now))
    await _make(transaction, keyring, STANDBY, now)


async def revoke_key(transaction: Transaction, kid: str, now: datetime) -> bool:
    """Take a previous or standby key out of use: no token it signed is good any more.  False: it is none of those."""
    await bump_epoch(transaction)
    return await transaction.one(_revoke(kid, now)) is not None


async def _make(transaction: Transaction, keyring: Keyring, state: str, now: datetime) -> None:
    key = ECKey.generate_key("P-256", private=True)
    kid = key.thumbprint()
    named = {"kid": kid, "alg": "ES256", "use": "sig"}
    private = json.dumps(key.as_dict(private=True)).encode()
    sealed = keyring.seal(private, purpose=PURPOSE, context=context_of_key(kid))
    await transaction.run(_add(kid, state, {**key.as_dict(private=False), **named}, sealed, now, now))


def context_of_key(kid: str) -> str:
    """Where the private half of *kid* belongs."""
    return context_of(SigningKey.__tablename__, "private", kid)
