"""Which encryption keys the database still needs: a row for each that has ever written, until a rotation is complete.

1. A key is noted before it writes, so that no scan of the data is needed to know whether it may be dropped.
2. A key that is in use and not on the keyring stops the start: its values could not be read.
3. So does another key under the same id, told by a proof that is derived from the key.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import sqlalchemy as sa

from backstay.crypt import Keyring
from backstay.db.statement import Database, Steps
from backstay.errors import ConfigError
from backstay.policy import ANONYMOUS
from backstay.sql.dialect import SqlDialect
from backstay.sql.parameters import SlotParameter
from backstay.sql.prepared import prepare
from backstay.sql.statement import Statement

#: The table of ours beside the app's.
TABLES: Final = sa.MetaData()
_KEYS: Final = sa.Table(
    "backstay_encryption_keys",
    TABLES,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("proof", sa.String(32), nullable=False),
)


async def note_keys(database: Database, dialect: SqlDialect, keyring: Keyring) -> None:
    """Note the newest key of *keyring*, which writes from now on.

    Raises:
        ConfigError: BST-E503, when the database needs a key that is not on the ring.
    """
    await database.create_tables(TABLES)
    proofs = _proofs(keyring)
    slots = {column.name: SlotParameter.plain(at, column.type) for at, column in enumerate(_KEYS.columns)}
    insert = dialect.insert(_KEYS).values(slots).on_conflict_do_nothing(index_elements=[_KEYS.c.id])
    note = prepare(insert, dialect.compiler)
    newest = keyring.newest.id

    def steps() -> Steps[None]:
        noted = {row[0]: row[1] for row in (yield _all(dialect))}
        for key_id, proof in noted.items():
            if key_id not in proofs:
                raise ConfigError(
                    "BST-E503",
                    f"The database has values that were encrypted with the key {key_id}, which is not on the keyring",
                    hint=f"Put {key_id} back behind the others; `backstay rotate-encryption` makes it superfluous.",
                )
            if proof != proofs[key_id]:
                raise ConfigError(
                    "BST-E503",
                    f"The key {key_id} is another one than the key of that id that the database was written with",
                    hint="Put the old one back, and give the new one an id of its own.",
                )
        if newest not in noted:
            yield note.bind((newest, proofs[newest]), ANONYMOUS)

    await database.transact(steps)


async def forget_keys(
    database: Database, dialect: SqlDialect, keyring: Keyring, needed: Collection[str] = ()
) -> tuple[str, ...]:
    """Note that nothing needs any key but the newest and those *needed*; the ids that may be dropped now."""
    forget = prepare(sa.delete(_KEYS).where(_KEYS.c.id == SlotParameter.plain(0, sa.String())), dialect.compiler)
    kept = {keyring.newest.id, *needed}

    def steps() -> Steps[tuple[str, ...]]:
        free = tuple(row[0] for row in (yield _all(dialect)) if row[0] not in kept)
        for key_id in free:
            yield forget.bind((key_id,), ANONYMOUS)
        return free

    return await database.transact(steps)


def _all(dialect: SqlDialect) -> Statement:
    return prepare(sa.select(_KEYS.c.id, _KEYS.c.proof).order_by(_KEYS.c.id), dialect.compiler).bind((), ANONYMOUS)


def _proofs(keyring: Keyring) -> dict[str, str]:
    return {key_id: key.hex() for key_id, key in zip(keyring.ids, keyring.derive_all("proof", size=16), strict=True)}
