"""``/verify``: whoever has a link or a code reads the mailbox that it was sent to.

1. Each is good once, and a code is tried five times at most (TH6, ID4).
2. The first proof of a mailbox drops what was there before it (OA7, ``mailbox.py``); the link of a sign-up leaves the
   password that it was sent for.
3. A link never lifts a session to aal2 (MF5).
4. Where the sign-in began with a challenge, a link that a browser follows ends with a code, since the address bar is
   no place for tokens; the app that posts a code or a link's token gets its session in the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec
import sqlalchemy as sa

from backstay.audit import Event
from backstay.auth.accounts import Accounts
from backstay.auth.address import normal_email
from backstay.auth.emailchange import confirm_change
from backstay.auth.flow import prove_flow
from backstay.auth.hold import hold
from backstay.auth.mailbox import By, prove_mailbox
from backstay.auth.otp import Used, owner_of, use_code, use_token
from backstay.auth.postage import nobody_at
from backstay.auth.redirect import allowed_redirect
from backstay.auth.refusal import AuthError, email_exists, invalid
from backstay.auth.route import AuthRequest, Route, json_reply
from backstay.auth.session import Opened, session_by_id, start_session
from backstay.auth.signin import login_event
from backstay.auth.tables import User
from backstay.auth.throttle import Attempt
from backstay.auth.user import user_by_email
from backstay.db.store import Transaction
from backstay.errors import BackstayError, DatabaseError
from backstay.response.reply import Reply
from backstay.sql.query import query

#: ``type`` of the request → the kinds of tokens that it may stand for.
_KINDS: Final[dict[str, tuple[str, ...]]] = {
    "signup": ("signup",),
    "invite": ("invite",),
    "magiclink": ("magiclink", "signup"),
    "recovery": ("recovery",),
    "email": ("magiclink", "signup", "recovery", "invite"),
    "email_change": ("email_change_new", "email_change_current"),
}

_HALF: Final = "Confirmation link accepted. Please proceed to confirm link sent to the other email"


class Proof(msgspec.Struct, frozen=True):
    """Body of ``POST /verify``: a code with its address, or a link's token."""

    type: str = ""
    token: str = ""
    token_hash: str = ""
    email: str = ""
    phone: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a proof led to: a session, a code for the app that began it, or half of a change of address."""

    used: Used | None = None
    opened: Opened | None = None
    code: str | None = None
    half: bool = False


async def verify_body(asked: AuthRequest, accounts: Accounts) -> Reply:
    """Change a code, or a link's token, for a session.

    Raises:
        AuthError: otp_expired, for whatever is not good; validation_failed, user_banned; over_request_rate_limit.
    """
    outcome = await _verify(asked, accounts, asked.body)
    if outcome.half:
        return json_reply({"msg": _HALF, "code": "200"})
    if outcome.opened is None:
        raise _expired()
    return json_reply(await accounts.session_json(outcome.opened))


async def verify_link(asked: AuthRequest, accounts: Accounts) -> Reply:
    """What a link in a mail leads to: back to the app with the session in the fragment, or with a code in the query."""
    if asked.method == "HEAD":
        # Mail scanners look before their readers do: only GET uses a link up.
        return Reply(200)
    back = allowed_redirect(accounts.options, asked.redirect_to)
    proof = Proof(
        type=asked.query.get("type", ""),
        token_hash=asked.query.get("token") or asked.query.get("token_hash", ""),
    )
    try:
        outcome = await _verify(asked, accounts, proof)
        if outcome.opened is None and outcome.code is None and not outcome.half:
            raise _expired()
    except BackstayError as error:
        if error.status >= 500:
            raise
        kind = "access_denied" if error.status == 403 else "invalid_request"
        return _see(back, {"error": kind, "error_code": error.code, "error_description": error.message})
    if outcome.used is not None and outcome.used.redirect_to:
        back = allowed_redirect(accounts.options, outcome.used.redirect_to)
    if outcome.half:
        return _see(back, {"message": _HALF, "sb": ""})
    if outcome.code is not None:
        mark = "&" if "?" in back else "?"
        base, hash_, fragment = back.partition("#")
        return _found(f"{base}{mark}code={quote(outcome.code)}{hash_}{fragment}")
    assert outcome.opened is not None  # noqa: S101 - one of the three, see above
    session = await accounts.session_json(outcome.opened)
    told = ("access_token", "expires_at", "expires_in", "refresh_token", "token_type")
    return _see(back, {**{name: str(session[name]) for name in told}, "sb": "", "type": proof.type})


async def _verify(asked: AuthRequest, accounts: Accounts, proof: Proof) -> Outcome:
    if proof.phone:
        raise AuthError("phone_provider_disabled", "Phone accounts are disabled")
    kinds = _KINDS.get(proof.type)
    if kinds is None:
        raise invalid("Verify requires a verification type", hint=f"One of {', '.join(_KINDS)}.")
    token = proof.token_hash
    if not token and not (proof.token and proof.email):
        raise invalid("Verify requires a token_hash, or a token and an email")
    email = None if token else normal_email(proof.email)
    now = accounts.now()
    attempt = None
    if email is None:
        await accounts.spend(asked, "verify")
    else:
        # A new code every minute is five new guesses every minute: they are counted across codes, too (TH2, TH6).
        attempt = await accounts.attempt(asked, email, purpose="code", limit="verify")
    verifying = _Verifying(asked, accounts, proof, kinds, email, now, attempt)
    try:
        outcome = await accounts.store.transact(verifying.run)
    except DatabaseError as error:
        # Two accounts change to one address at the same moment: the unique index decides.
        raise email_exists() if error.code == "23505" else error from None
    accounts.posted()
    accounts.trust.expire()
    return outcome


@dataclass(frozen=True, slots=True)
class _Verifying:
    """One proof at work, in its transaction."""

    asked: AuthRequest
    accounts: Accounts
    proof: Proof
    kinds: tuple[str, ...]
    email: str | None
    now: datetime
    #: The guess of a code that is counted as wrong until it is right.
    attempt: Attempt | None

    async def run(self, tx: Transaction) -> Outcome:
        user = await self._held(tx)
        used = await self._use(tx, user)
        if used is not None and used.session_id is not None:
            # It ends with the session that asked for it (`begun.py`); a row that was left behind is none either.
            used = None if await tx.one(session_by_id(used.session_id)) is None else used
        # A wrong code is a try that counts: the transaction commits, and the refusal comes after it.
        if used is None:
            return Outcome()
        if self.attempt is not None:
            await self.accounts.throttle.succeeded(tx, self.attempt, now=self.now)
        if user is None or (user.banned_until is not None and user.banned_until > self.now):
            return Outcome()
        accounts, asked, now = self.accounts, self.asked, self.now
        if used.kind in ("email_change_current", "email_change_new"):
            if not await confirm_change(tx, accounts, asked, user, used, now):
                return Outcome(used, half=True)
        elif user.email != used.address:
            # It was sent to an address that the account no longer has.
            return Outcome()
        else:
            await self._confirmed(tx, user, used)
        if used.flow_state_id is not None and asked.method == "GET":
            # Through the browser.  Who asks by POST has the mail's secret in the app itself, which needs no code.
            method = "recovery" if used.kind == "recovery" else "magiclink"
            return Outcome(used, code=await prove_flow(tx, used.flow_state_id, user_id=user.id, method=method, now=now))
        opened = await start_session(tx, accounts.options, user_id=user.id, method="otp", device=asked.device, now=now)
        await accounts.audit(tx, login_event(asked, opened, now))
        return Outcome(used, opened)

    async def _held(self, tx: Transaction) -> Any:
        """The account (row) that the proof is about, held; ``None`` where there is none."""
        if self.proof.token_hash:
            return await hold(tx, await owner_of(tx, self.accounts.otp_key, self.proof.token_hash))
        assert self.email is not None  # noqa: S101 - a code comes with its address
        user = await tx.one(user_by_email(self.email))
        if self.proof.type == "email_change":
            changing = await tx.one(user_by_new_email(self.email))
            user = changing if user is None else user
        return await hold(tx, None if user is None else user.id)

    async def _use(self, tx: Transaction, user: Any) -> Used | None:
        key, now, proof = self.accounts.otp_key, self.now, self.proof
        if proof.token_hash:
            for kind in self.kinds:
                used = await use_token(tx, key, token=proof.token_hash, kind=kind, now=now)
                if used is not None:
                    return used
            return None
        assert self.email is not None  # noqa: S101 - a code comes with its address
        # For an address without an account its nobody's codes are tried: none of those was sent to anybody (TH5).
        user_id = nobody_at(self.accounts, self.email).id if user is None else user.id
        for kind in self.kinds:
            used = await use_code(
                tx,
                key,
                user_id=user_id,
                kind=kind,
                address=self.email,
                code=proof.token,
                now=now,
            )
            if used is not None:
                return used
        return None

    async def _confirmed(self, tx: Transaction, user: Any, used: Used) -> None:
        now = self.now
        # The owner reads mail: whatever locked the account's sign-in is over.
        for purpose in ("password", "code"):
            await self.accounts.throttle.recovered(tx, used.address, purpose=purpose)
        by: By = "signup" if used.kind == "signup" else "invite" if used.kind == "invite" else "mail"
        first = await prove_mailbox(tx, self.accounts, self.asked, user, now, by=by, surely=used.proves)
        if first and by == "invite":
            await self.accounts.audit(tx, Event("invite_accepted", now, self.asked.actor, str(user.id)))


@query
def user_by_new_email(email: str) -> sa.Executable:
    """Who wants to change to this address; of several the one who asked last."""
    found = sa.select(User).where(User.new_email == email, User.deleted_at.is_(None))
    return found.order_by(User.email_change_sent_at.desc(), User.id).limit(sa.literal_column("1"))


def _expired() -> AuthError:
    return AuthError("otp_expired", "Token has expired or is invalid")


def _see(back: str, told: dict[str, str]) -> Reply:
    """Back to the app, with *told* in the fragment, which no server's log ever sees."""
    return _found(f"{back.partition('#')[0]}#{urlencode(told)}")


def _found(url: str) -> Reply:
    return Reply(303, ((b"location", url.encode("ascii")),))


ROUTES: Final = (
    Route("POST", "verify", "anyone", verify_body, "Sign in with what a mail brought", Proof),
    Route(
        "GET",
        "verify",
        "anyone",
        verify_link,
        "What a link in a mail leads to",
        query=("token", "token_hash", "type", "redirect_to"),
        status=303,
    ),
)
