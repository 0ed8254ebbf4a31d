"""The ``Prefer`` header (RFC 7240), with PostgREST's preferences.

Matched letter by letter as PostgREST does: lower case, no quotes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias

from backstay.errors import RequestError


@dataclass(frozen=True, slots=True)
class Preferences:
    """What the client prefers; ``None`` where it did not say.

    *unknown* keeps the preferences that nobody knows, as written: an error when *handling* is ``strict``.
    """

    resolution: Literal["merge-duplicates", "ignore-duplicates"] | None = None
    missing: Literal["default", "null"] | None = None
    returning: Literal["minimal", "headers-only", "representation"] | None = None
    count: Literal["exact", "planned", "estimated"] | None = None
    tx: Literal["commit", "rollback"] | None = None
    handling: Literal["strict", "lenient"] | None = None
    timezone: str | None = None
    max_affected: int | None = None
    page: Literal["keyset"] | None = None
    unknown: tuple[str, ...] = ()


#: (attribute, value) by the text of a preference.
_KNOWN: Final = {
    f"{name}={value}": (attribute, value)
    for name, attribute, values in (
        ("resolution", "resolution", ("merge-duplicates", "ignore-duplicates")),
        ("missing", "missing", ("default", "null")),
        ("return", "returning", ("minimal", "headers-only", "representation")),
        ("count", "count", ("exact", "planned", "estimated")),
        ("tx", "tx", ("commit", "rollback")),
        ("handling", "handling", ("strict", "lenient")),
        ("page", "page", ("keyset",)),
    )
    for value in values
}
_TIMEZONE = re.compile(r"[A-Za-z0-9_+/:-]{1,64}")
_MAX_AFFECTED = re.compile(r"[0-9]{1,18}")
_NOTHING: Final = Preferences()

#: How transactions end, and whether ``Prefer: tx=`` may choose otherwise (PostgREST's ``db-tx-end``).
TxEnd: TypeAlias = Literal["commit", "commit-allow-override", "rollback", "rollback-allow-override"]

#: Longer headers are not remembered, so that nobody fills the memory with them.
_REMEMBERED_CHARS = 200


def parse_prefer(value: str | None, *, timezones: frozenset[str] | None = None) -> Preferences:
    """Read the ``Prefer`` header, or several of them joined by commas.  The first of each name wins.

    Args:
        value: ``None`` where there is no such header.
        timezones: the names that the database knows; any other is then an unknown preference.  Without it, whatever
            looks like a name is let through.

    >>> parse_prefer("return=minimal, count=exact, return=representation").returning
    'minimal'
    >>> parse_prefer("count=all, wait=10").unknown
    ('count=all', 'wait=10')
    """
    if not value:
        return _NOTHING
    return _read(value, timezones) if len(value) > _REMEMBERED_CHARS else _remembered(value, timezones)


def _read(value: str, timezones: frozenset[str] | None) -> Preferences:
    found: dict[str, Any] = {}
    unknown: list[str] = []
    for part in value.split(","):
        text = part.strip(" \t")
        known = _KNOWN.get(text)
        if known is not None:
            found.setdefault(*known)
        elif text.startswith("timezone=") and _is_timezone(text[9:], timezones):
            found.setdefault("timezone", text[9:])
        elif text.startswith("max-affected=") and _MAX_AFFECTED.fullmatch(text[13:]):
            found.setdefault("max_affected", int(text[13:]))
        elif text:
            unknown.append(text)
    return Preferences(**found, unknown=tuple(unknown))


_remembered = lru_cache(256)(_read)


def check_strict(preferences: Preferences) -> None:
    """Refuse unknown preferences where the client asked for it.

    Raises:
        RequestError: PGRST122, with ``handling=strict`` and a preference that nobody knows.
    """
    if preferences.handling == "strict" and preferences.unknown:
        raise _invalid(preferences.unknown)


def settle_end(preferences: Preferences, end: TxEnd) -> Preferences:
    """*preferences* with the *tx* that is honoured, ``None`` where the client may not choose.

    >>> settle_end(parse_prefer("tx=rollback"), "commit-allow-override").tx
    'rollback'

    Raises:
        RequestError: PGRST122, with ``handling=strict`` and an end that cannot be had.
    """
    asked = preferences.tx
    if asked is None or end.endswith("-allow-override"):
        return preferences
    if preferences.handling == "strict" and asked != end:
        raise _invalid([f"tx={asked}"])
    return replace(preferences, tx=None)


def undoes(preferences: Preferences, end: TxEnd) -> bool:
    """Whether a request with *preferences* is rolled back at its end.

    >>> undoes(parse_prefer("tx=rollback"), "commit"), undoes(parse_prefer(None), "rollback-allow-override")
    (False, True)
    """
    asked = preferences.tx if end.endswith("-allow-override") else None
    return (asked or end.partition("-")[0]) == "rollback"


def applied(preferences: Preferences) -> str | None:
    """The ``Preference-Applied`` header of a reply that honoured *preferences*, or ``None`` where it needs none.

    ``max-affected`` counts only with ``handling=strict``.

    >>> applied(parse_prefer("return=minimal, resolution=merge-duplicates"))
    'resolution=merge-duplicates, return=minimal'
    """
    pairs = (
        ("resolution", preferences.resolution),
        ("missing", preferences.missing),
        ("return", preferences.returning),
        ("count", preferences.count),
        ("tx", preferences.tx),
        ("handling", preferences.handling),
        ("timezone", preferences.timezone),
        ("page", preferences.page),
        ("max-affected", preferences.max_affected if preferences.handling == "strict" else None),
    )
    return ", ".join(f"{name}={value}" for name, value in pairs if value is not None) or None


def _invalid(preferences: Sequence[str]) -> RequestError:
    return RequestError(
        "PGRST122",
        "Invalid preferences given with handling=strict",
        details=f"Invalid preferences: {', '.join(preferences)}",
    )


def _is_timezone(name: str, timezones: frozenset[str] | None) -> bool:
    return _TIMEZONE.fullmatch(name) is not None and (timezones is None or name in timezones)
