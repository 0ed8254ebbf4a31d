"""The accounts API's way of saying errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from backstay.auth.refusal import AUTH_STATUS
from backstay.errors import BackstayError, DatabaseError, TokenError
from backstay.response.gotrue import gotrue_problem
from backstay.response.reply import Reply

#: What errors of other rooms are called by GoTrue, by status; its clients know no more of them.
_NAMES: Final[Mapping[int, str]] = {
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    413: "request_body_too_large",
    415: "unsupported_media_type",
    422: "validation_failed",
    429: "over_request_rate_limit",
    500: "unexpected_failure",
    503: "over_request_rate_limit",
    507: "unexpected_failure",
}


def auth_problem(error: BackstayError, asked: Mapping[bytes, bytes]) -> Reply:
    """*error* as GoTrue's clients read it."""
    status = error.status
    if error.code in AUTH_STATUS:
        code = error.code
    elif isinstance(error, DatabaseError) and status < 500:
        if error.code == "BST413":
            return gotrue_problem(413, "answer_too_large", "The answer is too large. Ask for a smaller page", asked)
        # The client wrote no SQL: two requests met, and what the database says of it names columns and values (ER2).
        return gotrue_problem(409, "conflict", "The request met another one. Try again", asked)
    elif isinstance(error, TokenError):
        status, code = 403, "bad_jwt"
    else:
        code = _NAMES.get(status, "validation_failed" if status < 500 else "unexpected_failure")
    if error.code == "57014":
        # The database's words for the statement budget, which clients of the data API know.
        return gotrue_problem(500, "unexpected_failure", "The request took too long. Try again", asked)
    headers = tuple((name.lower().encode(), value.encode("latin-1", "replace")) for name, value in error.headers)
    # GoTrue has one text; what we would say apart stands in it, the id of a crash above all.
    message = ". ".join(str(part) for part in (error.message, error.details, error.hint) if part)
    return gotrue_problem(status, code, message, asked, reasons=getattr(error, "reasons", ()), headers=headers)
