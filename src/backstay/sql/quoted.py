"""Names in SQL that we write ourselves."""

from __future__ import annotations


def quoted(name: str) -> str:
    """*name* as an identifier, whatever is in it.

    >>> print(quoted('an "odd" name'))
    "an ""odd"" name"
    """
    return '"' + name.replace('"', '""') + '"'
