"""``RAISE SQLSTATE 'PGRST'``: an error whose whole answer a function or a trigger of the database writes itself.

Its MESSAGE is a JSON object with ``code`` and ``message``, and may have ``details`` and ``hint``; its DETAIL is one
with ``status`` and ``headers`` (PostgREST, "Errors", "RAISE errors with HTTP status codes").
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from backstay.errors import DatabaseError

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")

#: How a message is framed is the server's to say.
_FRAMING: Final = frozenset(("connection", "content-length", "keep-alive", "transfer-encoding", "upgrade", "trailer"))

_MESSAGE_HINT: Final = (
    "MESSAGE must be a JSON object with obligatory keys: 'code', 'message' and optional keys: 'details', 'hint'."
)
_DETAIL_HINT: Final = (
    "DETAIL must be a JSON object with obligatory keys: 'status', 'headers' and optional key: 'status_text'."
)


def raised(message: str, detail: str | None) -> DatabaseError:
    """The error that was raised with *message* and *detail*, or PGRST121 where they are not what they must be.

    >>> error = raised('{"code": "123", "message": "no"}', '{"status": 418, "headers": {"X-Pot": "tea"}}')
    >>> error.code, error.status, error.headers
    ('123', 418, (('X-Pot', 'tea'),))
    >>> raised("no", None).details
    "Invalid JSON value for MESSAGE: 'no'"
    """
    body = _object(message)
    if body is None or not isinstance(body.get("code"), str) or not isinstance(body.get("message"), str):
        return _unreadable(f"Invalid JSON value for MESSAGE: '{message[:1000]}'", _MESSAGE_HINT)
    if detail is None:
        return _unreadable("DETAIL is missing in the RAISE statement", _DETAIL_HINT)
    head = _object(detail)
    if head is None or not _is_status(head.get("status")) or not isinstance(head.get("headers"), dict):
        return _unreadable(f"Invalid JSON value for DETAIL: '{detail[:1000]}'", _DETAIL_HINT)
    hint = body.get("hint")
    return DatabaseError(
        body["code"],
        body["message"],
        details=body.get("details"),
        hint=hint if isinstance(hint, str) else None,
        headers=tuple(
            (name, value)
            for name, value in head["headers"].items()
            if isinstance(value, str) and _TOKEN.fullmatch(name) and name.lower() not in _FRAMING
        ),
        status=head["status"],
    )


def _object(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _is_status(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 200 <= value <= 599


def _unreadable(details: str, hint: str) -> DatabaseError:
    return DatabaseError(
        "PGRST121", "Could not parse JSON in the \"RAISE SQLSTATE 'PGRST'\" error", details=details, hint=hint
    )
