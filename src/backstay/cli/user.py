"""``backstay user``: accounts, for whoever has the server."""

from __future__ import annotations

from typing import Any

import click

from backstay.cli.page import page_query, paged

_JSON = click.option("--json", "as_json", is_flag=True, help="JSON, with every field.")
_WHO = click.argument("who", metavar="WHO")
_EMPTY = click.option(
    "--empty", is_flag=True, help="Drop first what signs in to an account whose address nobody has proved."
)
#: What the link of `create-admin` leads to where the app has no page for it.
_WITHOUT_A_PAGE = (
    "Without BACKSTAY_SITE_URL no page is behind the link. The how-to about administering accounts has the calls "
    "instead, for curl: POST /auth/v1/verify, PUT /auth/v1/user, POST /auth/v1/factors, /challenge, /verify."
)


@click.group()
def user() -> None:
    """Look at accounts, and change them.

    WHO is an address or an id.
    """


@user.command("list")
@click.option("--filter", "filter_", default="", metavar="TEXT", help="The beginning of an address, or an id.")
@paged
@_JSON
def list_(filter_: str, page: int, per_page: int, as_json: bool) -> None:
    """Print accounts and their roles, the newest first."""
    from uuid import UUID

    from backstay.auth.admin.users import list_users
    from backstay.auth.user import roles_of
    from backstay.cli.office import ask, tell_all, with_accounts

    query = {"filter": filter_, **page_query(page, per_page)}

    async def look(accounts: Any) -> Any:
        users = (await ask(accounts, list_users, query=query))["users"]
        return [{**user, "roles": await roles_of(accounts.store, UUID(user["id"]))} for user in users]

    tell_all(with_accounts(look), as_json, ("ID", "ADDRESS", "ROLES", "MADE", "SIGNED IN", "STATE"), _cells)


@user.command()
@click.argument("email")
@click.option("--password-stdin", is_flag=True, help="Read a password from stdin; there is none else.")
@click.option("--unconfirmed", is_flag=True, help="The address is still to be confirmed.")
@_JSON
def create(email: str, password_stdin: bool, unconfirmed: bool, as_json: bool) -> None:
    """Make an account."""
    import sys

    from backstay.auth.admin.create import UserParams, create_user
    from backstay.cli.office import ask, tell, with_accounts

    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else None
    body = UserParams(email=email, password=password, email_confirm=not unconfirmed)
    tell(with_accounts(lambda accounts: ask(accounts, create_user, body=body)), as_json, _line)


@user.command("create-admin")
@click.argument("email")
@click.option("--url", metavar="URL", help="Where the API is reached; BACKSTAY_PUBLIC_URL, or host and port, else.")
@_EMPTY
@_JSON
def create_admin(email: str, url: str | None, empty: bool, as_json: bool) -> None:
    """Print a link that makes EMAIL an administrator, good once and for 15 minutes.

    Whoever follows it sets a password and a second factor; before that the role administers nothing.  An account that
    is there already, and whose address nobody has proved, is left alone unless --empty says to drop what is in it.
    """
    from backstay.auth.admin.first import appoint
    from backstay.auth.route import AuthRequest
    from backstay.auth.session import Device
    from backstay.cli.office import tell, with_accounts
    from backstay.policy.principal import SERVICE, Principal

    asked = AuthRequest("", {}, _emptying(empty), {}, None, Principal(role=SERVICE), Device("", "backstay"))

    async def make(accounts: Any) -> tuple[Any, str, str]:
        return await appoint(asked, accounts, email), accounts.options.public_url, accounts.options.site_url

    made, api, site = with_accounts(make, **({} if url is None else {"BACKSTAY_PUBLIC_URL": url}))
    tell(made, as_json, lambda made: str(made["link"]))
    if url is None:
        said = f"BACKSTAY_PUBLIC_URL or BACKSTAY_PORT say that the API is at {api}; --url says otherwise."
        click.echo(said, err=True)
    if site == api:
        click.echo(_WITHOUT_A_PAGE, err=True)


@user.command()
@_WHO
@click.option("--for", "duration", default="87600h", show_default=True, metavar="TIME", help="Such as 24h or 1h30m.")
@_JSON
def ban(who: str, duration: str, as_json: bool) -> None:
    """Ban an account, and end its sessions at once."""
    _change(who, as_json, ban_duration=duration)


