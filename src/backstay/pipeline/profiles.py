"""Several schemas behind one address: the profile headers choose."""

from __future__ import annotations

from collections.abc import Mapping

from backstay.pipeline.request import DataPlane, DataRequest
from backstay.response.reply import Reply


class Profiles:
    """A data plane for each schema.  The first is the default; it also refuses the names that nobody serves.

    ``Accept-Profile`` chooses for ``GET`` and ``HEAD``, ``Content-Profile`` for everything else.
    """

    def __init__(self, planes: Mapping[str, DataPlane]) -> None:
        self._planes = planes
        self._default = next(iter(planes.values()))

    async def answer(self, request: DataRequest) -> Reply:
        """Answer one request by the plane of its schema."""
        header = b"accept-profile" if request.method in ("GET", "HEAD") else b"content-profile"
        plane = self._planes.get(request.header(header) or "", self._default)
        return await plane.answer(request)
