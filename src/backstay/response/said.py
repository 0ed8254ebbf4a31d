"""What a function of the database says about the answer it is part of, as PostgREST lets it.

It sets ``response.headers`` to a JSON array of objects with one header each, and ``response.status`` to a number, until
its transaction ends.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from backstay.errors import DatabaseError
from backstay.response.reply import Headers, Reply

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_LINE: Final = re.compile(r"[^\r\n\0]{0,8000}")

#: How a message is framed is the server's to say.
_FRAMING: Final = frozenset(("connection", "content-length", "keep-alive", "transfer-encoding", "upgrade", "trailer"))


def said(reply: Reply, headers: str | None, status: str | None) -> Reply:
    """*reply* with the headers and the status that were set; theirs replace those of the same name.

    >>> said(Reply(200), '[{"X-Leaf": "green"}]', "203")
    Reply(status=203, headers=((b'x-leaf', b'green'),), body=b'', stream=None, rows=0)

    Raises:
        DatabaseError: PGRST111 or PGRST112, for what cannot be one.
    """
    if headers:
        own = _headers(headers)
        names = {name for name, _ in own}
        reply = reply._replace(headers=(*(pair for pair in reply.headers if pair[0] not in names), *own))
    if status:
        if not (status.isascii() and status.isdecimal() and 200 <= int(status[:4]) <= 599):
            raise DatabaseError("PGRST112", "response.status guc must be a valid status code")
        reply = reply._replace(status=int(status))
    return reply


def _headers(text: str) -> Headers:
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list):
        raise _malformed()
    return tuple(pair for item in found if (pair := _header(item)) is not None)


def _header(item: Any) -> tuple[bytes, bytes] | None:
    """One header, or ``None`` for one that is the server's to set."""
    if not isinstance(item, dict) or len(item) != 1:
        raise _malformed()
    ((name, value),) = item.items()
    if not isinstance(value, str) or not _TOKEN.fullmatch(name) or not _LINE.fullmatch(value):
        raise _malformed()
    if name.lower() in _FRAMING:
        return None
    try:
        return name.lower().encode(), value.encode()
    except UnicodeEncodeError:
        raise _malformed() from None


def _malformed() -> DatabaseError:
    return DatabaseError(
        "PGRST111",
        "response.headers guc must be a JSON array composed of objects with a single key and a string value",
    )