@user.command()
@_WHO
@_JSON
def unban(who: str, as_json: bool) -> None:
    """End a ban."""
    _change(who, as_json, ban_duration="none")


@user.command()
@_WHO
@click.option("--soft", is_flag=True, help="Keep the id, and nothing about the person.")
def delete(who: str, soft: bool) -> None:
    """Delete an account, and end its sessions at once."""
    from backstay.auth.admin.remove import Removal, remove_user
    from backstay.cli.office import ask, find_user, with_accounts

    async def remove(accounts: Any) -> None:
        found = await find_user(accounts, who)
        await ask(accounts, remove_user, path={"id": str(found.id)}, body=Removal(should_soft_delete=soft))

    with_accounts(remove)


@user.command()
@_WHO
@click.argument("role")
@_EMPTY
@_JSON
def grant(who: str, role: str, empty: bool, as_json: bool) -> None:
    """Assign ROLE to an account, and print the roles that it has.

    Its sessions end: whoever has the account signs in again.  It must be surely its owner's, so where nobody has proved
    the address the role is refused.  With --empty its password, passkeys, factors, identities, API keys and metadata
    are dropped, and its owner comes back by a link of /recover.
    """
    from backstay.auth.admin.roles import give_role

    _roles(who, role, as_json, give_role, _emptying(empty))


@user.command()
@_WHO
@click.argument("role")
@_JSON
def revoke(who: str, role: str, as_json: bool) -> None:
    """Take ROLE from an account; the last admin keeps it."""
    from backstay.auth.admin.roles import take_role

    _roles(who, role, as_json, take_role)


@user.command()
@_WHO
@click.option("--end", metavar="ID", help="End this session.")
@click.option("--end-all", is_flag=True, help="End every session.")
@paged
@_JSON
def sessions(who: str, end: str | None, end_all: bool, page: int, per_page: int, as_json: bool) -> None:
    """Print where an account is signed in."""
    from backstay.auth.admin.sessions import end_user_session, end_user_sessions, list_sessions
    from backstay.cli.office import ask, find_user, tell_all, with_accounts

    async def look(accounts: Any) -> Any:
        path = {"id": str((await find_user(accounts, who)).id)}
        if end is not None:
            await ask(accounts, end_user_session, path=path | {"session_id": end})
        if end_all:
            await ask(accounts, end_user_sessions, path=path)
        return await ask(accounts, list_sessions, path=path, query=page_query(page, per_page))

    names = ("id", "aal", "ip", "created_at", "refreshed_at", "user_agent")
    heads = ("ID", "AAL", "IP", "BEGUN", "REFRESHED", "DEVICE")
    tell_all(with_accounts(look)["sessions"], as_json, heads, lambda one: tuple(one[name] for name in names))


def _change(who: str, as_json: bool, **fields: Any) -> None:
    from backstay.auth.admin.change import change_user
    from backstay.auth.admin.create import UserParams
    from backstay.cli.office import ask, find_user, tell, with_accounts

    async def change(accounts: Any) -> Any:
        path = {"id": str((await find_user(accounts, who)).id)}
        return await ask(accounts, change_user, path=path, body=UserParams(**fields))

    tell(with_accounts(change), as_json, _line)


def _emptying(empty: bool) -> dict[str, str]:
    """What the query of the request would say."""
    return {"empty": "true"} if empty else {}


def _roles(who: str, role: str, as_json: bool, handle: Any, query: dict[str, str] | None = None) -> None:
    from backstay.cli.office import ask, find_user, plain, tell, with_accounts

    async def change(accounts: Any) -> Any:
        path = {"id": str((await find_user(accounts, who)).id), "role": role}
        return await ask(accounts, handle, path=path, query=query)

    tell(with_accounts(change), as_json, lambda held: plain(*(one["role"] for one in held["roles"])))


def _line(found: Any) -> str:
    from backstay.cli.office import plain

    return plain(found["id"], found["email"], found["created_at"], found.get("last_sign_in_at"), _state(found))


def _cells(found: Any) -> tuple[Any, ...]:
    """A row of the list; the main role is among the roles where it is not everybody's."""
    main = () if found["role"] == "authenticated" else (found["role"],)
    roles = ", ".join(dict.fromkeys((*main, *found["roles"])))
    return (found["id"], found["email"], roles, found["created_at"], found.get("last_sign_in_at"), _state(found))


def _state(found: Any) -> str:
    return f"banned until {found['banned_until']}" if found.get("banned_until") else ""
