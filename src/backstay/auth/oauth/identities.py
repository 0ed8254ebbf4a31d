"""``/user/identities``: an identity at a third party becomes a way in, or is one no longer."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

import msgspec
import sqlalchemy as sa

from backstay.audit import Event
from backstay.auth.accounts import Accounts
from backstay.auth.assurance import held_session, require_second
from backstay.auth.flow import take_link
from backstay.auth.hold import hold
from backstay.auth.oauth.linking import link_at_end
from backstay.auth.refusal import AuthError, invalid
from backstay.auth.route import AuthRequest, Route, json_reply
from backstay.auth.session import end_sessions, sessions_of
from backstay.auth.tables import Identity, User
from backstay.auth.user import about_providers, identities_of, user_by_id
from backstay.auth.ways import keep_a_way
from backstay.db.store import Transaction
from backstay.response.reply import Reply
from backstay.sql.query import query


class LinkCode(msgspec.Struct, frozen=True):
    """Body of ``POST /user/identities/confirm``: the ``link_code`` that the app was sent back with."""

    code: str = ""


async def confirm_link(asked: AuthRequest, accounts: Accounts) -> Reply:
    """Link the identity that the code stands for, in the session that began the link: whoever talked somebody else
    into following it has no use for it, and neither has that other.

    Raises:
        AuthError: flow_state_not_found, for a code that is unknown, used, too old, or another session's;
            manual_linking_disabled, identity_already_exists, user_banned; insufficient_aal, where the account has a
            second factor; over_request_rate_limit.
    """
    body: LinkCode = asked.body
    if not accounts.options.manual_linking:
        raise AuthError("manual_linking_disabled", "Manual linking is disabled")
    if not body.code:
        raise invalid("code is required")
    await accounts.spend(asked, "verify")
    now = accounts.now()

    async def run(tx: Transaction) -> dict[str, Any]:
        user = accounts.admitted(await hold(tx, asked.user_id))
        await require_second(tx, await held_session(tx, asked))
        flow = await take_link(tx, body.code, asked.session.id, now)
        if flow is None:
            raise AuthError("flow_state_not_found", "invalid flow state, no valid flow state found")
        await link_at_end(tx, accounts, asked, flow, now)
        return accounts.opened_extra(flow) | {"id": user.id}

    told = await accounts.store.transact(run)
    accounts.posted()
    accounts.trust.expire()
    user = await accounts.store.one(user_by_id(told.pop("id")))
    return json_reply({"user": await accounts.user_json(user), **told})


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
        user = accounts.admitted(await hold(tx, asked.user_id))
        await require_second(tx, await held_session(tx, asked))
        identity = next((row for row in await tx.all(identities_of(user.id)) if row.id == id), None)
        if identity is None:
            raise AuthError("identity_not_found", "Identity doesn't exist")
        await keep_a_way(tx, accounts, user, but=id)
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
    Route("POST", "user/identities/confirm", "user", confirm_link, "End the link of an identity", LinkCode),
    Route("DELETE", "user/identities/{identity_id}", "user", unlink, "Unlink an identity from one's account"),
)
