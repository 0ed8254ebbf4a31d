"""What comes back: headers, representations of rows, and the one shape of every error."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from backstay.errors import STATUS
from backstay.request.media import Media, MediaKind, media_type
from backstay.response.openapi.name import Json, reference

#: Kinds that hold rows, in the order in which they are offered.
_ROWS: Final[tuple[MediaKind, ...]] = ("array", "object", "csv", "geojson", "ndjson")

HEADERS: Final[dict[str, Json]] = {
    "Content-Range": {
        "description": "Which rows these are, and how many there are (`*`: not counted): `0-19/57`.",
        "schema": {"type": "string", "pattern": r"^([0-9]+-[0-9]+|\*)/([0-9]+|\*)$"},
    },
    "Content-Location": {
        "description": "Where exactly this representation lives.",
        "schema": {"type": "string"},
    },
    "Preference-Applied": {
        "description": "The preferences that were honoured (RFC 7240).",
        "schema": {"type": "string"},
    },
    "Location": {
        "description": "With `return=headers-only`: where the new row is.",
        "schema": {"type": "string"},
    },
}

ERROR: Final = "rest.error"


def error_schema() -> Json:
    """The body of every answer that is not a success."""
    codes = "\n".join(f"- `{code}`: {status}" for code, status in STATUS.items())
    return {
        "title": "Error",
        "description": "Why a request was refused. All four members are always there.",
        "type": "object",
        "properties": {
            "code": {
                "type": "string",
                "description": (
                    "Which case it is: a code of this list with its HTTP status, a five-character SQLSTATE of "
                    f"PostgreSQL, or a code of the function that was called.\n\n{codes}"
                ),
                "examples": ["PGRST205", "23505", "42501"],
            },
            "message": {"type": "string", "description": "What is wrong, in one sentence."},
            "details": {"description": "What exactly was wrong: text, or any JSON value."},
            "hint": {"type": ["string", "null"], "description": "What to do about it."},
        },
        "required": ["code", "message", "details", "hint"],
    }


def error_response() -> Json:
    return {
        "description": "Refused; `code` says why.",
        "headers": {
            "Proxy-Status": {"description": "The code again (RFC 9209).", "schema": {"type": "string"}},
        },
        "content": {"application/json": {"schema": reference("schemas", ERROR)}},
    }


def refused() -> Json:
    """The part of ``responses`` that every operation has."""
    return {"default": reference("responses", "error")}


def success(description: str, headers: Iterable[str] = (), content: Json | None = None) -> Json:
    """A response without an error: names of `HEADERS`, and its ``content``."""
    found: Json = {"description": description}
    names = tuple(headers)
    if names:
        found["headers"] = {name: reference("headers", name) for name in names}
    if content:
        found["content"] = content
    return found


def rows_content(offered: frozenset[MediaKind], row: Json, rows: Json) -> Json:
    """``content`` of an answer with rows, in every representation that is *offered*."""
    found: Json = {}
    for kind in _ROWS:
        if kind in offered:
            schema = rows if kind == "array" else row if kind == "object" else {"type": "string"}
            found[_bare(kind)] = {"schema": schema}
    return found


def _bare(kind: MediaKind) -> str:
    return media_type(Media(kind)).partition(";")[0]
