"""A column as a client writes it, with the JSON path behind it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a JSON path: ``->key`` (JSON out) or ``->>key`` (text out)."""

    key: str | int
    as_text: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """A column name and the path into its JSON value.  Not yet known to exist."""

    name: str
    path: tuple[Step, ...] = ()
