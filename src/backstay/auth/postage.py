"""Links and codes on their way into a mail.

A mail is decided on in the transaction of what it is about, and costs the same whether or not there is an account to
write to: for an address without one the same statements run, for nobody (TH5).
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

from backstay.auth.accounts import Accounts
from backstay.auth.otp import Secret, issue
from backstay.db.store import Transaction
from backstay.mail import Kind, Letter

#: An invitation is read when its reader comes to it; there is no code to guess in it.
INVITE_LIFETIME: Final = timedelta(days=1)

#: Kinds of one-time tokens: the ``type`` of the link, and the letter that carries it.
_LETTERS: Final[dict[str, tuple[str, Kind]]] = {
    "signup": ("signup", "confirmation"),
    "invite": ("invite", "invite"),
    "magiclink": ("magiclink", "magic_link"),
    "recovery": ("recovery", "recovery"),
    "email_change_current": ("email_change", "email_change"),
    "email_change_new": ("email_change", "email_change"),
    "reauthentication": ("reauthentication", "reauthentication"),
}


def link(accounts: Accounts, token: str, type_: str, redirect_to: str) -> str:
    """What the mail's reader follows; WB6: never made from the request's Host."""
    query = f"token={token}&type={type_}&redirect_to={quote(redirect_to, safe='')}"
    return f"{accounts.options.public_url}/auth/v1/verify?{query}"


async def post(
    tx: Transaction,
    accounts: Accounts,
    user: Any,
    kind: str,
    redirect_to: str,
    now: datetime,
    *,
    address: str | None = None,
    flow_id: UUID | None = None,
    session_id: UUID | None = None,
    send: Callable[[Transaction, Letter], Awaitable[None]] | None = None,
    **more: str,
) -> None:
    """Issue a token of *kind* for the account *user* (row), and send it to its address, or to *address*."""
    to = address or user.email
    lifetime = _lifetime(accounts, kind)
    minutes = max(1, lifetime // timedelta(minutes=1))
    secret = await issue_for(tx, accounts, user.id, kind, to, redirect_to, now, flow_id, session_id)
    type_, letter = _LETTERS[kind]
    data = {"code": secret.code, "minutes": str(minutes), "email": to, "site_name": accounts.options.site_name}
    if kind != "reauthentication":
        data["link"] = link(accounts, secret.token, type_, redirect_to)
    if kind == "invite":
        # The code is good for ten minutes at most, and the letter says a day.
        del data["code"]
    await (send or accounts.send)(tx, Letter(to, letter, user.locale or "", data | more))


def _lifetime(accounts: Accounts, kind: str) -> timedelta:
    return INVITE_LIFETIME if kind == "invite" else timedelta(seconds=accounts.options.otp_seconds)


async def issue_for(
    tx: Transaction,
    accounts: Accounts,
    user_id: UUID,
    kind: str,
    address: str,
    redirect_to: str,
    now: datetime,
    flow_id: UUID | None = None,
    session_id: UUID | None = None,
) -> Secret:
    """A token of *kind* with the lifetime that the operator chose."""
    return await issue(
        tx,
        accounts.otp_key,
        user_id=user_id,
        kind=kind,
        address=address,
        now=now,
        lifetime=_lifetime(accounts, kind),
        redirect_to=redirect_to,
        flow_state_id=flow_id,
        session_id=session_id,
    )


async def notice(tx: Transaction, accounts: Accounts, user: Any, kind: Kind, **data: str) -> None:
    """Tell the account's owner that something has happened; nothing where it has no address."""
    if user.email is not None:
        about = {"email": user.email, "site_name": accounts.options.site_name, **data}
        await accounts.send(tx, Letter(user.email, kind, user.locale or "", about))


@dataclass(frozen=True, slots=True)
class Nobody:
    """An account that is none, for an address that has none."""

    id: UUID
    email: str = "nobody@example.invalid"
    locale: str = ""


def nobody_at(accounts: Accounts, email: str) -> Nobody:
    """Who stands for the address *email* where it has no account: always the same, as an account would be.

    So codes are kept, replaced and tried for it like for an account, but sent nowhere; and no two addresses wait for
    one row.
    """
    return Nobody(UUID(bytes=hmac.digest(accounts.keyring.derive("alias"), email.encode(), "sha256")[:16], version=4))


async def post_nobody(
    tx: Transaction, accounts: Accounts, email: str, kind: str, redirect_to: str, now: datetime, /, **more: Any
) -> None:
    """What `post` does, for an address without an account: nothing is sent."""
    await post(tx, accounts, nobody_at(accounts, email), kind, redirect_to, now, send=accounts.unsend, **more)
