"""Rows as the database finished them → status, headers, body."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, quote

from backstay.errors import PlanError
from backstay.request.media import Media, media_type
from backstay.request.prefer import Preferences, applied
from backstay.response.form import csv_of, feature_collection, strip_nulls
from backstay.response.reply import Headers, Reply


@dataclass(frozen=True, slots=True)
class Frame:
    """Everything about a reply that does not depend on the rows, worked out once for each kind of request."""

    media: Media
    headers: Headers
    count: bool = False
    #: Makes the body out of JSON, where the database has not.
    convert: Callable[[str], str] | None = None

    @property
    def singular(self) -> bool:
        return self.media.kind == "object"


def converter(media: Media, form: str) -> Callable[[str], str] | None:
    """What is still to be done for *media* with a body that the database made in *form*."""
    if media.form == "features":
        # The database has made the features, whatever it is.
        return feature_collection
    if media.form == form:
        return None
    return csv_of if media.form == "csv" else strip_nulls


def frame_read(
    path: str,
    query: str,
    media: Media,
    preferences: Preferences,
    profile: str | None,
    form: str = "json",
) -> Frame:
    """The frame of a read: ``Content-Type``, ``Content-Location``, ``Vary``, ``Preference-Applied``."""
    headers = [
        (b"content-type", media_type(media).encode()),
        (b"content-location", content_location(path, query).encode()),
        (b"vary", b"Accept, Prefer, Range"),
    ]
    told = applied(replace(preferences, resolution=None, missing=None, returning=None, max_affected=None))
    if told is not None:
        headers.append((b"preference-applied", told.encode()))
    if profile is not None:
        headers.append((b"content-profile", profile.encode()))
    return Frame(media, tuple(headers), preferences.count is not None, converter(media, form))


def frame_call(media: Media, preferences: Preferences, profile: str | None, form: str = "json") -> Frame:
    """The frame of a call: ``Content-Type`` first, ``Preference-Applied``."""
    headers = [(b"content-type", media_type(media).encode())]
    told = applied(replace(preferences, resolution=None, missing=None, returning=None))
    if told is not None:
        headers.append((b"preference-applied", told.encode()))
    if profile is not None:
        headers.append((b"content-profile", profile.encode()))
    return Frame(media, tuple(headers), preferences.count is not None, converter(media, form))


def content_location(path: str, query: str) -> str:
    """Where exactly this representation lives: the path with its parameters sorted (RFC 9110 §8.7).

    >>> content_location("films", "select=id,title&limit=1")
    '/films?limit=1&select=id%2Ctitle'
    """
    values: dict[str, list[str]] = {}
    for key, value in sorted(parse_qsl(query, keep_blank_values=True, errors="replace"), key=lambda pair: pair[0]):
        values.setdefault(quote(key, safe=""), []).append(quote(value, safe=""))
    # A key that stands twice stands once here, its values joined by a comma: PostgREST's canonical form.
    canonical = "&".join(f"{key}={','.join(found)}" for key, found in values.items())
    return "/" + quote(path) + ("?" + canonical if canonical else "")


def render_read(frame: Frame, body: str, rows: int, total: int | None, offset: int) -> Reply:
    """One page of rows.

    Args:
        body: the JSON array.
        rows: how many rows it has.
        total: how many there are without the page, when counted.
        offset: where the page begins.

    Raises:
        PlanError: PGRST116 when one row was asked for and there is not exactly one; PGRST103 when the page begins
            after the last row.
    """
    if frame.singular and rows != 1:
        raise not_single(rows)
    shown = f"{offset}-{offset + rows - 1}" if rows else "*"
    content_range = f"{shown}/{'*' if total is None else total}"
    if total is not None and offset > total:
        raise PlanError(
            "PGRST103",
            "Requested range not satisfiable",
            details=f"An offset of {offset} was requested, but there are only {total} rows.",
            headers=(("Content-Range", f"*/{total}"),),
        )
    status = 206 if total is not None and rows < total else 200
    if frame.convert is not None:
        body = frame.convert(body)
    finished = body[1:-1] if frame.singular else body
    headers = (*frame.headers, (b"content-range", content_range.encode()))
    return Reply(status, headers, finished.encode(), rows=rows)


def not_single(rows: int) -> PlanError:
    """PGRST116: one row was asked for."""
    return PlanError(
        "PGRST116",
        "Cannot coerce the result to a single JSON object",
        details=f"The result contains {rows} rows",
    )
