"""``grant_type=id_token``: an app on a phone signed in there, and brings the proof (OA4).

The proof has been on its way, and in the memory of a device.  So it is good once, until it would have ended (A12).
"""

from __future__ import annotations

import hashlib
import logging
from typing import Final

from backstay.auth.accounts import Accounts
from backstay.auth.oauth.exchange import checked_claims
from backstay.auth.oauth.idtoken import IdTokenError
from backstay.auth.oauth.linking import Known, identify
from backstay.auth.oauth.person import person_of_claims
from backstay.auth.oauth.spent import use_up
from backstay.auth.refusal import AuthError, invalid
from backstay.auth.route import AuthRequest, json_reply
from backstay.auth.session import Opened, start_session
from backstay.auth.signin import login_event
from backstay.db.store import Transaction
from backstay.errors import DatabaseError
from backstay.response.reply import Reply

_LOG: Final = logging.getLogger("backstay.oauth")


async def sign_in_with_id_token(
    asked: AuthRequest, accounts: Accounts, *, provider: str, id_token: str, access_token: str, nonce: str
) -> Reply:
    """Open a session for an ID token that the provider issued to one of the app's client ids.

    *nonce* is what the app made; the provider was given its SHA-256 in hexadecimal, as GoTrue's clients do.

    Raises:
        AuthError: validation_failed, provider_disabled, oauth_provider_not_supported, unexpected_audience,
            provider_unavailable, and what `identify` refuses with; over_request_rate_limit.
    """
    if not provider or not id_token:
        raise invalid("provider and id_token are required")
    await accounts.spend(asked, "oauth")
    party = accounts.parties.named(provider)
    if party.issuer is None:
        raise AuthError("oauth_provider_not_supported", "The provider has no ID tokens")
    now = accounts.now()
    try:
        claims = await checked_claims(
            accounts.parties,
            party,
            id_token,
            audiences=party.audiences,
            nonce=hashlib.sha256(nonce.encode("utf-8", "replace")).hexdigest() if nonce else None,
            access_token=access_token,
            now=now,
        )
    except IdTokenError as fault:
        _LOG.info("an ID token of the provider %s is refused: %s", party.name, fault.reason)
        if fault.reason in ("aud", "azp"):
            raise AuthError("unexpected_audience", "Unacceptable audience in id_token") from None
        raise invalid("Nonces mismatch" if fault.reason == "nonce" else "Bad ID token") from None
    person = person_of_claims(party, claims)

    async def run(tx: Transaction) -> tuple[Known, Opened | None]:
        await use_up(tx, id_token, float(claims["exp"]), now)
        known = await identify(tx, accounts, asked, party, person, now)
        if known.user_id is None:
            return known, None
        opened = await start_session(
            tx,
            accounts.options,
            user_id=known.user_id,
            method="oauth",
            provider=party.name,
            device=asked.device,
            now=now,
        )
        await accounts.audit(tx, login_event(asked, opened, now))
        return known, opened

    try:
        known, opened = await accounts.store.transact(run)
    except DatabaseError as error:
        if error.code != "23505":
            raise
        known, opened = await accounts.store.transact(run)
    accounts.posted()
    accounts.trust.expire()
    if opened is None:
        assert known.refusal is not None  # noqa: S101 - one of the two
        raise known.refusal
    return json_reply(await accounts.session_json(opened))
