"""Which browsers' pages may read the answers (WHATWG Fetch, "CORS protocol").

Rules of this file (WB3):

1. ``*`` is for answers without credentials: the callers of this API carry their token in a header, never in a cookie.
2. Otherwise an origin is echoed only if it is literally listed; then ``Vary: Origin``.
3. The origin ``null`` (sandboxed frames, files, some redirects) is nobody: anyone can make one.
4. In the place of PostgREST (*plain*) the same origins get PostgREST's words: it lets pages set any header.
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
    "Warning",
    "WWW-Authenticate",
    "X-Request-Id",
    "X-Sb-Error-Code",
    "X-Supabase-Api-Version",
    "X-Total-Count",
)

#: PostgREST's, in its order.
_PLAIN_METHODS: Final = ("GET", "POST", "PATCH", "PUT", "DELETE", "OPTIONS", "HEAD")
_PLAIN_EXPOSE: Final = (
    "Content-Encoding",
    "Content-Location",
    "Content-Range",
    "Content-Type",
    "Date",
    "Location",
    "Server",
    "Transfer-Encoding",
    "Range-Unit",
)
_MOST_ASKED: Final = 100

_TOKEN: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_ORIGIN: Final = re.compile(r"[a-z][a-z0-9+.-]*://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")


class CorsPolicy:
    """Answers two questions about an Origin header, both from ready-made tuples.

    Args:
        origins: ``("*",)``, or literal origins as browsers write them: ``https://app.example.org``, lower case,
            without a path or a default port.  Empty: no page of another origin reads anything.
        plain: speak as PostgREST does; the headers that a page may set are then those that it asks for.

    Raises:
        ConfigError: BST-E301 for an origin that no browser sends, or ``*`` beside others.
    """

    def __init__(self, origins: tuple[str, ...] = ("*",), *, plain: bool = False) -> None:
        any_origin = "*" in origins
        if any_origin and len(origins) > 1:
            raise ConfigError(
                "BST-E301",
                "CORS for every origin cannot be mixed with single origins",
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
        self._plain = plain
        exposed, methods = (_PLAIN_EXPOSE, _PLAIN_METHODS) if plain else (EXPOSE_HEADERS, METHODS)
        expose = (b"access-control-expose-headers", ", ".join(exposed).encode())
        ask: Headers = (
            (b"access-control-allow-methods", ", ".join(methods).encode()),
            *(() if plain else ((b"access-control-allow-headers", ", ".join(ALLOW_HEADERS).encode()),)),
            (b"access-control-max-age", b"86400"),
        )
        self._answers: dict[bytes, Headers] = {}
        self._preflights: dict[bytes, Reply] = {}
        for origin in origins:
            allow = ((b"access-control-allow-origin", origin.encode()), *vary)
            self._answers[origin.encode()] = (*allow, expose)
            self._preflights[origin.encode()] = Reply(200 if plain else 204, (*allow, *ask))
        # What an origin gets that is not listed.
        self._other_answer: Headers = self._answers.get(b"*", vary)
        self._other_preflight = self._preflights.get(b"*", Reply(204, vary))
        self._unasked: Headers = ((b"access-control-allow-origin", b"*"),) if plain and any_origin else ()

    def headers(self, origin: bytes | None, method: str = "GET") -> Headers:
        """What an answer to a page of *origin* carries (``None``: the request names no origin).

        >>> CorsPolicy(("https://a.example",)).headers(b"https://b.example")
        ((b'vary', b'Origin'),)
        >>> CorsPolicy().headers(b"null")
        ()
        """
        if origin is None:
            if method == "OPTIONS" and self._unasked:
                return self._unasked
            # With a list the answer to the same URL differs by Origin, and a shared cache must know even now.
            return () if b"*" in self._answers else self._other_answer
        if origin == b"null":
            return () if b"*" in self._answers else self._other_answer
        return self._answers.get(origin, self._other_answer)

    def preflight(self, origin: bytes, asked: bytes | None = None) -> Reply:
        """Answer ``OPTIONS`` with Origin and Access-Control-Request-Method: 204, with nothing allowed to strangers.

        *asked* is Access-Control-Request-Headers.
        """
        if origin == b"null":
            return Reply(204)
        reply = self._preflights.get(origin, self._other_preflight)
        if not self._plain or reply.status != 200:
            return reply
        names = [name for part in (asked or b"").split(b",")[:_MOST_ASKED] if _TOKEN.fullmatch(name := part.strip())]
        allowed = b", ".join((b"Authorization", *names, b"Accept", b"Accept-Language", b"Content-Language"))
        return Reply(200, (*reply.headers, (b"access-control-allow-headers", allowed)))
