"""What comes back: headers, representations of rows, and the one shape of every error."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from backstay.errors import SQLSTATE_STATUS, STATUS
from backstay.request.media import Media, MediaKind, media_type
from backstay.response.openapi.name import Json, reference

#: Kinds that hold rows, in the order in which they are offered.
_ROWS: Final[tuple[MediaKind, ...]] = ("array", "object", "csv", "geojson", "ndjson")

_TEXT: Final[Json] = {"type": "string"}
_FEATURE: Final[Json] = {
    "type": "object",
    "properties": {
        "type": {"const": "Feature"},
        "geometry": {"type": ["object", "null"]},
        "properties": {"type": "object"},
    },
    "required": ["type", "geometry", "properties"],
}
#: Kinds whose schema is not that of the rows.
_OWN: Final[dict[MediaKind, Json]] = {
    "geojson": {
        "description": "Each row as a feature: its first geometry, and whatever else was selected as properties.",
        "type": "object",
        "properties": {"type": {"const": "FeatureCollection"}, "features": {"type": "array", "items": _FEATURE}},
        "required": ["type", "features"],
    },
    "csv": {**_TEXT, "description": "A line with the names of the columns, then a line for each row."},
    "ndjson": {**_TEXT, "description": "A row a line, streamed; neither counted nor cut into pages."},
}

HEADERS: Final[dict[str, Json]] = {
    "Content-Range": {
        "description": "Which rows these are, and how many there are (`*`: not counted): `0-19/57`.",
        "schema": {"type": "string", "pattern": r"^([0-9]+-[0-9]+|\*)/([0-9]+|\*)$"},
    },
    "Content-Location": {
        "description": "Where exactly this representation lives.",
        "schema": {"type": "string"},
    },
    "Link": {
        "description": 'With pages by key: `<?…&cursor=…>; rel="next"`, and `rel="prev"`.',
        "schema": {"type": "string"},
    },
    "ETag": {
        "description": "What this one row is now; send it back in `If-Match`.",
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


#: What a refusal with this status means.
_REFUSALS: Final[dict[int, str]] = {
    400: "The request, or a value in it, is malformed, or names what does not exist.",
    401: "The credentials are not valid, or whoever shows none may not do this: sign in.",
    403: "No policy lets this caller do this.",
    404: "There is no such table or row, or none that the caller may see.",
    406: "There is not exactly one row for one object, or the representation is not offered.",
    409: "A constraint refuses it, or the same `Idempotency-Key` is still at work.",
    412: "The precondition does not hold; nothing was done.",
    413: "Too much at once.",
    416: "The page begins behind the last row.",
    422: "Values are not valid, or the `Idempotency-Key` came before with another request.",
}


def error_responses() -> dict[str, Json]:
    """Refusals by component name: ``error`` for any, ``error.409`` for one status with its codes."""
    found = {"error": _error_response("Refused; `code` says why.")}
    for status, meaning in _REFUSALS.items():
        codes = ", ".join(f"`{code}`" for code in codes_of(status))
        found[f"error.{status}"] = _error_response(f"{meaning} Codes: {codes}.")
    return found


def codes_of(status: int) -> list[str]:
    """The codes that have this *status* by name.

    >>> codes_of(412), codes_of(409)
    (['BST412'], ['BST409', '23503', '23505'])
    """
    named = {**STATUS, **{code: found for code, found in SQLSTATE_STATUS.items() if len(code) == 5}}
    # A policy's refusal of somebody who has shown no credentials asks for them (``http/problem.py``).
    return [code for code, found in named.items() if found == status or (status, code) == (401, "42501")]


def _error_response(description: str) -> Json:
    return {
        "description": description,
        "headers": {
            "Proxy-Status": {"description": "The code again (RFC 9209).", "schema": {"type": "string"}},
        },
        "content": {"application/json": {"schema": reference("schemas", ERROR)}},
    }


def refused(*statuses: int) -> Json:
    """The part of ``responses`` that every operation has, with the *statuses* that this one has besides 400 and 401."""
    named = {str(status): reference("responses", f"error.{status}") for status in (400, 401, *statuses)}
    return {**named, "default": reference("responses", "error")}


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
            schema = rows if kind == "array" else row if kind == "object" else dict(_OWN.get(kind, _TEXT))
            found[_bare(kind)] = {"schema": schema}
    return found


def _bare(kind: MediaKind) -> str:
    return media_type(Media(kind)).partition(";")[0]
