"""``--page`` and ``--per-page``, of commands that print a list of the accounts API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click


def paged(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give *command* the two options, as ``page`` and ``per_page``."""
    size = click.option("--per-page", type=click.IntRange(1, 1000), default=50, show_default=True, metavar="N")
    return click.option("--page", type=click.IntRange(1), default=1, show_default=True, metavar="N")(size(command))


def page_query(page: int, per_page: int) -> dict[str, str]:
    """The two as the API takes them."""
    return {"page": str(page), "per_page": str(per_page)}
