"""``backstay key`` and ``backstay keys``: keys of the API, and keys that sign tokens."""

from __future__ import annotations

from typing import Any

import click

from backstay.cli.page import page_query, paged

_JSON = click.option("--json", "as_json", is_flag=True, help="JSON, with every field.")


@click.group()
def key() -> None:
    """API keys: make, list and revoke them."""


@key.command()
@click.argument("name")
@click.option("--role", default="service_role", show_default=True, help="anon, service_role, or one of the app's.")
@click.option("--read-only", is_flag=True, help="It changes nothing, on any way.")
@click.option("--days", type=click.IntRange(1, 3650), metavar="N", help="How long it is good; without end else.")
@_JSON
def create(name: str, role: str, read_only: bool, days: int | None, as_json: bool) -> None:
    """Make a key, and print it: this once."""
    from datetime import timedelta

    from backstay.auth.admin.apikeys import KeyParams, create_key
    from backstay.cli.office import ask, tell, with_accounts

    async def make(accounts: Any) -> Any:
        end = None if days is None else accounts.now() + timedelta(days=days)
        body = KeyParams(name, role, ("read",) if read_only else ("read", "write"), end)
        return await ask(accounts, create_key, body=body)

    tell(with_accounts(make), as_json, lambda made: str(made["api_key"]))


@key.command("list")
@paged
@_JSON
def list_(page: int, per_page: int, as_json: bool) -> None:
    """Print what is known of the keys, the newest first."""
    from backstay.auth.admin.apikeys import list_keys
    from backstay.cli.office import ask, tell_all, with_accounts

    query = page_query(page, per_page)
    names = ("role", "name", "last_used_at", "expires_at", "revoked_at")
    tell_all(
        with_accounts(lambda accounts: ask(accounts, list_keys, query=query))["api_keys"],
        as_json,
        ("ID", "KEY", "MAY", "ROLE", "NAME", "USED", "GOOD UNTIL", "REVOKED"),
        lambda one: (one["id"], f"{one['hint']}...", "+".join(one["scopes"]), *(one[name] for name in names)),
    )


@key.command()
@click.argument("id")
def revoke(id: str) -> None:
    """Take a key out of use, within a second everywhere."""
    from backstay.auth.admin.apikeys import revoke_key
    from backstay.cli.office import ask, with_accounts

    with_accounts(lambda accounts: ask(accounts, revoke_key, path={"id": id}))


@click.group()
def keys() -> None:
    """Keys that sign access tokens: list, rotate and revoke them."""


@keys.command("list")
@_JSON
def list_signing(as_json: bool) -> None:
    """Print the keys, the oldest first."""
    from backstay.auth.signing import list_keys
    from backstay.cli.office import tell_all, with_accounts

    tell_all(
        with_accounts(lambda accounts: list_keys(accounts.store)),
        as_json,
        ("KID", "STATE", "MADE", "CHANGED"),
        lambda one: (one["kid"], one["state"], one["created_at"], one["changed_at"]),
    )


@keys.command()
def rotate() -> None:
    """Sign with the key that stands by; what the old one signed stays good, and nobody is signed out."""
    from backstay.auth.admin.signingkeys import rotate as rotate_it
    from backstay.cli.office import with_accounts

    click.echo(with_accounts(rotate_it))


@keys.command("revoke")
@click.argument("kid")
def revoke_signing(kid: str) -> None:
    """Believe nothing any more that the key KID has signed.

    It must be a previous one, or the one that stands by: rotate first.
    """
    from backstay.auth.admin.signingkeys import revoke as revoke_it
    from backstay.cli.office import with_accounts

    with_accounts(lambda accounts: revoke_it(accounts, kid))
