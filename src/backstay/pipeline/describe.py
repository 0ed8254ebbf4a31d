"""``/rest/v1/`` itself, and ``/openapi.json``: what the caller may do, as OpenAPI."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from backstay.catalog import Function
from backstay.errors import RequestError
from backstay.pipeline.planner import may_plan
from backstay.pipeline.remember import Remembered, held
from backstay.pipeline.request import DataRequest
from backstay.pipeline.surface import Surface
from backstay.policy import ANON, Kind
from backstay.request import negotiate
from backstay.request.media import MediaKind, media_type
from backstay.response.openapi import About, describe
from backstay.response.reply import Reply

_OFFERED: Final[frozenset[MediaKind]] = frozenset(("openapi",))


@dataclass(frozen=True, slots=True)
class Described:
    """What the app says about itself.

    *to_anonymous*: also to callers who have shown no credentials (WB8); *keeps_keys*: that it understands
    ``Idempotency-Key``.
    """

    title: str = "Backstay"
    version: str = "1.0.0"
    to_anonymous: bool = True
    keeps_keys: bool = True


class Descriptions:
    """Answers with the document of the caller's kind, made once for each."""

    def __init__(self, surface: Surface, functions: Mapping[str, Function], described: Described) -> None:
        self._surface = surface
        self._functions = functions
        self._to_anonymous = described.to_anonymous
        self._about = About(
            described.title,
            described.version,
            max_rows=surface.max_rows,
            max_export_rows=surface.max_export_rows,
            offered=surface.offered - {"plan"},
            keeps_keys=described.keeps_keys,
            zones=surface.timezones is not None,
            ends=surface.tx_end.endswith("-allow-override"),
        )
        self._known: Remembered[tuple[Kind, str], bytes] = Remembered(
            32, weigh=lambda key, document: held(key) + len(document)
        )

    def answer(self, request: DataRequest) -> Reply:
        """Answer one request for the root.

        Raises:
            RequestError: PGRST107 (neither OpenAPI nor JSON is accepted), PGRST126 (not for this caller), PGRST117 (a
                verb that the root does not have).
        """
        if request.method == "OPTIONS":
            return Reply(200, ((b"allow", b"OPTIONS,GET,HEAD"),))
        if request.method not in ("GET", "HEAD"):
            raise RequestError("PGRST117", f"Unsupported HTTP method: {request.method}")
        profile = self._surface.check_profile(request.header(b"accept-profile"))
        media = negotiate(request.header(b"accept"), _OFFERED)
        kind = request.principal.kind
        if not self._to_anonymous and kind[0] == ANON and not kind[2]:
            raise RequestError(
                "PGRST126", "Root endpoint metadata is disabled", hint="Send an access token to read the description."
            )
        headers = [(b"content-type", media_type(media).encode()), (b"vary", b"Accept, Authorization, apikey")]
        if profile is not None:
            headers.append((b"content-profile", profile.encode()))
        return Reply(200, tuple(headers), self._document(request))

    def _document(self, request: DataRequest) -> bytes:
        key = (request.principal.kind, request.root)
        found = self._known.get(key)
        if found is not None:
            return found
        may_plan()
        about = replace(self._about, server=f"{request.root.rstrip('/')}/rest/v1")
        scope = self._surface.scope(request.principal)
        return self._known.put(key, msgspec.json.encode(describe(scope, self._functions, about)))
