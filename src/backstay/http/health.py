"""``/health``: up, and which parts of the app are not (DU6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from backstay.response.reply import Headers, Reply

_JSON: Final[Headers] = ((b"content-type", b"application/json"),)
_HEALTHY: Final = Reply(200, _JSON, b'{"status":"ok"}')


def health_of(parts: Mapping[str, Callable[[], Any]]) -> Callable[[], Reply]:
    """What answers ``/health``: each of *parts* says why it fails, or nothing.

    The status stays 200, for the app does answer; the reasons stay in the log, for anybody may ask.
    """

    def answer() -> Reply:
        failing = [name for name, why in parts.items() if why()]
        if not failing:
            return _HEALTHY
        return Reply(200, _JSON, msgspec.json.encode({"status": "degraded", "failing": failing}))

    return answer
