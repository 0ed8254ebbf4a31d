"""Every encrypted value sealed anew with the newest key, so that the older ones can be dropped."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from backstay.audit.tables import Entry
from backstay.catalog import Catalog, Table
from backstay.catalog.sealing import key_text
from backstay.crypt import Keyring, Unsealable, context_of
from backstay.db.statement import Database
from backstay.db.vault import Vault
from backstay.pipeline.idempotency import KEPT
from backstay.pipeline.keysinuse import forget_keys
from backstay.sql.dialect import SqlDialect
from backstay.upkeep.rewrite import BATCH, Change, rewrite

_LOG: Final = logging.getLogger("backstay.upkeep")


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a rotation did.

    *rows* were sealed anew; *unreadable* says of each value that did not open which it is and why.  *dropped* are the
    ids of keys that nothing needs any more: none, where any value was unreadable.  *proving* are those that the audit
    log is still verified with.
    """

    rows: int
    unreadable: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    proving: tuple[str, ...] = ()


async def rotate(
    database: Database,
    dialect: SqlDialect,
    catalog: Catalog,
    keyring: Keyring,
    *,
    vaults: Sequence[Vault] = (),
    audited: bool = False,
    batch: int = BATCH,
) -> Rotation:
    """Seal every value with the newest key of *keyring* that was sealed with another.

    Run it when every process writes with that key.  It may be stopped at any time, and begun again.

    Args:
        catalog: whose encrypted columns are meant.
        vaults: sealed columns of our own tables.
        audited: whether there is an audit log, whose rows keep the keys that they were made with.
        batch: rows in one transaction.
    """
    unreadable: list[str] = []
    rows = 0
    for table in catalog.tables.values():
        if table.seals and isinstance(table.sql, sa.Table):
            names = tuple(name for name, column in table.columns.items() if column.sealing is not None)
            change = _resealed(table, keyring, unreadable)
            rows += await rewrite(database, table.sql, names, sa.LargeBinary(), change, batch=batch)
    for vault in vaults:
        change = _moved(vault, keyring, unreadable)
        rows += await rewrite(database, vault.table, (vault.column,), sa.LargeBinary(), change, batch=batch)
    await rewrite(database, KEPT, ("body",), sa.LargeBinary(), _kept(keyring), batch=batch)
    for what in unreadable:
        _LOG.error("%s", what)
    proving = await _proving(database, keyring) if audited else ()
    dropped = () if unreadable else await forget_keys(database, dialect, keyring, proving)
    return Rotation(rows, tuple(unreadable), dropped, proving)


async def _proving(database: Database, keyring: Keyring) -> tuple[str, ...]:
    """Ids of older keys that rows of the audit log were made with."""
    found = []
    async with database.session(read_only=True) as session:
        for key_id in keyring.ids[1:]:
            if await session.scalar(sa.select(Entry.seq).where(Entry.key_id == key_id).limit(1)) is not None:
                found.append(key_id)
    return tuple(found)


def _moved(vault: Vault, keyring: Keyring, unreadable: list[str]) -> Change:
    def change(key: tuple[Any, ...], stored: Mapping[str, Any]) -> Mapping[str, Any]:
        value, context = bytes(stored[vault.column]), vault.context(key)
        try:
            if keyring.is_newest(value):
                return {}
            opened = keyring.open_sealed(value, purpose=vault.purpose, context=context)
        except Unsealable as fault:
            where = f"{vault.table.name}.{vault.column} of the row {', '.join(map(str, key))}"
            unreadable.append(f"{where}: {fault.reason}")
            return {}
        return {vault.column: keyring.seal(opened, purpose=vault.purpose, context=context)}

    return change


def _resealed(table: Table, keyring: Keyring, unreadable: list[str]) -> Change:
    def change(key: tuple[Any, ...], stored: Mapping[str, Any]) -> Mapping[str, Any]:
        place = tuple(map(key_text, key))
        new: dict[str, Any] = {}
        for name, value in stored.items():
            sealing = table.columns[name].sealing
            if value is None or sealing is None:
                continue
            try:
                if sealing.place.stands(keyring, bytes(value), place):
                    continue
                text = sealing.place.open(keyring, bytes(value), place)
            except Unsealable as fault:
                unreadable.append(f"{table.name}.{name} of the row {', '.join(place)}: {fault.reason}")
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
