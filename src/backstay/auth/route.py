"""What the accounts API is made of: routes, what a route is given, and what it answers.

1. `Route.who` is the permission table (RB1): a route without it cannot be written, and the checks, the OpenAPI and the
   matrix of tests are made from the same rows.
2. A body is decoded into the route's own `msgspec.Struct` before its handler runs; a handler never sees raw JSON.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

import msgspec

from backstay.audit import Actor
from backstay.auth.session import Device
from backstay.policy.principal import Principal
from backstay.response.reply import Headers, Reply

#: ``anyone``: no account needed; ``user``: a session; ``admin``: the service role, or an account with the permission
#: and aal2.
Who: TypeAlias = Literal["anyone", "user", "admin"]

_JSON: Final = (b"content-type", b"application/json")
_encode: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class AuthRequest:
    """One request to ``/auth/v1``, checked and decoded.

    *path* holds the parts of the URL that the route names; *query* the query string, the last of each name.
    """

    method: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[bytes, bytes]
    body: Any
    principal: Principal
    device: Device
    #: The caller's session (row); ``None`` where the route is for anyone, and for the service role.
    session: Any = None
    #: What the route takes of an administrator, see `Route.permission`.
    permission: str = ""

    @property
    def user_id(self) -> UUID:
        """The caller's account, where the route is for users."""
        id: UUID = self.session.user_id
        return id

    @property
    def redirect_to(self) -> str | None:
        """Where the client wants people sent back to; not checked yet."""
        referrer = self.headers.get(b"redirect_to")
        return self.query.get("redirect_to") or (None if referrer is None else referrer.decode("latin-1"))

    @property
    def actor(self) -> Actor:
        """Who asks, for the audit log."""
        if self.session is not None:
            return Actor("user", self.session.user_id, self.device.ip)
        # Where it is a key of the database, its id says which.
        key = self.principal.claims.get("key_id")
        id = UUID(key) if isinstance(key, str) else None
        return Actor("service" if self.principal.is_service else "anon", id, self.device.ip or None)

    @property
    def locale(self) -> str | None:
        """The first language of ``Accept-Language``, e.g. ``de``."""
        first = self.headers.get(b"accept-language", b"").decode("latin-1").split(",")[0].split(";")[0].strip()
        tag = first.split("-")[0].lower()
        return tag if 2 <= len(tag) <= 3 and tag.isascii() and tag.isalpha() else None


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """One method of one path under ``/auth/v1/``.

    *path* may hold ``{names}``.  *body* is the Struct of the JSON body, ``None`` where there is none; *answers* says
    what comes back, for the OpenAPI: a Struct, or ``None`` for an empty body.
    """

    method: str
    path: str
    who: Who
    handle: Callable[[AuthRequest, Any], Awaitable[Reply]]
    summary: str
    body: type[msgspec.Struct] | None = None
    query: tuple[str, ...] = ()
    status: int = 200
    #: For ``admin``: the permission that an account needs; the service role has all.
    permission: str = ""
    #: Whether the body is a form, as a browser posts it; the handler gets the last of each name.
    takes_form: bool = False


def json_reply(value: Any, status: int = 200, headers: Headers = ()) -> Reply:
    """*value* as JSON."""
    return Reply(status, (_JSON, *headers), _encode(value))


EMPTY: Final = Reply(204)
