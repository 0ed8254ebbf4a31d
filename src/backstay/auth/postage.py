"""Links and codes on their way into a mail.

A mail is decided on in the transaction of what it is about, and costs the same whether or not there is an account to
write to: for an address without one the same statements run, for nobody (TH5).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

from backstay.auth.accounts import Accounts
from backstay.auth.otp import issue
from backstay.db.store import Transaction
from backstay.mail import Kind, Letter

#: Whose tokens are made for addresses without an account: nobody's.
_NOBODY: Final = UUID(int=0)

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
    **more: str,
) -> None:
    """Issue a token of *kind* for the account *user* (row), and send it to its address, or to *address*."""
    to = address or user.email
    lifetime = INVITE_LIFETIME if kind == "invite" else timedelta(seconds=accounts.options.otp_seconds)
    minutes = max(1, lifetime // timedelta(minutes=1))
    secret = await issue(
        tx,
        accounts.otp_key,
        user_id=user.id,
        kind=kind,
        address=to,
        now=now,
        lifetime=lifetime,
        redirect_to=redirect_to,
        flow_state_id=flow_id,
    )
    type_, letter = _LETTERS[kind]
    data = {"code": secret.code, "minutes": str(minutes), "email": to, "site_name": accounts.options.site_name}
    if kind != "reauthentication":
        data["link"] = link(accounts, secret.token, type_, redirect_to)
    if kind == "invite":
        # The code is good for ten minutes at most, and the letter says a day.
        del data["code"]
    await accounts.send(tx, Letter(to, letter, user.locale or "", data | more))


async def notice(tx: Transaction, accounts: Accounts, user: Any, kind: Kind, **data: str) -> None:
    """Tell the account's owner that something has happened; nothing where it has no address."""
    if user.email is not None:
        about = {"email": user.email, "site_name": accounts.options.site_name, **data}
        await accounts.send(tx, Letter(user.email, kind, user.locale or "", about))


class Nobody:
    """An account that is none, for an address that has none."""

    id = _NOBODY
    email = "nobody@example.invalid"
    locale = ""


async def post_nobody(tx: Transaction, accounts: Accounts, kind: str, redirect_to: str, now: datetime) -> None:
    """What `post` does, for nobody: nothing is sent."""
    secret = await issue(
        tx,
        accounts.otp_key,
        user_id=_NOBODY,
        kind=kind,
        address=Nobody.email,
        now=now,
        lifetime=timedelta(seconds=accounts.options.otp_seconds),
        redirect_to=redirect_to,
    )
    type_, letter = _LETTERS[kind]
    minutes = str(max(1, accounts.options.otp_seconds // 60))
    data = {
        "code": secret.code,
        "minutes": minutes,
        "email": Nobody.email,
        "link": link(accounts, secret.token, type_, redirect_to),
        "site_name": accounts.options.site_name,
    }
    await accounts.unsend(tx, Letter(Nobody.email, letter, "", data))
