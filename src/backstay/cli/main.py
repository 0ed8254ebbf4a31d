"""``backstay``: the group of commands.

Each command is a file of this room, imported when it is named and, for its one line of help, by ``backstay --help``.
So a command module imports click at its top and everything else inside its function: ``--help`` takes under 150 ms.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

import click

from backstay.errors import BackstayError, ConfigError

#: Command → module and attribute.
COMMANDS: Final = {
    "audit": "backstay.cli.audit:audit",
    "config": "backstay.cli.config:config",
    "key": "backstay.cli.key:key",
    "keys": "backstay.cli.key:keys",
    "passwords": "backstay.cli.passwords:passwords",
    "reclean-html": "backstay.cli.upkeep:reclean_html",
    "rotate-encryption": "backstay.cli.upkeep:rotate_encryption",
    "serve": "backstay.cli.serve:serve",
    "token": "backstay.cli.token:token",
    "user": "backstay.cli.user:user",
}


class LazyGroup(click.Group):
    """A group whose commands are imported by name; faults of the operator end it with a sentence and exit code 2."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ConfigError as fault:
            raise OperatorFault(fault) from None
        except BackstayError as fault:
            raise click.ClickException(_words(fault)) from None


class OperatorFault(click.ClickException):
    """A `ConfigError` on a terminal: what is wrong, then what to do."""

    exit_code = 2

    def __init__(self, fault: ConfigError) -> None:
        super().__init__(_words(fault))


def _words(fault: BackstayError) -> str:
    lines = fault.details.splitlines() if isinstance(fault.details, str) else []
    return "\n  ".join([f"{fault.message} [{fault.code}]", *lines, *([fault.hint] if fault.hint else [])])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="backstay", message="backstay %(version)s")
def main() -> None:
    """The whole backend, from your models.

    Settings are environment variables named BACKSTAY_...; an option, where there is one, wins.
    Results go to stdout, everything else to stderr.  Nothing is reported to anybody.
    """
