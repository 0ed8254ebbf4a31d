"""``DELETE /user/identities/{identity_id}``: an identity at a third party is no longer a way in."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from backstay.audit import Event
from backstay.auth.accounts import Accounts
from backstay.auth.assurance import hold_user, require_second
from backstay.auth.oauth.linking import about_providers
from backstay.auth.refusal import AuthError, invalid
from backstay.auth.route import AuthRequest, Route, json_reply
from backstay.auth.session import end_sessions, sessions_of
from backstay.auth.tables import Identity, User
from backstay.auth.user import identities_of
from backstay.auth.ways import ways_in
from backstay.db.store import Transaction
from backstay.response.reply import Reply
from backstay.sql.query import query


@query
def _unlink(id: UUID, user_id: UUID) -> sa.Executable:
    return sa.delete(Identity).where(Identity.id == id, Identity.user_id == user_id).returning(Identity.provider)


@query
def _set_about(id: UUID, app_metadata: dict[str, Any]) -> sa.Executable:
    return sa.update(User).where(User.id == id).values(app_metadata=app_metadata)


async def unlink(asked: AuthRequest, accounts: Accounts) -> Reply:
    """Unlink an identity, unless nothing would be left to sign in with (OA10).

    Other sessions that began with it end.

    Raises:
        AuthError: manual_linking_disabled, identity_not_found, single_identity_not_deletable, user_banned;
            insufficient_aal, where the account has a second factor.
    """
    if not accounts.options.manual_linking:
        raise AuthError("manual_linking_disabled", "Manual linking is disabled")
    try:
        id = UUID(asked.path["identity_id"])
    except ValueError:
        raise invalid("identity_id must be an UUID") from None
    now = accounts.now()

    async def run(tx: Transaction) -> None:
        # Held until the end: of two at once the second sees what the first has left.
        await tx.run(hold_user(asked.user_id, now))
        await require_second(tx, asked.session)
        user = await accounts.living(tx, asked.user_id)
        identity = next((row for row in await tx.all(identities_of(user.id)) if row.id == id), None)
        if identity is None:
            raise AuthError("identity_not_found", "Identity doesn't exist")
        if await ways_in(tx, user, but=id) == 0:
            raise AuthError(
                "single_identity_not_deletable", "User must have at least 1 other way to sign in after unlinking"
            )
        if identity.provider == "email":
            # The address and the password would stay, and with them the way in that this seems to remove.
            raise AuthError("email_conflict_identity_not_deletable", "The e-mail identity is the account's address")
        await tx.one(_unlink(id, user.id))
        left = await tx.all(identities_of(user.id))
        await tx.run(_set_about(user.id, about_providers(user.app_metadata, left)))
        # Whoever came in through it may be the reason why it is unlinked.
        through = [
            row.id
            for row in await tx.all(sessions_of(user.id))
            if row.id != asked.session.id and any(proof.get("provider") == identity.provider for proof in row.amr)
        ]
        await end_sessions(tx, through, now)
        details = {"provider": identity.provider, "identity_id": str(id)}
        await accounts.audit(tx, Event("identity_unlinked", now, asked.actor, str(user.id), details))

    await accounts.store.transact(run)
    accounts.trust.expire()
    return json_reply({})


ROUTES: Final = (
    Route("DELETE", "user/identities/{identity_id}", "user", unlink, "Unlink an identity from one's account"),
)
