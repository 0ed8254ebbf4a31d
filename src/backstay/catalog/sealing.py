"""How the values of an `Encrypted` column are sealed, opened and looked up.

1. What is sealed is the value's JSON text as the API shows it, so that nobody who opens it needs the type.
2. The context is the column's place and the row's primary key: a value that was copied to another row, column or table
   does not open there.
3. A blind index is an HMAC-SHA256 of the same text, under a key that encrypts nothing.  It tells which rows have equal
   values, and nothing else to whoever lacks the keys.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from backstay.crypt import Keyring, Unsealable, context_of

if TYPE_CHECKING:
    from backstay.catalog.table import Column


@dataclass(frozen=True, slots=True)
class Place:
    """Where a column's values belong: its part of the context, and what its keys are derived for."""

    text: str

    @property
    def purpose(self) -> str:
        return f"column/{self.text}"

    def seal(self, keyring: Keyring, text: str, key: tuple[str, ...]) -> bytes:
        """The JSON *text* sealed for the row with this primary *key*."""
        return keyring.seal(text.encode(), purpose=self.purpose, context=context_of(self.text, *key))

    def open(self, keyring: Keyring, sealed: bytes, key: tuple[str, ...]) -> str:
        """The JSON text of a stored value.

        Raises:
            Unsealable: the message names the place and the row, for the operator's log.
        """
        try:
            opened = keyring.open_sealed(sealed, purpose=self.purpose, context=context_of(self.text, *key))
        except Unsealable as fault:
            where = f"the value of {self.text} in the row {', '.join(key)}"
            raise Unsealable(f"{where} cannot be opened: {fault.reason}", fault.key_id) from None
        return opened.decode()

    def blinded(self, keyring: Keyring, text: str) -> tuple[str, ...]:
        """What the index holds for the JSON *text*, under each key: the newest, which is written, comes first."""
        keys = keyring.derive_all(f"blind/{self.text}")
        return tuple(hmac.new(key, text.encode(), sha256).hexdigest() for key in keys)


@dataclass(frozen=True, slots=True, eq=False)
class Sealing:
    """How one column is sealed: *inner* is the column as clients see it, *blind* the column of its index."""

    place: Place
    inner: Column
    blind: Column | None = None


def key_text(value: Any) -> str:
    """One value of a primary key as it stands in a context: as JSON would show it, without quotes.

    >>> from uuid import UUID
    >>> key_text(7), key_text("7"), key_text(UUID(int=7)), key_text(date(2026, 2, 1))
    ('7', '7', '00000000-0000-0000-0000-000000000007', '2026-02-01')
    """
    return value.isoformat() if isinstance(value, date) else str(value)
