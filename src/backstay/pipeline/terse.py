"""Errors in PostgREST's own words: for databases that are served in its place.

Our errors say more than PostgREST's: what exactly was wrong with a body, what to write instead.  An app of ours keeps
that; who puts a reflected database behind clients and tests made for PostgREST gets what those know.
"""

from __future__ import annotations

import re
from typing import Final

from backstay.errors import BackstayError, RequestError
from backstay.pipeline.request import DataPlane, DataRequest
from backstay.response.reply import Reply

#: PostgREST's errors without details, and those without a hint.
_NO_DETAILS: Final = frozenset(("PGRST101", "PGRST102", "PGRST105", "PGRST107", "PGRST117", "PGRST204", "42501"))
_NO_HINT: Final = frozenset(
    (
        "PGRST100",
        "PGRST101",
        "PGRST102",
        "PGRST103",
        "PGRST107",
        "PGRST114",
        "PGRST115",
        "PGRST122",
        "PGRST204",
        "42501",
        "42704",
    )
)

_LONE_PERCENT: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")


class Terse:
    """Another data plane, whose errors lose what PostgREST does not say."""

    def __init__(self, plane: DataPlane) -> None:
        self._plane = plane

    async def answer(self, request: DataRequest) -> Reply:
        """As the other plane."""
        if b"%" in request.query:
            # PostgREST takes a per cent sign that encodes nothing for itself.
            request = request._replace(query=_LONE_PERCENT.sub(b"%25", request.query))
        try:
            return await self._plane.answer(request)
        except BackstayError as error:
            if error.code == "BST415":
                raise RequestError("PGRST102", error.message) from error
            # Several faults of one body are told at once; PostgREST tells the first.
            if error.code in _NO_DETAILS or (isinstance(error.details, list) and not error.code.startswith("PGRST")):
                error.details = None
            if error.code in _NO_HINT:
                error.hint = None
            raise
