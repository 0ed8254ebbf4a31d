"""Errors on the wire: ``{"code", "message", "details", "hint"}``, all four keys, always (ER1)."""

from __future__ import annotations

import json
import logging
import secrets
from typing import Any, Final

import msgspec

from backstay.errors import BackstayError, DatabaseError, TokenError, Unjudged
from backstay.policy.principal import ANON, Principal
from backstay.response.reply import Headers, Reply

_LOG: Final = logging.getLogger("backstay.http")
_CONTENT_TYPE: Final = (b"content-type", b"application/json; charset=utf-8")
_CHALLENGE: Final = (b"www-authenticate", b"Bearer")
_encode: Final = msgspec.json.Encoder(enc_hook=str).encode

#: Codes whose cause passes by itself.  PGRST003 (504) is the wait for a connection that took too long.
_PASSING: Final = ("BST503", "40", "53", "57P", "PGRST000", "PGRST001", "PGRST002", "PGRST003")
_RETRY_SECONDS: Final = b"1"


def problem(error: BackstayError, principal: Principal | None) -> Reply:
    """Render *error* for *principal* (``None``: it is not known yet who asks).

    A 403 becomes 401 for a caller who has shown nothing: the way on is to sign in, not to give up.
    """
    status = error.status
    challenge: Headers = ()
    if isinstance(error, TokenError):
        challenge = ((b"www-authenticate", _invalid_token(error.message)),)
    elif status == 403 and principal is not None and principal.id is None and principal.role == ANON:
        status, challenge = 401, (_CHALLENGE,)
    own = tuple((name.lower().encode("latin-1", "replace"), _field(value)) for name, value in error.headers)
    retry: Headers = ()
    if error.code.startswith(_PASSING) and not any(name == b"retry-after" for name, _ in own):
        retry = ((b"retry-after", _RETRY_SECONDS),)
    headers = (_CONTENT_TYPE, (b"proxy-status", b"PostgREST; error=" + _field(error.code)), *challenge, *retry, *own)
    return Reply(status, headers, _body(error.code, error.message, error.details, error.hint))


def crash(error: Exception, method: str, path: str) -> BackstayError:
    """Log *error* whole under a new id; what is answered has that id and nothing else (ER2).

    The log line names method and path only: query strings and headers carry personal data and keys.
    """
    id = secrets.token_hex(8)
    _LOG.error("request %s failed: %s %.200r", id, method, path, exc_info=error)
    return BackstayError(
        "BST500",
        "Something went wrong on our side",
        details=f"Error id {id}",
        hint="Try again; if it stays, tell the operator the error id.",
    )


#: What a 5xx may say as it is: these words are ours, or those of the author of a function.
_OURS: Final = ("PGRST", "BST", "PT", "57014")


def untold(error: BackstayError, method: str, path: str) -> BackstayError:
    """*error* without the database's words, where it is the server's fault (ER2).

    They name tables, processes and locks, and help no client.  They are logged under an id, which is what is answered.
    """
    if isinstance(error, Unjudged):
        id = secrets.token_hex(8)
        _LOG.error("request %s, %s %.200r, could not be judged by a policy", id, method, path, exc_info=error)
        hint = "If it stays, tell the operator the error id."
        return BackstayError(error.code, error.message, details=f"Error id {id}", hint=hint)
    if not isinstance(error, DatabaseError) or error.status < 500 or error.code.startswith(_OURS):
        return error
    id = secrets.token_hex(8)
    _LOG.warning("request %s, %s %.200r, was refused by the database: %s", id, method, path, error, exc_info=error)
    return DatabaseError(
        error.code,
        "The database could not do this now",
        details=f"Error id {id}",
        hint="Try again; if it stays, tell the operator the error id.",
        headers=error.headers,
        status=error.status,
    )


def _body(code: str, message: str, details: Any, hint: str | None) -> bytes:
    value = {"code": code, "message": message, "details": details, "hint": hint}
    try:
        return _encode(value)
    except (UnicodeEncodeError, TypeError, RecursionError):
        # A message may quote what a client sent, and that may hold a lone surrogate, which UTF-8 cannot.
        return json.dumps({**value, "details": None if details is None else str(details)}).encode()


def _field(value: str) -> bytes:
    """A header value that cannot end its line."""
    return value.translate(_NO_BREAKS).encode("latin-1", "replace")


_NO_BREAKS: Final = {ord("\r"): " ", ord("\n"): " ", 0: " "}


def _invalid_token(message: str) -> bytes:
    """RFC 6750 §3.  The quoted string is ASCII without quotes, backslashes and controls (§3, "error_description")."""
    text = "".join(c if " " <= c <= "~" and c not in '"\\' else "'" if c == '"' else "?" for c in message)
    return f'Bearer error="invalid_token", error_description="{text}"'.encode("ascii")
