"""What accounts may administer: permissions, and the roles that have them (RB1).

1. A permission belongs to a role, a role is assigned to an account in the database; no token and no metadata gives one.
2. The role ``admin`` has them all, whatever an app says of other roles.
3. Nobody acts on an account that may do more than they may: whoever sets its password, or makes a link, could become
   it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final
from uuid import UUID

from backstay.auth.accounts import Accounts
from backstay.auth.refusal import AuthError
from backstay.auth.route import AuthRequest
from backstay.errors import ConfigError

#: The role that cannot die out (RB4).
ADMIN: Final = "admin"

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
        ConfigError: BST-E204, for a permission that is none, and for ``admin``, which is not the app's to say.
    """
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


async def check_reach(accounts: Accounts, asked: AuthRequest, user_id: UUID) -> None:
    """Let the caller act on the account, unless it may do more than the caller.

    Raises:
        AuthError: not_admin.
    """
    if asked.session is None:
        return
    more = await accounts.rights(user_id) - await accounts.rights(asked.user_id)
    if more:
        raise AuthError("not_admin", f"The account may do what you may not: {', '.join(sorted(more))}")


def check_gives(accounts: Accounts, held: frozenset[str] | None, role: str) -> None:
    """Let somebody who has the permissions *held* (``None``: the service role) give *role*, or take it.

    Raises:
        AuthError: not_admin.
    """
    more = frozenset[str]() if held is None else accounts.permissions.get(role, frozenset()) - held
    if more:
        raise AuthError("not_admin", f"The role may do what you may not: {', '.join(sorted(more))}")


async def password_minimum(accounts: Accounts, user_id: UUID) -> int:
    """How long a new password of this account has to be (PW4)."""
    least = accounts.options.min_password_chars
    return max(least, ADMIN_PASSWORD_CHARS) if await accounts.rights(user_id) else least
