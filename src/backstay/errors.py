"""Every answer that is not a success.  One base, one level, one shape on the wire.

Rules of this file:

1. A class per *who must act* (the client, the operator); a code per case.
2. The code is the identity; the HTTP status follows from it (`STATUS`, then `SQLSTATE_STATUS`).
3. PostgREST's code where it has one, PostgreSQL's SQLSTATE where the database speaks, ``BST…`` for our own.
   A retired code is never used again.
4. Anything that reaches ``http/`` and is not a `BackstayError` is a 500 and a bug.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

#: HTTP status by code.  The same table stands in ``docs/reference/errors.md``; a test compares them.
STATUS: Final[Mapping[str, int]] = {
    # connection
    "PGRST000": 503,
    "PGRST001": 503,
    "PGRST002": 503,
    "PGRST003": 504,
    # request
    "PGRST100": 400,
    "PGRST101": 405,
    "PGRST102": 400,
    "PGRST103": 416,
    "PGRST105": 405,
    "PGRST106": 406,
    "PGRST107": 406,
    "PGRST108": 400,
    "PGRST111": 500,
    "PGRST112": 500,
    "PGRST114": 400,
    "PGRST115": 400,
    "PGRST116": 406,
    "PGRST117": 405,
    "PGRST118": 400,
    "PGRST120": 400,
    "PGRST121": 500,
    "PGRST122": 400,
    "PGRST123": 400,
    "PGRST124": 400,
    "PGRST125": 404,
    "PGRST126": 404,
    "PGRST127": 400,
    "PGRST128": 400,
    # schema
    "PGRST200": 400,
    "PGRST201": 300,
    "PGRST202": 404,
    "PGRST203": 300,
    "PGRST204": 400,
    "PGRST205": 404,
    # tokens
    "PGRST300": 500,
    "PGRST301": 401,
    "PGRST302": 401,
    "PGRST303": 401,
    # ours
    "BST400": 400,  # malformed HTTP: a header that came twice, a bad Host, a body that breaks off
    "BST403": 403,  # a policy failed on a row: refused, and told to the operator alone
    "BST404": 404,  # no such row, or none that the caller may see
    "BST408": 408,  # the body came too slowly
    "BST409": 409,  # a request with the same Idempotency-Key is still at work
    "BST412": 412,  # a precondition (If-Match, If-None-Match) does not hold
    "BST413": 413,  # body or row count over its limit
    "BST414": 414,  # URL over its limit
    "BST415": 415,  # content type that no parser takes, or an encoding
    "BST422": 422,  # the body parsed, and one or more values in it are not valid
    "BST429": 429,  # too much is kept for the Idempotency-Keys of a caller
    "BST4221": 422,  # an Idempotency-Key came again with another request
    "BST431": 431,  # header block, or one header, over its limit
    "BST500": 500,  # a bug: generic body with an id
    "BST503": 503,  # busy: try again
    "BST507": 507,  # the disk is full
    "BST5071": 507,  # it was done, and there is no room for its answer
}

#: HTTP status by SQLSTATE, longest prefix first: PostgREST's table (errors page, "HTTP Status Codes"), but for what a
#: caller can cause, also by the arguments of a function.  That is 4xx, or 503 and 504 where it is worth trying again;
#: 500 is left for faults that nobody outside can make.
SQLSTATE_STATUS: Final[Mapping[str, int]] = {
    "08": 503,
    "0L": 403,
    "0P": 403,
    "21000": 400,
    "22000": 400,
    "22023": 400,
    "23503": 409,
    "23505": 409,
    "25006": 405,
    "25P01": 500,
    "25P02": 500,
    "28": 403,
    "40": 503,
    "42501": 403,
    "42883": 404,
    "42P01": 404,
    "42P17": 500,
    "53100": 507,
    "53": 503,
    "54": 413,
    "55P03": 503,
    "57014": 504,
    "57": 503,
    "58": 500,
    "F0": 500,
    "HV": 500,
    "XX": 500,
}


def status_of(code: str) -> int:
    """HTTP status of an error *code* (ours, PostgREST's, or a five-character SQLSTATE).

    >>> status_of("PGRST205"), status_of("23505"), status_of("22P02"), status_of("PT418")
    (404, 409, 400, 418)
    """
    if code in STATUS:
        return STATUS[code]
    for length in (5, 2):
        found = SQLSTATE_STATUS.get(code[:length])
        if found is not None:
            return found
    if len(code) == 5 and code.startswith("PT"):
        # What a function of the database says: PT and the status.  It may not say one that ends no request.
        return int(code[2:]) if code[2:].isdecimal() and 200 <= int(code[2:]) <= 599 else 500
    return 400


class BackstayError(Exception):
    """An answer, not a crash.

    Args:
        code: the stable identity of the case, e.g. ``PGRST205``.
        message: one sentence, for a person.
        details: what exactly was wrong; text or any JSON value.
        hint: what to do about it.
        headers: extra response headers, e.g. ``Content-Range`` of a 416.
        status: the HTTP status where the code alone does not tell it.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        details: Any = None,
        hint: str | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details
        self.hint = hint
        self.headers = headers
        self._status = status

    @property
    def status(self) -> int:
        """HTTP status; ``http/`` turns the 403 of an anonymous caller into 401."""
        return status_of(self.code) if self._status is None else self._status

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class RequestError(BackstayError):
    """The request does not parse: the client wrote it wrong.  ``request/`` and ``http/`` raise it."""


class PlanError(BackstayError):
    """The request parses, but names what does not exist, or asks what cannot be done.  ``plan/`` raises it."""


class Forbidden(BackstayError):
    """A policy says no.  ``42501``: 403, or 401 to an anonymous caller."""


class TokenError(BackstayError):
    """The bearer token is not one of ours, or no longer.  ``PGRST301``–``PGRST303``."""


class DatabaseError(BackstayError):
    """The database refused.  ``db/failures.py`` makes them from driver errors, by SQLSTATE."""


class Unjudged(BackstayError):
    """The database failed while it may have judged a policy (AC13): refused, without a word of rows or rules.

    What it said is the ``__cause__``, for the operator; ``http/`` logs it under an id, which is what is answered.
    """

    def __init__(self) -> None:
        super().__init__("BST403", "The request is refused: it could not be judged")


class ConfigError(BackstayError):
    """The operator must act: settings or models cannot be served."""
