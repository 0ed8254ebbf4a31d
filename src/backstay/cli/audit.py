"""``backstay audit``: read the audit log, and prove that nobody has changed it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from backstay.audit import Anchors
    from backstay.db.store import Store
    from backstay.settings import Settings

T = TypeVar("T")


@click.group()
def audit() -> None:
    """Read the audit log, and prove that it is whole."""


@audit.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object: rows, anchors, holds, seq, fault; torn.")
def verify(as_json: bool) -> None:
    """Look through the whole log, and compare it with its anchors.

    Exit code 1 names the first row that was altered, moved, deleted or invented.
    """
    import json

    from backstay.audit import verify as verify_chain

    async def look(store: Store, anchors: Anchors) -> tuple[Any, int, list[int]]:
        kept, torn = anchors.look()
        return await verify_chain(store, anchors.keys, kept), len(kept), torn

    verdict, count, torn = _with_log(look)
    for number in torn:
        click.echo(f"Line {number} of the anchors is torn, and says nothing: was the disk full?", err=True)
    if as_json:
        told = {"rows": verdict.rows, "anchors": count, "holds": verdict.holds}
        told |= {"torn": torn} if torn else {}
        click.echo(json.dumps({**told, "seq": verdict.seq, "fault": verdict.fault}))
    elif verdict.holds:
        click.echo(f"{_many(verdict.rows, 'row')} and {_many(count, 'anchor')}: the log is whole.")
    else:
        click.echo(f"Row {verdict.seq} {verdict.fault}.\nThe {_many(verdict.rows, 'row')} before it hold.", err=True)
    if not verdict.holds:
        raise SystemExit(1)


@audit.command("list")
@click.option("--since", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]), help="From this time on, in UTC.")
@click.option("--event", metavar="NAME", help="One kind of event, such as login_failed.")
@click.option("--actor", type=click.UUID, metavar="ID", help="What one account did.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, metavar="N")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each row, with every column.")
def list_(since: Any, event: str | None, actor: Any, limit: int, as_json: bool) -> None:
    """Print the newest rows, the newest last."""
    import json
    from datetime import UTC

    from backstay.audit import EVENTS
    from backstay.audit.read import Wanted, newest, shown

    if event is not None and event not in EVENTS:
        raise click.UsageError(f"No event is called {event!r}; there are {', '.join(sorted(EVENTS))}.")
    wanted = Wanted(None if since is None else since.replace(tzinfo=UTC), event, actor)
    for row in reversed(_with_log(lambda store, _: newest(store, wanted, limit))):
        told = shown(row)
        if as_json:
            click.echo(json.dumps(told))
            continue
        details = " ".join(f"{name}={json.dumps(value)}" for name, value in sorted(row.details.items()))
        actor_name = told["actor_id"] or told["actor_kind"]
        parts = [str(row.seq), told["at"], row.event, actor_name, _safe(row.subject or "-"), row.ip or "-", details]
        click.echo("  ".join(parts).rstrip())


@audit.command()
def anchor() -> None:
    """Write down where the log ends, in the file of BACKSTAY_AUDIT_ANCHOR.

    What the log held by now cannot be cut off unseen any more.
    """
    dropped = _with_log(lambda store, anchors: anchors.drop(store))
    click.echo("The log is empty." if dropped is None else f"Anchored row {dropped.seq}.")


def _with_log(use: Callable[[Store, Anchors], Awaitable[T]]) -> T:
    """What *use* makes of the log of the database in the settings."""
    import asyncio
    import os
    from pathlib import Path

    from backstay.adapters.load import open_store, opened, sqlite_path
    from backstay.audit import Anchors, audit_keys
    from backstay.errors import BackstayError, ConfigError, DatabaseError
    from backstay.settings import Settings

    settings = Settings.load(os.environ)
    if settings.encryption_keys is None:
        raise ConfigError(
            "BST-E510",
            "The audit log needs BACKSTAY_ENCRYPTION_KEYS",
            hint="Set it to the keys that the app was started with.",
        )
    assert settings.audit_anchor is not None  # noqa: S101 - load has given it its default
    anchors = Anchors(Path(settings.audit_anchor), audit_keys(settings.encryption_keys))
    if settings.dialect == "sqlite" and not Path(sqlite_path(settings.database)).exists():
        raise _no_log(settings)  # opening would make the file

    async def work() -> T:
        store = open_store(settings.database)
        await opened(store.database, settings.database)
        try:
            return await use(store, anchors)
        finally:
            await store.database.close()

    try:
        return asyncio.run(work())
    except DatabaseError as fault:
        if fault.code == "42P01":
            raise _no_log(settings) from None
        raise click.ClickException(f"{fault.message} [{fault.code}]") from None
    except ConfigError:
        raise
    except BackstayError as fault:
        raise click.ClickException(f"{fault.message} [{fault.code}]") from None


def _no_log(settings: Settings) -> Exception:
    from backstay.errors import ConfigError

    return ConfigError(
        "BST-E512",
        f"There is no audit log in {settings.redacted()['database']}",
        hint="It is made when the app first starts; is BACKSTAY_DATABASE the app's database?",
    )


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _safe(text: str) -> str:
    """*text* on one line, without a terminal's control codes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
