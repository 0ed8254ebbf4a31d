"""Every encrypted value sealed anew with the newest key, so that the older ones can be dropped."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa

from backstay.catalog import Catalog, Table
from backstay.catalog.sealing import key_text
from backstay.crypt import Keyring, Unsealable, context_of
from backstay.db.statement import Database
from backstay.pipeline.idempotency import KEPT
from backstay.pipeline.keysinuse import forget_keys
from backstay.sql.dialect import SqlDialect
from backstay.upkeep.rewrite import Change, rewrite

_LOG: Final = logging.getLogger("backstay.upkeep")


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a rotation did.

    *rows* were sealed anew; *unreadable* says of each value that did not open which it is and why; *dropped* are the
    ids of keys that no value needs any more: none, where any was unreadable.
    """

    rows: int
    unreadable: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()


@dataclass(slots=True)
class _Found:
    unreadable: list[str] = field(default_factory=list)


async def rotate(database: Database, dialect: SqlDialect, catalog: Catalog, keyring: Keyring) -> Rotation:
    """Seal every encrypted value of *catalog* with the newest key of *keyring* that was sealed with another.

    Run it when every process writes with that key.  It may be stopped at any time, and begun again.
    """
    found, rows = _Found(), 0
    for table in catalog.tables.values():
        if table.seals and isinstance(table.sql, sa.Table):
            names = tuple(name for name, column in table.columns.items() if column.sealing is not None)
            rows += await rewrite(database, table.sql, names, sa.LargeBinary(), _resealed(table, keyring, found))
    await rewrite(database, KEPT, ("body",), sa.LargeBinary(), _kept(keyring))
    for what in found.unreadable:
        _LOG.error("%s", what)
    dropped = () if found.unreadable else await forget_keys(database, dialect, keyring)
    return Rotation(rows, tuple(found.unreadable), dropped)


def _resealed(table: Table, keyring: Keyring, found: _Found) -> Change:
    def change(key: tuple[Any, ...], stored: Mapping[str, Any]) -> Mapping[str, Any]:
        place = tuple(map(key_text, key))
        new: dict[str, Any] = {}
        for name, value in stored.items():
            sealing = table.columns[name].sealing
            if value is None or sealing is None:
                continue
            try:
                if keyring.is_newest(bytes(value)):
                    continue
                text = sealing.place.open(keyring, bytes(value), place)
            except Unsealable as fault:
                found.unreadable.append(f"{table.name}.{name} of the row {', '.join(place)}: {fault.reason}")
                continue
            new[name] = sealing.place.seal(keyring, text, place)
            if sealing.blind is not None:
                new[sealing.blind.name] = sealing.place.blinded(keyring, text)[0]
        return new

    return change


def _kept(keyring: Keyring) -> Change:
    """Answers that are kept for their ``Idempotency-Key``."""

    def change(key: tuple[Any, ...], stored: Mapping[str, Any]) -> Mapping[str, Any]:
        body, context = bytes(stored["body"]), context_of(*key)
        try:
            if keyring.is_newest(body):
                return {}
            opened = keyring.open_sealed(body, purpose="idempotency", context=context)
        except Unsealable:
            # Kept in clear from before anything was encrypted, or lost: it is forgotten after a day in any case.
            return {}
        return {"body": keyring.seal(opened, purpose="idempotency", context=context)}

    return change
