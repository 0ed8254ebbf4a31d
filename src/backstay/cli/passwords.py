"""``backstay passwords``: what operators do about passwords."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import click


@click.group()
def passwords() -> None:
    """Lists of passwords that nobody may choose."""


@passwords.command(name="import-hibp")
@click.argument("file", type=click.File("rb"))
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="PATH",
    help="What to write; what BACKSTAY_PASSWORD_BLOCKLIST names by default.",
)
@click.option(
    "--least-count",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    metavar="N",
    help="Leave out what was seen in fewer leaks.",
)
def import_hibp(file: BinaryIO, output: Path | None, least_count: int) -> None:
    """Make a blocklist of FILE, the SHA-1 list of Have I Been Pwned, ordered by hash; - reads stdin.

    Nothing is fetched, now or later.  An existing list is replaced when the new one is whole; servers see it when they
    start.
    """
    import os

    from backstay.auth.pwned import write_pwned

    named = os.environ.get("BACKSTAY_PASSWORD_BLOCKLIST", "").strip()
    path = output or (Path(named) if named else None)
    if path is None:
        raise click.UsageError("Say where to write: --output PATH, or set BACKSTAY_PASSWORD_BLOCKLIST.")
    count = write_pwned(file, path, least_count=least_count)
    click.echo(f"{path}: {count} passwords")
