"""The ``Prefer`` header, once for each kind of request: its values are those that this kind understands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from backstay.response.openapi.name import Json

_RETURN: Final = ("minimal", "headers-only", "representation")

#: Component name → the preferences that it offers, and the values of ``resolution`` among them.
KINDS: Final[Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "preferRead": (("count", "page", "handling", "timezone"), ()),
    "preferItem": (("handling", "timezone"), ()),
    "preferCreate": (
        ("return", "resolution", "missing", "count", "handling", "tx", "timezone"),
        ("ignore-duplicates",),
    ),
    "preferUpsert": (
        ("return", "resolution", "missing", "count", "handling", "tx", "timezone"),
        ("merge-duplicates", "ignore-duplicates"),
    ),
    "preferUpdate": (("return", "missing", "count", "handling", "max-affected", "tx", "timezone"), ()),
    "preferReplace": (("return", "count", "handling", "tx", "timezone"), ()),
    "preferDelete": (("return", "count", "handling", "max-affected", "tx", "timezone"), ()),
    "preferCall": (("count", "handling", "tx"), ()),
}

_MEANINGS: Final[Mapping[str, str]] = {
    "return": "what the answer holds of the written rows: nothing, their URL, or the rows",
    "resolution": "what becomes of a row whose key is there already",
    "missing": "what a row gets for a key that `columns` announces and it lacks",
    "count": "how many rows there are in all, in `Content-Range`: counted, or as the database expects it",
    "page": "pages by key: the next one is in `Link`",
    "handling": "whether a preference that nobody knows is an error (`PGRST122`)",
    "max-affected": "the most rows to write, else `PGRST124`; only with `handling=strict`",
    "tx": "whether the write is kept, or only tried: then it is answered, and undone",
    "timezone": "the zone in which times are shown",
}
_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "return": _RETURN,
    "missing": ("default", "null"),
    "count": ("exact", "planned", "estimated"),
    "page": ("keyset",),
    "handling": ("lenient", "strict"),
    "tx": ("commit", "rollback"),
}
#: Pattern and example of what is not a choice.
_FREE: Final[Mapping[str, tuple[str, str]]] = {
    "max-affected": ("[0-9]{1,9}", "N"),
    "timezone": ("[A-Za-z0-9_+/:-]{1,64}", "Europe/Oslo"),
}


def preferences(*, zones: bool, ends: bool) -> dict[str, Json]:
    """The ``Prefer`` parameters by component name.

    *zones* tells whether the database can be asked for a time zone, *ends* whether the client may choose to roll back.
    """
    missing = {name for name, there in (("timezone", zones), ("tx", ends)) if not there}
    return {name: _parameter(names, resolutions, missing) for name, (names, resolutions) in KINDS.items()}


def _parameter(names: tuple[str, ...], resolutions: tuple[str, ...], missing: set[str]) -> Json:
    patterns: list[str] = []
    lines: list[str] = []
    for name in names:
        if name in missing:
            continue
        choices = resolutions if name == "resolution" else _CHOICES.get(name, ())
        pattern, example = _FREE.get(name, (f"({'|'.join(choices)})", "|".join(choices)))
        patterns.append(f"{name}={pattern}")
        lines.append(f"- `{name}={example}`: {_MEANINGS[name]}")
    known = "|".join(patterns)
    return {
        "name": "Prefer",
        "in": "header",
        "description": "\n".join(("Preferences (RFC 7240), separated by commas:\n", *lines)),
        "schema": {"type": "string", "pattern": f"^({known})(, ?({known}))*$"},
    }
