"""What accounts may administer: permissions, and the roles that have them (RB1).

1. A permission belongs to a role, a role is assigned to an account in the database; no token and no metadata gives one.
2. The role ``admin`` has them all, whatever an app says of other roles.
3. A role is *within* somebody's rights if they may do whatever it permits.  To give one, or to take one, takes
   ``roles:write`` and that the role is within one's own: by assignment, as an account's main role, or for an API key.
   What ``app_metadata`` says is believed by policies as a role is, so it takes ``roles:write`` as well (S4).
4. Nobody acts on an account that may do more than they may.
5. To *enter* an account (a password, an address, a link, a factor less, a ban lifted) is to get its roles.  So whoever
   enters must hold each of them, or be somebody who may give it.
6. A role more is a threshold: what somebody with fewer rights may have left in the account ends with it
   (``threshold.py``).
7. The gates are asked in the transaction of what they let through, after `hold`.  A role that *the account* gets at
   the same moment waits, or is seen: it is given under the same hold.  *The caller* is looked at again too
   (`check_stands`), but is not held: what they lose behind that look came after what they did.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID

from backstay.auth.accounts import Accounts
from backstay.auth.refusal import AuthError
from backstay.auth.route import AuthRequest
from backstay.auth.session import session_by_id
from backstay.auth.user import roles_of, user_by_id
from backstay.db.store import Asks
from backstay.errors import ConfigError
from backstay.policy.principal import ANON, AUTHENTICATED, SERVICE

#: The role that cannot die out (RB4).
ADMIN: Final = "admin"

#: What a role that can be given is called.
ROLE_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]{0,62}")
OF_ROLE_NAMES: Final = (
    "Letters, digits and _ . : - after a letter, 63 at most; not anon, authenticated or service_role."
)

#: Roles that nobody is given: whoever asks, or whoever signed in, has them.
_EVERYBODYS: Final = frozenset({ANON, AUTHENTICATED})

#: Every permission, and what it is for.
PERMISSIONS: Final[Mapping[str, str]] = {
    "users:read": "see accounts, their roles, factors and sessions",
    "users:write": "make, change, ban and delete accounts, end their sessions, make links that sign in",
    "roles:write": "assign roles, and take them",
    "audit:read": "read the audit log",
    "keys:write": "make, list and revoke API keys",
}

EVERY: Final = frozenset(PERMISSIONS)

#: PW4: what a password needs at least where it is an administrator's.
ADMIN_PASSWORD_CHARS: Final = 15


def permission_table(given: Mapping[str, Iterable[str]]) -> dict[str, frozenset[str]]:
    """Role → permissions, with *given* by the app beside ``admin``.

    >>> sorted(permission_table({"support": ["users:read"]})["support"])
    ['users:read']

    Raises:
        ConfigError: BST-E204, for a permission that is none, a role that nobody can be given, and for ``admin``,
            which is not the app's to say.
    """
    _check_table(given)
    table = {role: frozenset([names] if isinstance(names, str) else names) for role, names in given.items()}
    unknown = sorted({name for names in table.values() for name in names} - EVERY)
    if unknown:
        raise ConfigError(
            "BST-E204", f"No permission is called {', '.join(unknown)}", hint=f"There are {', '.join(PERMISSIONS)}."
        )
    if ADMIN in table:
        raise ConfigError(
            "BST-E204", "The role admin has every permission already", hint="Give another role some of them."
        )
    return {ADMIN: EVERY, **table}


def _check_table(given: Any) -> None:
    """Refuse what is no mapping of roles to names, and roles that nobody could be given."""
    if not isinstance(given, Mapping):
        raise ConfigError(
            "BST-E204",
            f"permissions= says of each role what it may, and got a {type(given).__name__}",
            hint='Write permissions={"support": ["users:read"]}.',
        )
    for role, names in given.items():
        if not isinstance(role, str) or not ROLE_NAME.fullmatch(role) or role in (*_EVERYBODYS, SERVICE):
            raise ConfigError(
                "BST-E204", f"permissions= names {role!r}, which is no role that can be given", hint=OF_ROLE_NAMES
            )
        if not isinstance(names, Iterable) or not all(isinstance(name, str) for name in names):
            raise ConfigError(
                "BST-E204",
                f"permissions= has {names!r} for {role}, and not a list of names",
                hint=f"There are {', '.join(PERMISSIONS)}; a list may be empty.",
            )


async def check_may(accounts: Accounts, asks: Asks, session: Any, permission: str) -> None:
    """Let *session* (row) do what takes *permission*.

    Raises:
        AuthError: not_admin; insufficient_aal, without a second factor.
    """
    if permission not in await _rights(accounts, asks, session.user_id):
        raise AuthError("not_admin", "User not allowed")
    if session.aal != "aal2":
        raise AuthError("insufficient_aal", "AAL2 session is required to administer accounts")


async def check_stands(accounts: Accounts, asks: Asks, asked: AuthRequest) -> None:
    """Let the caller go on: what let them in, which may be seconds ago, still holds.

    Every administrator's write asks it in its transaction, when all that it waits for has come (RB1, TK5).

    Raises:
        AuthError: session_not_found, not_admin, insufficient_aal.
    """
    if asked.session is None:
        return
    session = await asks.one(session_by_id(asked.session.id))
    if session is None:
        raise AuthError("session_not_found", "Session from session_id claim in JWT does not exist")
    await check_may(accounts, asks, session, asked.permission)


async def check_reach(accounts: Accounts, asks: Asks, asked: AuthRequest, user_id: UUID) -> None:
    """Let the caller act on the account, unless it may do more than the caller.

    Raises:
        AuthError: not_admin.
    """
    if asked.session is None:
        return
    more = await _rights(accounts, asks, user_id) - await _rights(accounts, asks, asked.user_id)
    if more:
        raise AuthError("not_admin", f"The account may do what you may not: {', '.join(sorted(more))}")


async def check_enters(accounts: Accounts, asks: Asks, asked: AuthRequest, user_id: UUID) -> None:
    """Let the caller do what lets them in as this account.

    Raises:
        AuthError: not_admin.
    """
    await check_reach(accounts, asks, asked, user_id)
    if asked.session is None or user_id == asked.user_id:
        return
    more = await _held(asks, user_id) - await _held(asks, asked.user_id)
    if more and "roles:write" not in await _rights(accounts, asks, asked.user_id):
        raise AuthError(
            "not_admin",
            f"The account has roles that you have not: {', '.join(sorted(more))}",
            hint="It takes roles:write to get into it.",
        )


async def may_everything(accounts: Accounts, asks: Asks, asked: AuthRequest) -> bool:
    """Whether the caller could enter the account of anybody, whatever rights it has, or gets."""
    return asked.session is None or await _rights(accounts, asks, asked.user_id) >= EVERY


async def check_gives(accounts: Accounts, asks: Asks, asked: AuthRequest, *roles: str) -> None:
    """Let the caller give *roles*, or take them, whatever the way; the role that everybody has is nothing to give.

    Raises:
        AuthError: not_admin.
    """
    given = frozenset(roles) - _EVERYBODYS
    if asked.session is None or not given:
        return
    held = await _rights(accounts, asks, asked.user_id)
    _check_may_give(held, f"the role {', '.join(sorted(given))}")
    wanted = EVERY if SERVICE in given else frozenset[str]()
    more = wanted.union(*(accounts.permissions.get(role, frozenset()) for role in given)) - held
    if more:
        raise AuthError("not_admin", f"The role may do what you may not: {', '.join(sorted(more))}")


async def check_states(accounts: Accounts, asks: Asks, asked: AuthRequest) -> None:
    """Let the caller say in ``app_metadata`` what an account is.

    Raises:
        AuthError: not_admin.
    """
    if asked.session is not None:
        _check_may_give(await _rights(accounts, asks, asked.user_id), "app_metadata")


def _check_may_give(held: frozenset[str], what: str) -> None:
    if "roles:write" not in held:
        raise AuthError("not_admin", f"It takes roles:write to give {what}")


async def _rights(accounts: Accounts, asks: Asks, user_id: UUID | None) -> frozenset[str]:
    roles = [] if user_id is None else await roles_of(asks, user_id)
    return frozenset().union(*(accounts.permissions.get(role, frozenset()) for role in roles))


async def _held(asks: Asks, user_id: UUID | None) -> frozenset[str]:
    """What policies may ask for: the account's roles, those assigned and its main one."""
    user = None if user_id is None else await asks.one(user_by_id(user_id))
    if user is None:
        return frozenset()
    return frozenset((*await roles_of(asks, user.id), user.role)) - _EVERYBODYS


async def password_minimum(accounts: Accounts, user_id: UUID) -> int:
    """How long a new password of this account has to be (PW4)."""
    least = accounts.options.min_password_chars
    return max(least, ADMIN_PASSWORD_CHARS) if await accounts.rights(user_id) else least
