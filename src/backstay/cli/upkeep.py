"""``backstay rotate-encryption`` and ``backstay reclean-html``: work on the rows of an app that is there already."""

from __future__ import annotations

from typing import Any

import click


@click.command()
@click.argument("target", metavar="MODULE:ATTR")
def rotate_encryption(target: str) -> None:
    """Encrypt every value with the newest of BACKSTAY_ENCRYPTION_KEYS.

    Run it when every process has that key.  It may be stopped and begun again, while the app serves.
    """
    import asyncio

    app = _app(target)
    rotation = asyncio.run(app.rotate_encryption())
    click.echo(f"Rows encrypted anew: {rotation.rows}")
    for what in rotation.unreadable:
        click.echo(f"unreadable: {what}", err=True)
    if rotation.unreadable:
        raise click.ClickException("Some values do not open; no key may be dropped.")
    if rotation.proving:
        click.echo(f"Keys that the audit log is verified with, to be kept behind: {', '.join(rotation.proving)}")
    if rotation.dropped:
        click.echo(f"Keys that may be dropped now: {', '.join(rotation.dropped)}")


@click.command()
@click.argument("target", metavar="MODULE:ATTR")
def reclean_html(target: str) -> None:
    """Clean every text of HTML again, after the list of what is kept has changed.

    It may be stopped and begun again, while the app serves.
    """
    import asyncio

    recleaning = asyncio.run(_app(target).reclean_html())
    click.echo(f"Rows that have changed: {recleaning.rows}")
    for what in recleaning.left:
        click.echo(f"left as it is: {what}", err=True)
    if recleaning.left:
        raise click.ClickException("Some texts are too tangled to be cleaned; write or delete them by hand.")


def _app(target: str) -> Any:
    from backstay.cli.target import load_app
    from backstay.errors import ConfigError

    app: Any = load_app(target)
    if not hasattr(app, "rotate_encryption"):
        raise ConfigError(
            "BST-E412", f"{target} is an ASGI app, but no Backstay app", hint="Name the Backstay(…) value."
        )
    return app
