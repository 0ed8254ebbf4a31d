"""Sign-ins on their way to a third party and back (OA1).

1. What goes through the provider is a state of 256 bits; what is stored is its hash.
2. The state belongs to one browser: a cookie of this one sign-in has a second secret, and both must come back.
3. A state is good once, for five minutes, by one statement (ID4).
4. The PKCE verifier and the nonce are made from the state with a key of the server, so that they are stored nowhere.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hmac import digest
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from backstay.db.own import Own
from backstay.db.store import Transaction
from backstay.request.cookie import read_cookies
from backstay.sql.query import query

LIFETIME: Final = timedelta(minutes=5)
#: From the app's request for a link to the browser that follows it.
TICKET_LIFETIME: Final = timedelta(seconds=60)

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43}")


class OAuthState(Own):
    """A sign-in with a third party that has begun."""

    __tablename__ = "backstay_oauth_states"
    #: SHA-256 of the state; of a ticket, before a browser has taken it up.
    hash: Mapped[bytes] = mapped_column(primary_key=True)
    #: SHA-256 of the cookie; ``None``: a ticket.
    browser_hash: Mapped[bytes | None]
    provider: Mapped[str]
    scopes: Mapped[str]
    #: Where people are sent back to; checked.
    redirect_to: Mapped[str]
    #: The app's own PKCE challenge.
    code_challenge: Mapped[str | None]
    #: The account, and its session, that the identity is to be linked to.
    user_id: Mapped[UUID | None]
    session_id: Mapped[UUID | None]
    #: Who may take the ticket up.
    device: Mapped[str | None]
    expires_at: Mapped[datetime] = mapped_column(index=True)


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody has asked for: a sign-in, or a link to the account *user_id*."""

    provider: str
    scopes: str
    redirect_to: str
    code_challenge: str | None
    user_id: UUID | None = None
    session_id: UUID | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Begun:
    """*state* goes to the provider, *cookie* to the browser."""

    state: str
    cookie: str


@query
def _add(
    hash: bytes,
    browser_hash: bytes | None,
    provider: str,
    scopes: str,
    redirect_to: str,
    code_challenge: str | None,
    user_id: UUID | None,
    session_id: UUID | None,
    device: str | None,
    expires_at: datetime,
) -> sa.Executable:
    return sa.insert(OAuthState).values(
        hash=hash,
        browser_hash=browser_hash,
        provider=provider,
        scopes=scopes,
        redirect_to=redirect_to,
        code_challenge=code_challenge,
        user_id=user_id,
        session_id=session_id,
        device=device,
        expires_at=expires_at,
    )


@query
def _take(hash: bytes, browser_hash: bytes) -> sa.Executable:
    mine = sa.delete(OAuthState).where(OAuthState.hash == hash, OAuthState.browser_hash == browser_hash)
    return mine.returning(*OAuthState.__table__.columns)


@query
def _take_ticket(hash: bytes) -> sa.Executable:
    mine = sa.delete(OAuthState).where(OAuthState.hash == hash, OAuthState.browser_hash.is_(None))
    return mine.returning(*OAuthState.__table__.columns)


@query
def _sweep(before: datetime) -> sa.Executable:
    return sa.delete(OAuthState).where(OAuthState.expires_at < before)


async def begin(tx: Transaction, wish: Wish, now: datetime) -> Begun:
    """Begin a sign-in in one browser; old ones are swept."""
    begun = Begun(secrets.token_urlsafe(32), secrets.token_urlsafe(32))
    # An hour longer than they are good: whoever comes late is sent back, and told so.
    await tx.run(_sweep(now - timedelta(hours=1)))
    await tx.run(_row(wish, begun.state, _hash(begun.cookie), None, now + LIFETIME))
    return begun


async def take(tx: Transaction, state: str, cookie: str) -> Any:
    """The sign-in (row) that *state* and *cookie* belong to, or ``None``; it may have expired, and is gone now."""
    return await tx.one(_take(_hash(state), _hash(cookie)))


async def write_ticket(tx: Transaction, wish: Wish, device: str | None, now: datetime) -> str:
    """A ticket that one browser may take up, of *device* where that is given."""
    ticket = secrets.token_urlsafe(32)
    await tx.run(_row(wish, ticket, None, device, now + TICKET_LIFETIME))
    return ticket


async def take_ticket(tx: Transaction, ticket: str, device: str, now: datetime) -> Wish | None:
    """What *ticket* stands for, once; ``None`` for a stranger's, an old and an unknown one."""
    row = await tx.one(_take_ticket(_hash(ticket)))
    if row is None or row.expires_at <= now or row.device not in (None, device):
        return None
    return Wish(row.provider, row.scopes, row.redirect_to, row.code_challenge, row.user_id, row.session_id)


def verifier_of(key: bytes, state: str) -> str:
    """The PKCE verifier towards the provider (OA2)."""
    return _derived(key, f"verifier:{state}")


def challenge_of(verifier: str) -> str:
    """Its S256 challenge (RFC 7636 §4.2)."""
    return _base64(hashlib.sha256(verifier.encode()).digest())


def nonce_of(key: bytes, state: str) -> str:
    """The nonce that the ID token must have."""
    return _derived(key, f"nonce:{state}")


def is_state(text: str) -> bool:
    return bool(_TOKEN.fullmatch(text))


def cookie_name(state: str, *, secure: bool) -> str:
    """Of each sign-in its own, so that two tabs do not undo each other's."""
    name = f"backstay-oauth-{hashlib.sha256(state.encode()).hexdigest()[:16]}"
    # Browsers take ``__Host-`` cookies from https only, and a desk has http.
    return f"__Host-{name}" if secure else name


def cookie_line(state: str, value: str, *, secure: bool, cross_site: bool) -> bytes:
    """``Set-Cookie``; an empty *value* removes the cookie.

    *cross_site*: the provider's page posts its answer here, and a Lax cookie would stay at home.
    """
    age = int(LIFETIME.total_seconds()) if value else 0
    same_site = "None" if cross_site and secure else "Lax"
    line = f"{cookie_name(state, secure=secure)}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite={same_site}"
    return (line + ("; Secure" if secure else "")).encode()


def cookie_of(headers: Mapping[bytes, bytes], state: str, *, secure: bool) -> str:
    """The cookie of this sign-in, ``""`` without one."""
    cookies = read_cookies(headers.get(b"cookie", b"").decode("latin-1"))
    return cookies.get(cookie_name(state, secure=secure), "")


def _row(wish: Wish, token: str, browser_hash: bytes | None, device: str | None, expires_at: datetime) -> Any:
    return _add(
        _hash(token),
        browser_hash,
        wish.provider,
        wish.scopes,
        wish.redirect_to,
        wish.code_challenge,
        wish.user_id,
        wish.session_id,
        device,
        expires_at,
    )


def _derived(key: bytes, text: str) -> str:
    return _base64(digest(key, text.encode(), "sha256"))


def _base64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()
