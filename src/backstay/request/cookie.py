"""The ``Cookie`` header (RFC 6265 §5.4).

Not the standard library's ``http.cookies``: it takes the square of a value's length to take backslashes out of it, and
drops whatever follows a cookie that it does not like.
"""

from __future__ import annotations


def read_cookies(line: str) -> dict[str, str]:
    """Values by name, as they were sent; of two with one name the first, which browsers send for the nearer path.

    >>> read_cookies('a=1; b="2"; =; c; a=3')
    {'a': '1', 'b': '"2"'}
    """
    found: dict[str, str] = {}
    for part in line.split(";"):
        name, equals, value = part.strip(" \t").partition("=")
        if equals and name:
            found.setdefault(name, value)
    return found
