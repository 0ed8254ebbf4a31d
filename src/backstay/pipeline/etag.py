"""Conditional requests on one row (RFC 9110 §13): entity tags, ``If-Match`` and ``If-None-Match``.

1. A tag is strong and is made of the representation's bytes, so that no two callers who see different columns share
   one.  Where the model has a version, the tag begins with it: ``"3-5f0c…"``.
2. ``If-Match`` compares with what ``GET`` of the same URL gives this caller, or with the version alone: a tag taken
   with one ``select`` is then good for a change with another.
3. With the operator's keys it is an HMAC: whoever sees a tag in a log, a cache or a table cannot try out which values
   give it.
4. A precondition is judged in the transaction of the change, after its row is locked (ID2).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Final

import msgspec

from backstay.crypt import Keyring
from backstay.errors import DatabaseError, RequestError
from backstay.response.reply import Reply

_TAG: Final = re.compile(r'[ \t]*(W/)?"([\x21\x23-\x7e\x80-\xff]*)"[ \t]*(?:,|\Z)')
_BARE: Final = re.compile(r"[ \t]*([A-Za-z0-9-]{1,64})[ \t]*\Z")
_VERSION: Final = re.compile(r"(\d{1,18})(?:-[0-9a-f]+)?\Z")

#: Headers that a 304 repeats (RFC 9110 §15.4.5).
_OF_304: Final = frozenset((b"content-location", b"date", b"expires", b"vary", b"cache-control", b"etag"))


@dataclass(frozen=True, slots=True)
class Tags:
    """The value of ``If-Match`` or ``If-None-Match``: *any* for ``*``, else the opaque tags; *weak* ones apart."""

    any: bool = False
    strong: frozenset[str] = frozenset()
    weak: frozenset[str] = frozenset()

    @property
    def versions(self) -> frozenset[int]:
        """The versions that the strong tags name."""
        found = (_VERSION.match(tag) for tag in self.strong)
        return frozenset(int(match[1]) for match in found if match)


def parse_tags(text: str) -> Tags:
    """Read a list of entity tags.  One tag without its quotes is understood, because people type it so.

    >>> sorted(parse_tags('"a", W/"b"').strong), parse_tags('*').any
    (['a'], True)

    Raises:
        RequestError: BST400, when it is neither.
    """
    if text.strip(" \t") == "*":
        return Tags(any=True)
    if bare := _BARE.match(text):
        return Tags(strong=frozenset((bare[1],)))
    strong: set[str] = set()
    weak: set[str] = set()
    at = 0
    while at < len(text):
        found = _TAG.match(text, at)
        if found is None:
            raise RequestError("BST400", "A list of entity tags is malformed", hint='Write If-Match: "…", as ETag was.')
        (weak if found[1] else strong).add(found[2])
        at = found.end()
    return Tags(False, frozenset(strong), frozenset(weak))


@lru_cache(maxsize=8)
def tagging_key(keyring: Keyring | None) -> bytes:
    """What tags are made with; they change with the operator's newest key."""
    return b"" if keyring is None else keyring.derive("etag")


def etag_of(body: bytes, version_column: str | None, key: bytes = b"") -> str:
    """The opaque tag of a representation; *key* is `tagging_key`.

    >>> etag_of(b'{"id":1,"version":3}', "version")
    '3-1dc0e91ec060effe'
    """
    digest = blake2b(body, digest_size=8, key=key).hexdigest()
    if version_column is None:
        return digest
    version = msgspec.json.decode(body, type=dict[str, msgspec.Raw]).get(version_column)
    text = b"" if version is None else bytes(version)
    return f"{int(text)}-{digest}" if text.isdigit() and len(text) <= 18 else digest


def tagged(reply: Reply, tag: str) -> Reply:
    """*reply* with its ``ETag``."""
    return reply._replace(headers=(*reply.headers, (b"etag", f'"{tag}"'.encode())))


def unless_known(reply: Reply, tag: str, if_none_match: str | None) -> Reply:
    """304 where the client has this representation already; else *reply*.  The comparison is weak (§13.1.2)."""
    if if_none_match is None:
        return reply
    tags = parse_tags(if_none_match)
    if not tags.any and tag not in tags.strong | tags.weak:
        return reply
    return Reply(304, tuple(pair for pair in reply.headers if pair[0] in _OF_304))


def failed(tag: str | None) -> DatabaseError:
    """BST412: the precondition does not hold; nothing was changed."""
    return DatabaseError(
        "BST412",
        "The row is not the one that the precondition describes",
        details=None if tag is None else f'Its entity tag is now "{tag}"',
        hint="Read it again, and decide again.",
        headers=() if tag is None else (("ETag", f'"{tag}"'),),
    )
