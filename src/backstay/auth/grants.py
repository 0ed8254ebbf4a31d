"""``POST /token``: the grants by name."""

from __future__ import annotations

from typing import Final

import msgspec

from backstay.auth.accounts import Accounts
from backstay.auth.oauth.grant import sign_in_with_id_token
from backstay.auth.refusal import invalid
from backstay.auth.route import AuthRequest, Route
from backstay.auth.signin import exchange, refresh, sign_in
from backstay.response.reply import Reply


class TokenBody(msgspec.Struct, frozen=True):
    """Every grant's fields; ``grant_type`` in the query string says which are meant."""

    email: str = ""
    phone: str = ""
    password: str = ""
    refresh_token: str = ""
    auth_code: str = ""
    code_verifier: str = ""
    provider: str = ""
    id_token: str = ""
    #: Some clients write ``null`` where there is none.
    access_token: str | None = None
    nonce: str | None = None
    link_identity: bool | None = None


async def token(asked: AuthRequest, accounts: Accounts) -> Reply:
    """Choose by ``grant_type``."""
    body: TokenBody = asked.body
    match asked.query.get("grant_type"):
        case "password":
            return await sign_in(asked, accounts, email=body.email, phone=body.phone, password=body.password)
        case "refresh_token":
            return await refresh(asked, accounts, body.refresh_token)
        case "pkce":
            return await exchange(asked, accounts, body.auth_code, body.code_verifier)
        case "id_token" if body.link_identity:
            # Signing in instead would make another account of it.
            raise invalid("link_identity is not supported with an id_token", hint="Use /user/identities/authorize.")
        case "id_token":
            return await sign_in_with_id_token(
                asked,
                accounts,
                provider=body.provider,
                id_token=body.id_token,
                access_token=body.access_token or "",
                nonce=body.nonce or "",
            )
        case _:
            raise invalid("unsupported_grant_type", hint="Use password, refresh_token, pkce or id_token.")


ROUTES: Final = (
    Route("POST", "token", "anyone", token, "Sign in, or carry a session on", TokenBody, query=("grant_type",)),
)
