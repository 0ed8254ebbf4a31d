"""``Prefer: tx=rollback``: a write is done, answered, and undone.

1. The answer is what the write would have been answered, refusals included; what a constraint judges at ``COMMIT`` is
   not judged.
2. Only whole requests are tried: a batch, not one of its operations.  A read has nothing to undo.
3. An ``Idempotency-Key`` is not looked at, because nothing happens.
"""

from __future__ import annotations

from typing import Final

from backstay.pipeline.request import DataRequest
from backstay.request import parse_prefer
from backstay.response.reply import Reply

_UNSAFE: Final = frozenset(("POST", "PATCH", "PUT", "DELETE"))
_APPLIED: Final = b"preference-applied"
#: What stands before ``tx`` in ``Preference-Applied``, as PostgREST writes it.
_BEFORE: Final = (b"resolution=", b"missing=", b"return=", b"count=")


def is_trial(request: DataRequest) -> bool:
    """Whether *request* is a write that the client wants to see and not to have."""
    prefer = request.headers.get(b"prefer")
    if prefer is None or b"tx=rollback" not in prefer or request.method not in _UNSAFE:
        return False
    return parse_prefer(request.header(b"prefer")).tx == "rollback"


def as_trial(reply: Reply) -> Reply:
    """*reply*, which also says that everything was undone."""
    headers = [pair for pair in reply.headers if pair[0] != _APPLIED]
    told = next((value for name, value in reply.headers if name == _APPLIED), b"")
    parts = told.split(b", ") if told else []
    at = sum(part.startswith(_BEFORE) for part in parts)
    return reply._replace(headers=(*headers, (_APPLIED, b", ".join([*parts[:at], b"tx=rollback", *parts[at:]]))))
