"""What ``backstay user``, ``key`` and ``keys`` work with: the accounts of the database in the settings.

They call the handlers of the admin API as the service role, so that a command and a request are one flow: the same
checks, the same revocations, the same lines in the audit log.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

if TYPE_CHECKING:
    from backstay.auth.accounts import Accounts
    from backstay.auth.route import AuthRequest
    from backstay.response.reply import Reply

T = TypeVar("T")

#: What an app calls itself that gave itself no name: a command knows the settings, and of the app what it has noted.
_TITLE: Final = "Backstay"


def with_accounts(use: Callable[[Accounts], Awaitable[T]], **given: str) -> T:
    """What *use* makes of the accounts; what it refuses ends the command with a sentence.

    *given* are variables of the environment that an option sets.

    Raises:
        ConfigError: BST-E513 without keys, BST-E503 with others than the app's, BST-E514 without its database.
    """
    import asyncio
    import os
    from pathlib import Path

    from backstay.accounts import open_office
    from backstay.adapters.load import open_store, opened, sqlite_path
    from backstay.auth.rolebook import noted_roles
    from backstay.auth.token import TokenVerifier
    from backstay.crypt import Unsealable
    from backstay.db.own import Own
    from backstay.errors import BackstayError, ConfigError
    from backstay.settings import Settings

    settings = Settings.load({**os.environ, **given})
    if settings.encryption_keys is None:
        raise ConfigError(
            "BST-E513",
            "Accounts need BACKSTAY_ENCRYPTION_KEYS",
            hint="Set it to the keys that the app was started with.",
        )
    if settings.dialect == "sqlite" and not Path(sqlite_path(settings.database)).exists():
        # Opening would make the file, and a typing error a second database.
        raise ConfigError(
            "BST-E514",
            f"There is no database {settings.redacted()['database']}",
            hint="It is made when the app first starts; is BACKSTAY_DATABASE the app's database?",
        )

    async def work() -> T:
        store = open_store(settings.database)
        await opened(store.database, settings.database)
        try:
            await store.database.create_tables(Own.metadata)
            book = await noted_roles(store)
            office = await open_office(store, settings, TokenVerifier(), title=_TITLE, book=book)
            try:
                return await use(office.accounts)
            finally:
                await office.close()
        finally:
            await store.database.close()

    try:
        return asyncio.run(work())
    except Unsealable as fault:
        raise ConfigError(
            "BST-E503",
            f"The keys that sign tokens do not open: {fault}",
            hint="Set BACKSTAY_ENCRYPTION_KEYS to the keys that the app was started with.",
        ) from None
    except ConfigError:
        raise
    except BackstayError as fault:
        hint = f"\n  {fault.hint}" if fault.hint else ""
        raise click.ClickException(f"{fault.message} [{fault.code}]{hint}") from None


async def ask(
    accounts: Accounts,
    handle: Callable[[AuthRequest, Accounts], Awaitable[Reply]],
    *,
    path: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    body: Any = None,
) -> Any:
    """What the admin API answers the operator: its JSON, ``None`` where there is none."""
    from backstay.auth.route import AuthRequest
    from backstay.auth.session import Device
    from backstay.policy.principal import SERVICE, Principal

    asked = AuthRequest("", path or {}, query or {}, {}, body, Principal(role=SERVICE), Device("", "backstay"))
    reply = await handle(asked, accounts)
    return json.loads(reply.body) if reply.body else None


async def find_user(accounts: Accounts, who: str) -> Any:
    """The account (row) of an address or an id.

    Raises:
        AuthError: user_not_found.
    """
    from uuid import UUID

    from backstay.auth.address import normal_email
    from backstay.auth.refusal import AuthError
    from backstay.auth.user import user_by_email, user_by_id

    if "@" in who:
        user = await accounts.store.one(user_by_email(normal_email(who)))
    else:
        try:
            user = await accounts.store.one(user_by_id(UUID(who)))
        except ValueError:
            user = None
    if user is None:
        raise AuthError("user_not_found", f"There is no account {who!r}", hint="Name its address or its id.")
    return user


def tell(value: Any, as_json: bool, line: Callable[[Any], str]) -> None:
    """Print one object on stdout: as JSON, or as *line* says it."""
    click.echo(json.dumps(value) if as_json else line(value))


def tell_all(
    values: Sequence[Any], as_json: bool, heads: tuple[str, ...], cells: Callable[[Any], tuple[Any, ...]]
) -> None:
    """Print a list: a line of JSON for each, or a table of their *cells*, whose heads go to stderr."""
    if as_json:
        for value in values:
            click.echo(json.dumps(value))
        return
    lines = [heads, *([plain(cell) for cell in cells(value)] for value in values)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for number, line in enumerate(lines if values else ()):
        padded = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo(padded.rstrip(), err=number == 0)


def plain(*parts: Any) -> str:
    """One line without a terminal's control codes: what people chose stands in it."""
    text = "  ".join("-" if part in (None, "") else str(part) for part in parts)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
