"""``backstay serve``: run an app until it is told to stop."""

from __future__ import annotations

import os

import click


@click.command()
@click.argument("target", metavar="MODULE:ATTR")
@click.option("--database", metavar="URL", help="BACKSTAY_DATABASE; a URL with a password belongs there.")
@click.option("--host", help="BACKSTAY_HOST, 127.0.0.1 by default.")
@click.option("--port", type=int, help="BACKSTAY_PORT, 8000 by default.")
@click.option("--server", type=click.Choice(["granian", "uvicorn"]), help="BACKSTAY_SERVER, granian by default.")
@click.option("--workers", type=int, metavar="N", help="BACKSTAY_WORKERS, 1 by default.")
def serve(
    target: str, database: str | None, host: str | None, port: int | None, server: str | None, workers: int | None
) -> None:
    """Serve the app that MODULE:ATTR names, as in app:app or src/app.py:app.

    Ctrl-C and SIGTERM stop it cleanly.
    """
    from backstay.cli.server import announce, run, stop_means_success, take_address
    from backstay.cli.target import load_app
    from backstay.settings import Settings, redact_url

    options = {"DATABASE": database, "HOST": host, "PORT": port, "SERVER": server, "WORKERS": workers}
    # The app reads its settings from the environment, in this process or in a worker's: so options go there.
    os.environ.update({f"BACKSTAY_{name}": str(value) for name, value in options.items() if value is not None})
    settings = Settings.load(os.environ)
    if database is not None and redact_url(database) != database:
        _passwords_belong_elsewhere(in_production=settings.profile == "prod")
    stop_means_success()
    load_app(target)
    take_address(settings.host, settings.port)
    announce(target, settings)
    run(target, settings)


def _passwords_belong_elsewhere(*, in_production: bool) -> None:
    from backstay.errors import ConfigError

    advice = "Put the URL into BACKSTAY_DATABASE, or its file's path into BACKSTAY_DATABASE_FILE."
    if in_production:
        raise ConfigError(
            "BST-E409", "--database has a password, which every user of this machine can read", hint=advice
        )
    click.echo(f"warning: --database has a password, which every user of this machine can read.\n  {advice}", err=True)
