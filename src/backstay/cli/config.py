"""``backstay config``: what the settings are, and where each comes from."""

from __future__ import annotations

import click


@click.group()
def config() -> None:
    """Look at the settings."""


@config.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object: a value and a source for each setting.")
def show(as_json: bool) -> None:
    """Print every setting, its value and where that comes from; secrets as ***.

    Sources: environment, file (of a variable ..._FILE, or made on the first start), default.
    """
    import json
    import os

    from backstay.settings import Settings, sources

    settings = Settings.load(os.environ)
    values = settings.redacted()
    found = sources(os.environ)
    if as_json:
        told = {name: {"value": _plain(value), "source": found[name]} for name, value in values.items()}
        click.echo(json.dumps(told, indent=2))
        return
    lines = [(name, _words(value), found[name]) for name, value in values.items()]
    wide, wider = (max(len(line[column]) for line in lines) for column in (0, 1))
    for name, value, source in lines:
        click.echo(f"{name:<{wide}}  {value:<{wider}}  {source}")


def _plain(value: object) -> object:
    if value is None or isinstance(value, str | int | float | dict | list):
        return value
    return list(value) if isinstance(value, tuple) else str(value)


def _words(value: object) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "on" if value else "off"
        case tuple():
            return ", ".join(map(str, value))
        case dict():
            return "***" if "keys" not in value else f"{len(value['keys'])} keys"
        case _:
            return str(value)
