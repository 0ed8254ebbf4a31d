"""Headers that every answer carries, whoever made it (WB4)."""

from __future__ import annotations

from typing import Final

from starlette.types import Message, Send

from backstay.response.reply import Headers

_EVERYWHERE: Final[Headers] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    # Pages that may read the API do it by CORS, which this header does not touch; it stops <img>, <script> and their
    # like from pulling answers into a foreign page's process.
    (b"cross-origin-resource-policy", b"same-origin"),
)
_HSTS: Final = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")

#: For the data plane, over http and https.  Ready-made tuples cost a request one concatenation, 0.1 µs.
API: Final[Headers] = (
    *_EVERYWHERE,
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
API_TLS: Final[Headers] = (*API, _HSTS)
#: The answer depends on who asks: no cache may keep it.
NO_STORE: Final[Headers] = ((b"cache-control", b"no-store"),)

# A mounted app may load its own scripts and styles; that nobody frames it is the least it gets.
_BEHIND: Final[Headers] = (*_EVERYWHERE, (b"content-security-policy", b"frame-ancestors 'none'"))
_BEHIND_TLS: Final[Headers] = (*_BEHIND, _HSTS)


class Shield:
    """A ``send`` that adds the headers above where the app behind the kernel has not set its own."""

    def __init__(self, send: Send, *, tls: bool) -> None:
        self._send = send
        self._headers = _BEHIND_TLS if tls else _BEHIND
        #: Added to the answer as ``X-Request-Id``, where one is known.
        self.request_id: bytes | None = None
        #: Of the response, once it has begun.
        self.status = 0
        #: The response has begun, and what goes out can no longer be changed.
        self.started = False
        #: The response is complete.
        self.ended = False

    async def __call__(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            self.started = True
            self.status = message["status"]
            own = [(bytes(name), bytes(value)) for name, value in message.get("headers", ())]
            names = {name.lower() for name, _ in own}
            ours = self._headers if self.request_id is None else (*self._headers, (b"x-request-id", self.request_id))
            message = {**message, "headers": [*own, *(pair for pair in ours if pair[0] not in names)]}
        elif kind == "http.response.body":
            self.ended = not message.get("more_body", False)
        elif kind == "http.response.pathsend":
            self.ended = True
        await self._send(message)
