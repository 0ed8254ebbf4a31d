"""The ``Accept`` header (RFC 9110 §12.5.1) and the representations a table has.

1. Entries are tried by q, then the more specific (more parameters, fewer ``*``), then as they stand: PostgREST's order.
2. Types and parameter names ignore case and spaces.  ``q=0`` takes an entry out.  An entry that is no media type is
   skipped, and is an error only when nothing else fits.
3. ``*/*`` is what the resource offers first: JSON, and for the root its OpenAPI description.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Literal, TypeAlias

from backstay.errors import RequestError

MediaKind: TypeAlias = Literal["array", "object", "csv", "geojson", "ndjson", "plan", "openapi", "text", "octet"]


@dataclass(frozen=True, slots=True)
class Media:
    """The representation to send.

    *nulls_stripped* belongs to ``application/vnd.pgrst.array+json`` and ``…object+json``; *plan_format*, *plan_for*
    and *plan_options* to ``application/vnd.pgrst.plan``.
    """

    kind: MediaKind = "array"
    nulls_stripped: bool = False
    plan_format: Literal["text", "json"] = "text"
    plan_for: str | None = None
    plan_options: frozenset[str] = field(default_factory=frozenset)

    @property
    def form(self) -> Literal["json", "stripped", "csv", "features"]:
        """What the body is made of; of a plan, the body that is planned."""
        if self.kind == "plan":
            asked = self.plan_for or ""
            return "csv" if asked.startswith("text/csv") else "stripped" if ";nulls=stripped" in asked else "json"
        if self.kind == "geojson":
            return "features"
        return "csv" if self.kind == "csv" else "stripped" if self.nulls_stripped else "json"


_KINDS: Final[dict[str, MediaKind]] = {
    "application/json": "array",
    "application/vnd.pgrst.array+json": "array",
    "application/vnd.pgrst.array": "array",
    "application/vnd.pgrst.object+json": "object",
    "application/vnd.pgrst.object": "object",
    "text/csv": "csv",
    "application/geo+json": "geojson",
    "application/x-ndjson": "ndjson",
    "application/openapi+json": "openapi",
    "application/vnd.pgrst.plan": "plan",
    "application/vnd.pgrst.plan+text": "plan",
    "application/vnd.pgrst.plan+json": "plan",
    "text/plain": "text",
    "application/octet-stream": "octet",
}
#: What a wildcard means, in this order of preference.
_WILDCARDS: Final[dict[str, tuple[MediaKind, ...]]] = {
    "*/*": ("array", "openapi", "text", "octet", "object", "csv", "geojson", "ndjson"),
    "application/*": ("array", "openapi", "octet", "object", "geojson", "ndjson"),
    "text/*": ("csv", "text"),
}
_CONTENT_TYPES: Final[dict[MediaKind, str]] = {
    "array": "application/json; charset=utf-8",
    "object": "application/vnd.pgrst.object+json; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "geojson": "application/geo+json; charset=utf-8",
    "ndjson": "application/x-ndjson; charset=utf-8",
    "openapi": "application/openapi+json; charset=utf-8",
    "text": "text/plain; charset=utf-8",
    "octet": "application/octet-stream",
}
#: What a plan may be for.
_PLANNED: Final[frozenset[MediaKind]] = frozenset(("array", "object", "csv"))
#: PostgREST writes the options of a plan in this order.
_PLAN_OPTIONS: Final = ("analyze", "verbose", "settings", "buffers", "wal")

#: Longer headers are not remembered, so that nobody fills the memory with them.
_REMEMBERED_CHARS = 200

# As far as every quote is closed; and an entry of that.
_CLOSED = re.compile(r'(?:[^"]++|"(?:[^"\\]++|\\.)*")*', re.DOTALL)
_ENTRY = re.compile(r'((?:[^,"]++|"(?:[^"\\]++|\\.)*(?:"|\\?\Z))*)(?:,|\Z)', re.DOTALL)
_PARAMETER = re.compile(r';[ \t]*+([^;="]++)=(?:"([^"]*+)"|([^;"]*+))')
_Q = re.compile(r"[01](?:\.[0-9]{0,3})?")
# What a plan is asked for goes back in Content-Type: nothing but a media type may.
_PLAN_FOR = re.compile(r"[a-z0-9.+*-]+/[a-z0-9.+*-]+(?:;nulls=stripped)?")


def negotiate(accept: str | None, offered: frozenset[MediaKind]) -> Media:
    """Choose among *offered* what the ``Accept`` header likes best; without a header, what ``*/*`` means.

    >>> negotiate("text/csv;q=0.5, application/vnd.pgrst.object+json", frozenset(("array", "object", "csv"))).kind
    'object'

    Raises:
        RequestError: PGRST107, when nothing fits.
    """
    if accept is not None and len(accept) > _REMEMBERED_CHARS:
        return _choose(accept, offered)
    return _remembered(accept, offered)


def _choose(accept: str | None, offered: frozenset[MediaKind]) -> Media:
    entries = _entries(accept) if accept else []
    if not entries:
        entries.append(("*/*", {}, 1.0))
    elif len(entries) > 1:
        entries.sort(key=lambda entry: (-entry[2], entry[0].count("*") - len(entry[1])))
    for name, parameters, q in entries:
        found = _media(name, parameters, offered) if q > 0 else None
        if found is not None:
            return found
    wants_geometry = any(name == "application/geo+json" for name, _, _ in entries)
    named = ", ".join(_spell(name, parameters) for name, parameters, _ in entries)
    raise RequestError(
        "PGRST107",
        f"None of these media types are available: {named[:500]}",
        details="GeoJSON is for rows with a geometry column, and for neither single items nor pages by key."
        if wants_geometry and "array" in offered
        else None,
        hint="Available: " + ", ".join(sorted(_CONTENT_TYPES[kind].partition(";")[0] for kind in offered - {"plan"})),
    )


