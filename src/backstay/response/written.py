"""What a write did → status, headers, body."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final, Literal
from urllib.parse import quote

from backstay.request.media import Media, media_type
from backstay.request.prefer import Preferences, applied
from backstay.response.reply import Reply
from backstay.response.rows import converter

_REPRESENTATION: Final = b"return=representation"
_OF_THE_BODY: Final = frozenset({b"content-type", b"content-profile"})


@dataclass(frozen=True, slots=True)
class Written:
    """The outcome of a write.

    *body* is the representation, where one was asked for; *keys* are (column, value) of the first row; *inserted* tells
    whether any row is new.
    """

    rows: int
    body: str | None = None
    keys: tuple[tuple[str, Any], ...] = ()
    inserted: bool = True
    #: What *body* is made of.
    form: str = "json"


def render_written(
    action: Literal["insert", "update", "delete", "put"],
    table: str,
    written: Written,
    media: Media,
    preferences: Preferences,
    profile: str | None,
    *,
    keyed: bool = True,
) -> Reply:
    """The reply of a write: PostgREST's status, ``Content-Range`` and ``Preference-Applied`` for each kind."""
    representation = preferences.returning == "representation"
    headers: list[tuple[bytes, bytes]] = []
    if representation:
        headers.append((b"content-type", media_type(media).encode()))
    if action != "put":
        headers.append((b"content-range", _content_range(action, written.rows, preferences).encode()))
    if preferences.returning == "headers-only" and action == "insert" and written.keys:
        headers.append((b"location", _location(table, written.keys).encode()))
    told = applied(_honoured(action, preferences, keyed=keyed))
    if told is not None:
        headers.append((b"preference-applied", told.encode()))
    if profile is not None and representation:
        headers.append((b"content-profile", profile.encode()))
    body = (written.body or "") if representation else ""
    convert = converter(media, written.form) if representation else None
    if convert is not None:
        body = convert(body)
    if representation and media.kind == "object":
        body = body[1:-1]
    status = _status(action, written, preferences, representation)
    return Reply(status, tuple(headers), body.encode(), rows=written.rows)


def without_rows(method: str, reply: Reply) -> Reply | None:
    """The *reply* of a write without its representation, as ``return=minimal`` has it; ``None`` where it has none.

    For a write that was done, when its rows cannot be sent: ``Preference-Applied`` says so.
    """
    kept: list[tuple[bytes, bytes]] = []
    shown = False
    for name, value in reply.headers:
        if name == b"preference-applied" and _REPRESENTATION in value.split(b", "):
            shown = True
            kept.append((name, value.replace(_REPRESENTATION, b"return=minimal")))
        elif name not in _OF_THE_BODY:
            kept.append((name, value))
    status = 204 if reply.status == 200 and method != "POST" else reply.status
    return Reply(status, tuple(kept)) if shown else None


def _honoured(action: str, preferences: Preferences, *, keyed: bool) -> Preferences:
    """What *action* can take into account; without a key (*keyed*) no row is ever a duplicate of another."""
    match action:
        case "insert":
            return replace(preferences, max_affected=None, resolution=preferences.resolution if keyed else None)
        case "put":
            return replace(preferences, max_affected=None, resolution=None, missing=None)
        case _:
            return replace(preferences, resolution=None)


def _status(action: str, written: Written, preferences: Preferences, representation: bool) -> int:
    if action == "insert":
        merged = preferences.resolution == "merge-duplicates" and not written.inserted
        return 200 if merged else 201
    if action == "put" and representation and written.inserted:
        return 201
    return 200 if representation else 204


def _content_range(action: str, rows: int, preferences: Preferences) -> str:
    total = "*" if preferences.count is None else str(rows)
    if action == "update" and rows:
        return f"0-{rows - 1}/{total}"
    return f"*/{total}"


def _location(table: str, keys: tuple[tuple[str, Any], ...]) -> str:
    parts = [
        f"{quote(name, safe='')}={'is.null' if value is None else 'eq.' + quote(str(value), safe='')}"
        for name, value in keys
    ]
    return f"/{quote(table)}?{'&'.join(parts)}"
