"""ID tokens that were brought by somebody and used: each is good once (RFC 8725 §3.10, A12)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from backstay.auth.oauth.idtoken import SKEW_SECONDS, signing_input_hash
from backstay.auth.refusal import invalid
from backstay.db.own import Own
from backstay.db.store import Transaction
from backstay.sql.query import query

#: The last moment that every database can hold; a token may say that it is good for longer.
_LAST: Final = datetime(9999, 1, 1, tzinfo=UTC)


class SpentToken(Own):
    """An ID token that has opened a session, as a hash of what was signed."""

    __tablename__ = "backstay_spent_tokens"
    hash: Mapped[bytes] = mapped_column(primary_key=True)
    #: When it is refused anyway.
    ends_at: Mapped[datetime] = mapped_column(index=True)


@query
def _sweep(now: datetime) -> sa.Executable:
    return sa.delete(SpentToken).where(SpentToken.ends_at <= now)


@query
def _spend(hash: bytes, ends_at: datetime) -> sa.Executable:
    # SQLite took this form of INSERT from PostgreSQL, and SQLAlchemy's SQLite compiler writes it.
    new = insert(SpentToken).values(hash=hash, ends_at=ends_at)
    return new.on_conflict_do_nothing().returning(SpentToken.hash)


async def use_up(tx: Transaction, token: str, exp: float, now: datetime) -> None:
    """Note that *token*, which is good until *exp* (seconds since 1970), opens a session in this transaction.

    Raises:
        AuthError: validation_failed, where it has opened one.
    """
    ends_at = now + timedelta(seconds=min(exp - now.timestamp(), (_LAST - now).total_seconds()) + SKEW_SECONDS)
    await tx.run(_sweep(now))
    if await tx.one(_spend(signing_input_hash(token), ends_at)) is None:
        raise invalid("The ID token was used already")