_remembered = lru_cache(256)(_choose)


def media_type(media: Media) -> str:
    """The ``Content-Type`` of *media*.

    >>> media_type(Media("array", nulls_stripped=True))
    'application/vnd.pgrst.array+json;nulls=stripped; charset=utf-8'
    """
    if media.kind == "plan":
        options = "|".join(option for option in _PLAN_OPTIONS if option in media.plan_options)
        for_ = f'; for="{media.plan_for or "application/json"}"'
        return (
            f"application/vnd.pgrst.plan+{media.plan_format}{for_}{options and '; options=' + options}; charset=utf-8"
        )
    if media.nulls_stripped and media.kind in ("array", "object"):
        return f"application/vnd.pgrst.{media.kind}+json;nulls=stripped; charset=utf-8"
    return _CONTENT_TYPES[media.kind]


def _entries(accept: str) -> list[tuple[str, dict[str, str], float]]:
    """Type, parameters and q of every entry, in the order of the header."""
    entries = []
    for text in map(str.strip, _cut(accept)):
        if not text:
            continue
        name = text.partition(";")[0].strip().lower()
        parameters: dict[str, str] = {}
        q = 1.0
        for parameter in _PARAMETER.finditer(text):
            key, quoted, plain = parameter.groups()
            value = (plain or "").strip() if quoted is None else quoted
            if (key := key.strip().lower()) == "q":
                q = float(value) if _Q.fullmatch(value) else 0.0
                break
            parameters.setdefault(key, value)
        entries.append((name, parameters, min(q, 1.0)))
    return entries


def _cut(accept: str) -> Iterator[str]:
    """*accept* at its commas, but for those within quotes."""
    closed = _CLOSED.match(accept)
    end = 0 if closed is None else closed.end()
    yield from (found[1] for found in _ENTRY.finditer(accept[:end]))
    # Where one quote is not closed, none behind it is: looking for that again at each takes the square of the length.
    yield from (part.partition('"')[0] for part in accept[end:].split(",")[1:])


def _media(name: str, parameters: dict[str, str], offered: frozenset[MediaKind]) -> Media | None:
    for kind in _WILDCARDS.get(name, ()):
        if kind in offered:
            return Media(kind)
    kind_named = _KINDS.get(name)
    if kind_named == "array" and "array" not in offered and "openapi" in offered:
        # The root has no rows: its JSON is the description itself.
        kind_named = "openapi"
    if kind_named is None or kind_named not in offered:
        return None
    if kind_named == "plan":
        return _plan(name, parameters, offered)
    stripped = parameters.get("nulls", "").lower() == "stripped" and name.startswith("application/vnd.pgrst.")
    return Media(kind_named, stripped)


def _plan(name: str, parameters: dict[str, str], offered: frozenset[MediaKind]) -> Media | None:
    plan_for = parameters.get("for")
    if plan_for is not None:
        plan_for = plan_for.replace(" ", "").lower()
        if not _PLAN_FOR.fullmatch(plan_for) or _KINDS.get(plan_for.partition(";")[0]) not in offered & _PLANNED:
            return None
    options = frozenset(parameters.get("options", "").split("|")) & frozenset(_PLAN_OPTIONS)
    return Media("plan", False, "json" if name.endswith("+json") else "text", plan_for, options)


def _spell(name: str, parameters: dict[str, str]) -> str:
    return name + "".join(f";{key}={value}" for key, value in parameters.items())
