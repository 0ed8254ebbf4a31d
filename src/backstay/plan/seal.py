"""Rows of values → rows of ciphertext, for tables with encrypted columns.

1. A value is sealed for its row, so the row's key must be known: from the row itself when it is made, from the filters
   when it is changed.
2. A key that changed would leave what was sealed for the old one unreadable, so it does not change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from backstay.catalog import Column, Table
from backstay.catalog.encrypted import json_text
from backstay.catalog.sealing import key_text
from backstay.crypt import Keyring
from backstay.errors import PlanError
from backstay.plan.coerce import coerce
from backstay.plan.fill import broken_null
from backstay.plan.quick import Pair
from backstay.plan.value import canonical
from backstay.request.filters import Filter, Slot
from backstay.request.read import Query


def sealed_rows(
    table: Table,
    columns: Sequence[Column],
    rows: Sequence[Sequence[Pair]],
    keyring: Keyring,
    key: tuple[str, ...] | None = None,
) -> list[tuple[Pair, ...]]:
    """*rows* with ciphertext in the encrypted ones of *columns*, and with the blind indexes that are the last columns.

    *key* is that of the only row, where the values do not hold it.

    Raises:
        PlanError: 23502, when a row has no key; 22021, when a text cannot be encoded.
    """
    brought = [column for column in columns if column.blind_for is None]
    sealed = [(at, column) for at, column in enumerate(brought) if column.sealing is not None]
    indexes = [(at, c) for at, c in sealed if c.sealing is not None and c.sealing.blind is not None]
    if not sealed:
        return [tuple(row) for row in rows]
    return [_row(table, brought, sealed, indexes, row, keyring, key) for row in rows]


def _row(
    table: Table,
    brought: Sequence[Column],
    sealed: Sequence[tuple[int, Column]],
    indexes: Sequence[tuple[int, Column]],
    row: Sequence[Pair],
    keyring: Keyring,
    key: tuple[str, ...] | None,
) -> tuple[Pair, ...]:
    found = list(row)
    place = key if key is not None else _key(table, brought, row)
    texts = {at: _text(row[at], column) for at, column in sealed}
    for at, column in sealed:
        text = texts[at]
        if text is not None and column.sealing is not None:
            stored = column.sealing.place.seal(keyring, text, place)
            found[at] = ("\\x" + stored.hex(), stored)
    for at, column in indexes:
        text = texts[at]
        blind = None if text is None or column.sealing is None else column.sealing.place.blinded(keyring, text)[0]
        found.append((blind, blind))
    return tuple(found)


def _key(table: Table, brought: Sequence[Column], row: Sequence[Pair]) -> tuple[str, ...]:
    values = {column.name: pair[1] for column, pair in zip(brought, row, strict=True) if column.primary}
    for name in table.primary_key:
        if values.get(name) is None:
            raise broken_null(table.columns[name])
    return tuple(key_text(values[name]) for name in table.primary_key)


def _text(pair: Pair, column: Column) -> str | None:
    return None if column.sealing is None else _json(pair, column.sealing.inner)


def _json(pair: Pair, inner: Column) -> str | None:
    """The JSON text of a filled value of the column that clients see."""
    if pair[1] is None:
        return None
    family = inner.family
    text = str(pair[1]) if family == "json" else json_text(pair[1], family)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise PlanError("22021", 'invalid byte sequence for encoding "UTF8"') from None
    return text


def blinded(column: Column, text: str, keyring: Keyring) -> tuple[str, ...]:
    """What the blind index of *column* may hold for a filter's *text*, one for each key.

    Raises:
        PlanError: 22P02 and its siblings, when *text* is not a value of the column.
    """
    sealing = column.blind_for
    if sealing is None:
        raise AssertionError(f"{column.name} is no blind index")
    found = _json(canonical(text, sealing.inner), sealing.inner)
    return () if found is None else sealing.place.blinded(keyring, found)


def named_key(
    table: Table, shape: Query, values: Sequence[Any], keys: Sequence[str], row: Mapping[str, Any]
) -> tuple[str, ...]:
    """The key of the one row that the filters of an update name, where it sets encrypted columns or the key itself.

    Raises:
        PlanError: PGRST127, when they may name several, or the key would change.
    """
    asked: dict[str, Any] = {}
    for path, term in shape.conditions:
        if not isinstance(term, Filter) or path or term.op != "eq" or term.negated or term.quantifier is not None:
            continue
        if isinstance(term.value, Slot) and not term.field.path:
            asked.setdefault(term.field.name, values[term.value.index])
    if not asked.keys() >= set(table.primary_key):
        raise PlanError(
            "PGRST127",
            "Feature not implemented",
            details=f"Encrypted values of {table.name} are bound to their row: set them in one row at a time.",
            hint=f"Name the row by its key: {'&'.join(f'{name}=eq.…' for name in table.primary_key)}",
        )
    found = {name: coerce(asked[name], table.columns[name].type) for name in table.primary_key}
    for name in table.primary_key:
        if name in keys and canonical(row.get(name), table.columns[name])[1] != found[name]:
            raise PlanError(
                "PGRST127",
                "Feature not implemented",
                details=f"The key of a row of {table.name} does not change: its encrypted values are bound to it.",
                hint="Insert a new row and delete the old one.",
            )
    return tuple(key_text(found[name]) for name in table.primary_key)
