"""``backstay serve``: run an app until it is told to stop."""

from __future__ import annotations

import os

import click

#: The app that ``--reflect`` serves; it is named and not imported, for it stands above this room.
_REFLECTED = "backstay.reflected:app"


@click.command()
@click.argument("target", metavar="[MODULE:ATTR]", required=False)
@click.option("--database", metavar="URL", help="BACKSTAY_DATABASE; a URL with a password belongs there.")
@click.option("--host", help="BACKSTAY_HOST, 127.0.0.1 by default.")
@click.option("--port", type=int, help="BACKSTAY_PORT, 8000 by default.")
@click.option("--server", type=click.Choice(["granian", "uvicorn"]), help="BACKSTAY_SERVER, granian by default.")
@click.option("--workers", type=int, metavar="N", help="BACKSTAY_WORKERS, 1 by default.")
@click.option("--reflect", "reflected", metavar="URL", help="Serve this database as it is, without models.")
@click.option("--schema", metavar="NAME", help="With --reflect: schemas, separated by commas; public by default.")
@click.option("--open-to", metavar="ROLE", help="With --reflect: a role that may read and write everything.")
@click.option("--allow-aggregates", is_flag=True, help="With --reflect: sum(), count() and the like may be asked.")
@click.option("--max-rows", type=click.IntRange(1), metavar="N", help="With --reflect: most rows in one answer.")
@click.option("--function", "functions", multiple=True, metavar="NAME", help="With --reflect: a function to be called.")
def serve(
    target: str | None,
    database: str | None,
    host: str | None,
    port: int | None,
    server: str | None,
    workers: int | None,
    reflected: str | None,
    schema: str | None,
    open_to: str | None,
    allow_aggregates: bool,
    max_rows: int | None,
    functions: tuple[str, ...],
) -> None:
    """Serve the app that MODULE:ATTR names, as in app:app or src/app.py:app, or an existing database (--reflect).

    Ctrl-C and SIGTERM stop it cleanly.
    """
    import json

    from backstay.cli.server import check, refuse_open_door, run, stop_means_success, take_address, warn
    from backstay.cli.target import load_app
    from backstay.settings import Settings, redact_url

    if (target is None) == (reflected is None):
        raise click.UsageError("Name an app as MODULE:ATTR, or a database with --reflect URL: one of them.")
    if reflected is None and (schema or open_to or allow_aggregates or max_rows or functions):
        raise click.UsageError(
            "--schema, --open-to, --allow-aggregates, --max-rows and --function go with --reflect URL."
        )
    url = reflected if reflected is not None else database
    options = {"DATABASE": _database_url(url), "HOST": host, "PORT": port, "SERVER": server, "WORKERS": workers}
    # The app reads its settings from the environment, in this process or in a worker's: so options go there.
    os.environ.update({f"BACKSTAY_{name}": str(value) for name, value in options.items() if value is not None})
    if reflected is not None:
        names = [name.strip() for name in (schema or "public").split(",") if name.strip()]
        asked: dict[str, object] = {
            "schema": names,
            "open_to": open_to,
            "allow_aggregates": allow_aggregates,
            "max_rows": max_rows,
        }
        asked["functions"] = list(functions)
        os.environ["BACKSTAY_REFLECT"] = json.dumps(asked)
    settings = Settings.load(os.environ)
    if url is not None and redact_url(url) != url:
        _passwords_belong_elsewhere(in_production=settings.profile == "prod")
    stop_means_success()
    target = target or _REFLECTED
    refuse_open_door(settings)
    app = load_app(target)
    take_address(settings.host, settings.port)
    check(app)
    warn(settings)
    run(target, settings, what=None if reflected is None else "the database")


def _database_url(url: str | None) -> str | None:
    """*url* as the setting takes it: a plain path means a SQLite file."""
    return url if url is None or "://" in url else f"sqlite:///{url}"


def _passwords_belong_elsewhere(*, in_production: bool) -> None:
    from backstay.errors import ConfigError

    advice = "Put the URL into BACKSTAY_DATABASE, or its file's path into BACKSTAY_DATABASE_FILE."
    if in_production:
        raise ConfigError(
            "BST-E409", "--database has a password, which every user of this machine can read", hint=advice
        )
    click.echo(f"warning: --database has a password, which every user of this machine can read.\n  {advice}", err=True)
