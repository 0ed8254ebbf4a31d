"""What comes in from ``http/`` and how it goes back: the edges of the pipeline."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, Final, NamedTuple, Protocol

from backstay.pipeline.compared import Compared
from backstay.policy.principal import Principal
from backstay.response.reply import Reply

_JUDGED: Final = frozenset((b"if-match", b"if-none-match", b"prefer", b"range"))


class Ahead:
    """Plans that were made ahead, for a transaction in which everybody would wait for them.

    *begun* says that it has begun, and *late* how many plans were made in it nevertheless; *isolated*, that it must be
    (`Database.transact`).
    """

    __slots__ = ("begun", "isolated", "late", "looks", "plans")

    def __init__(self) -> None:
        self.plans: dict[Hashable, Any] = {}
        #: What looks at blind indexes, with the values that it takes (``sealed.py``).
        self.looks: list[tuple[Any, tuple[Any, ...]]] = []
        self.begun = False
        self.isolated = False
        self.late = 0


class DataRequest(NamedTuple):
    """A request to ``/rest/v1`` after the HTTP limits and the token check, before any parsing.

    *path* is what follows ``/rest/v1/``, percent-decoded: ``posts`` or ``rpc/follow``; *query* is the raw query
    string.  *headers* has lower-case names; several headers of one name are joined with ``, ``.  *root* is the prefix
    under which the whole app is mounted, without a ``/`` at its end.  *raw_path* is the whole path as it came, still
    percent-encoded; empty where the server does not pass it on.
    """

    method: str
    path: str
    query: bytes
    headers: Mapping[bytes, bytes]
    body: bytes
    principal: Principal
    root: str = ""
    raw_path: bytes = b""
    #: The address of the socket's other end; empty where there is none.
    peer: str = ""
    #: The plans that were made for it before its transaction began (``plans.py``); ``None`` where it has none.
    ahead: Ahead | None = None
    #: What else was made of it before, or refused it; ``None`` where it is not yet known what it will be.
    made: dict[Hashable, Any] | None = None
    #: What it has compared of encrypted values; ``None`` where there are none.
    compared: Compared | None = None

    @property
    def text(self) -> Hashable:
        """All that the client has sent."""
        return self.method, self.path, self.query, frozenset(self.headers.items()), self.body

    @property
    def query_text(self) -> str:
        """The query string as `parse_query` takes it."""
        return self.query.decode("utf-8", "surrogateescape")

    def reading(self, *, plainly: bool) -> DataRequest:
        """The ``GET`` of what it writes to; *plainly* without its preconditions, preferences and page."""
        left_out = _JUDGED if plainly else frozenset[bytes]()
        headers = {name: value for name, value in self.headers.items() if name not in left_out}
        headers.pop(b"accept-profile", None)
        if b"content-profile" in headers:
            headers[b"accept-profile"] = headers.pop(b"content-profile")
        return self._replace(method="GET", headers=headers, body=b"")

    def header(self, name: bytes) -> str | None:
        """A header's value as text; bytes beyond ASCII become what Latin-1 says (RFC 9110 §5.5)."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")


class DataPlane(Protocol):
    """What ``http/`` calls.  Raises `BackstayError`; anything else is a bug."""

    async def answer(self, request: DataRequest) -> Reply: ...
