"""How the values of an `Encrypted` column are sealed, opened and looked up.

1. What is sealed is the value's JSON text as the API shows it, so that nobody who opens it needs the type.
2. The context is the column's place, its schema among it, and the row's primary key: a value that was copied to another
   row, column, table or schema does not open there.  Values from before the schema was a part of it are read until a
   rotation has sealed them anew.
3. A blind index is an HMAC-SHA256 of the same text, under a key that encrypts nothing.  It tells which rows have equal
   values, and nothing else to whoever lacks the keys.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from backstay.crypt import Keyring, Unsealable, context_of

if TYPE_CHECKING:
    from backstay.catalog.table import Column


class Unreadable(Unsealable):
    """A value of *column* (``people.ssn``) does not open, or its blind index is another one's.

    Its text names the row, for the operator's log, and never the value.
    """

    def __init__(self, reason: str, key_id: str | None, column: str, kind: Literal["unreadable", "exchanged"]) -> None:
        super().__init__(reason, key_id)
        self.column = column
        self.kind = kind


#: Is told of values that do not open.  May be called in any thread.
Notice: TypeAlias = Callable[[Sequence[Unsealable]], None]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a column's values belong: its part of the context, and what its keys are derived for."""

    text: str
    #: Empty where the table names none.
    schema: str = ""
    #: Whether a blind index stands beside each value.
    indexed: bool = False

    @property
    def purpose(self) -> str:
        # Also of tables without a schema: what they seal from now on opens nowhere else.
        return f"column/2/{context_of(self.schema, self.text)}"

    def seal(self, keyring: Keyring, text: str, key: tuple[str, ...]) -> bytes:
        """The JSON *text* sealed for the row with this primary *key*."""
        return keyring.seal(text.encode(), purpose=self.purpose, context=context_of(self.schema, self.text, *key))

    def stands(self, keyring: Keyring, sealed: bytes, key: tuple[str, ...]) -> bool:
        """Whether *sealed* is as `seal` would make it now: if not, a rotation has work to do, or it does not open."""
        try:
            return keyring.is_newest(sealed) and bool(self._opened(keyring, sealed, key))
        except Unsealable:
            return False

    def _opened(self, keyring: Keyring, sealed: bytes, key: tuple[str, ...]) -> bytes:
        return keyring.open_sealed(sealed, purpose=self.purpose, context=context_of(self.schema, self.text, *key))

    def open(self, keyring: Keyring, sealed: bytes, key: tuple[str, ...]) -> str:
        """The JSON text of a stored value.

        Raises:
            Unsealable: the message names the place and the row, for the operator's log.
        """
        try:
            return self._opened(keyring, sealed, key).decode()
        except Unsealable:
            pass
        try:
            # As it was before the schema was a part of the place.
            before = keyring.open_sealed(sealed, purpose=f"column/{self.text}", context=context_of(self.text, *key))
        except Unsealable as fault:
            said = f"{self._named(key)} cannot be opened: {fault.reason}"
            raise Unreadable(said, fault.key_id, self.name, "unreadable") from None
        return before.decode()

    def check_index(self, keyring: Keyring, text: str, index: str, key: tuple[str, ...]) -> None:
        """Look whether *index* is that of the JSON *text*: who swaps two of them makes filters find other rows.

        Raises:
            Unsealable: when it is not.
        """
        if index not in self.blinded(keyring, text):
            said = f"{self._named(key)} is not what its blind index says: one of them was exchanged"
            raise Unreadable(said, None, self.name, "exchanged")

    def without_value(self) -> Unreadable:
        """What there is to say of a row that has a blind index and no value."""
        said = f"a row has a blind index of {self.name} and no value: one of them was exchanged"
        return Unreadable(said, None, self.name, "exchanged")

    @property
    def name(self) -> str:
        """As people write it: ``people.ssn``."""
        return ".".join(([self.schema] if self.schema else []) + json.loads(self.text))

    def _named(self, key: tuple[str, ...]) -> str:
        return f"the value of {self.name} in the row {', '.join(key)}"

    def blinded(self, keyring: Keyring, text: str) -> tuple[str, ...]:
        """What the index holds for the JSON *text*, under each key: the newest, which is written, comes first."""
        uses = [f"blind/{self.text}"]
        if self.schema:
            uses.insert(0, f"blind/2/{context_of(self.schema, self.text)}")
        keys = [key for use in uses for key in keyring.derive_all(use)]
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
