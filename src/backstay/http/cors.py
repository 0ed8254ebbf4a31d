"""Which browsers' pages may read the answers (WHATWG Fetch, "CORS protocol").

Rules of this file (WB3):

1. ``*`` is for answers without credentials: the callers of this API carry their token in a header, never in a cookie.
2. Otherwise an origin is echoed only if it is literally listed; then ``Vary: Origin``.
3. The origin ``null`` (sandboxed frames, files, some redirects) is nobody: anyone can make one.
"""

from __future__ import annotations

import re
from typing import Final

from backstay.errors import ConfigError
from backstay.response.reply import Headers, Reply

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

#: What the published clients send, and what conditional and idempotent requests need.
ALLOW_HEADERS: Final = (
    "accept",
    "accept-language",
    "accept-profile",
    "apikey",
    "authorization",
    "baggage",
    "content-language",
    "content-profile",
    "content-type",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "prefer",
    "range",
    "range-unit",
    "traceparent",
    "tracestate",
    "x-client-info",
    "x-request-id",
    "x-retry-count",
    "x-supabase-api-version",
    "x-upsert",
)

EXPOSE_HEADERS: Final = (
    "Content-Range",
    "Content-Location",
    "Content-Profile",
    "ETag",
    "Idempotency-Replayed",
    "Link",
    "Location",
    "Preference-Applied",
    "Proxy-Status",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-Id",
)

_ORIGIN: Final = re.compile(r"[a-z][a-z0-9+.-]*://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")


class CorsPolicy:
    """Answers two questions about an Origin header, both from ready-made tuples.

    Args:
        origins: ``("*",)``, or literal origins as browsers write them: ``https://app.example.org``, lower case,
            without a path or a default port.  Empty: no page of another origin reads anything.
        credentials: also let listed pages send cookies; impossible with ``*``.
        allow_headers: request headers that pages may set; lower case.
        max_age_seconds: how long a browser may remember a preflight.

    Raises:
        ConfigError: BST-E301 for an origin that no browser sends, or ``*`` with credentials.
    """

    def __init__(
        self,
        origins: tuple[str, ...] = ("*",),
        *,
        credentials: bool = False,
        allow_headers: tuple[str, ...] = ALLOW_HEADERS,
        max_age_seconds: int = 86400,
    ) -> None:
        any_origin = "*" in origins
        if any_origin and (credentials or len(origins) > 1):
            raise ConfigError(
                "BST-E301",
                "CORS for every origin cannot be mixed with credentials or with single origins",
                hint='Use origins=("*",) alone, or list the origins.',
            )
        for origin in origins:
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise ConfigError(
                    "BST-E301",
                    f"{origin!r} is not an origin that a browser sends",
                    hint="Write scheme, host and port only, in lower case: https://app.example.org",
                )
        vary = () if any_origin else ((b"vary", b"Origin"),)
        expose = (b"access-control-expose-headers", ", ".join(EXPOSE_HEADERS).encode())
        ask: Headers = (
            (b"access-control-allow-methods", ", ".join(METHODS).encode()),
            (b"access-control-allow-headers", ", ".join(allow_headers).encode()),
            (b"access-control-max-age", str(max_age_seconds).encode()),
        )
        with_credentials = ((b"access-control-allow-credentials", b"true"),) if credentials else ()
        self._answers: dict[bytes, Headers] = {}
        self._preflights: dict[bytes, Reply] = {}
        for origin in origins:
            allow = ((b"access-control-allow-origin", origin.encode()), *with_credentials, *vary)
            self._answers[origin.encode()] = (*allow, expose)
            self._preflights[origin.encode()] = Reply(204, (*allow, *ask))
        # What an origin gets that is not listed.
        self._other_answer: Headers = self._answers.get(b"*", vary)
        self._other_preflight = self._preflights.get(b"*", Reply(204, vary))

    def headers(self, origin: bytes | None) -> Headers:
        """What an answer to a page of *origin* carries (``None``: the request names no origin).

        >>> CorsPolicy(("https://a.example",)).headers(b"https://b.example")
        ((b'vary', b'Origin'),)
        >>> CorsPolicy().headers(b"null")
        ()
        """
        if origin is None:
            # With a list the answer to the same URL differs by Origin, and a shared cache must know even now.
            return () if b"*" in self._answers else self._other_answer
        if origin == b"null":
            return () if b"*" in self._answers else self._other_answer
        return self._answers.get(origin, self._other_answer)

    def preflight(self, origin: bytes) -> Reply:
        """Answer ``OPTIONS`` with Origin and Access-Control-Request-Method: 204, with nothing allowed to strangers."""
        if origin == b"null":
            return Reply(204)
        return self._preflights.get(origin, self._other_preflight)
