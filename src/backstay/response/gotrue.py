"""Errors of the accounts API on the wire, in both shapes that its clients know (ER1).

A client that sends ``X-Supabase-Api-Version`` of 2024-01-01 or later reads ``code`` and ``message``; an older one reads
``code`` (the status), ``error_code`` and ``msg``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from backstay.response.reply import Headers, Reply

VERSION: Final = b"2024-01-01"
_HEADER: Final = b"x-supabase-api-version"


def gotrue_problem(
    status: int,
    code: str,
    message: str,
    asked: Mapping[bytes, bytes],
    *,
    reasons: Sequence[str] = (),
    headers: Headers = (),
) -> Reply:
    """The refusal *code* with *message*; *reasons* are those of a weak password."""
    weak = {"weak_password": {"reasons": list(reasons)}} if reasons else {}
    own: Headers = (
        (b"content-type", b"application/json"),
        (b"x-sb-error-code", code.encode("ascii", "replace")),
        *headers,
    )
    body: dict[str, Any]
    if asked.get(_HEADER, b"") >= VERSION:
        own += ((_HEADER, VERSION),)
        body = {"code": code, "message": message, **weak}
    else:
        body = {"code": status, "error_code": code, "msg": message, **weak}
    return Reply(status, own, json.dumps(body).encode())
