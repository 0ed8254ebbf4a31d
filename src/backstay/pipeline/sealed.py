"""What the data plane does around statements with encrypted columns; every other statement passes by untouched."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from backstay.crypt import Keyring, Unsealable
from backstay.errors import ConfigError
from backstay.plan.opening import Opening
from backstay.plan.seal import blinded
from backstay.response.opened import open_rows
from backstay.response.reply import Headers
from backstay.sql.dialect import Form

_LOG: Final = logging.getLogger("backstay.crypt")
#: Values of one answer of which the log tells.
_TOLD: Final = 20


@dataclass(frozen=True, slots=True)
class Opener:
    """*opening* with the keys it takes."""

    opening: Opening
    keyring: Keyring

    @property
    def renders(self) -> bool:
        """Whether the answer holds encrypted values, and must be JSON until they are open."""
        return self.opening.rows is not None

    def form(self, asked: Form) -> Form:
        """What the database is to make for *asked*: what is neither JSON nor features is made of JSON afterwards."""
        return "json" if self.renders and asked != "features" else asked

    def values(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """The request's *values*, with what a blind index may hold in the place of what it is asked for.

        Raises:
            PlanError: 22P02 and its siblings, when one is not a value of its column.
        """
        if not self.opening.blind:
            return values
        found = list(values)
        for index, column in self.opening.blind:
            texts: Sequence[str] = (found[index],) if isinstance(found[index], str) else found[index]
            found[index] = tuple(one for text in texts for one in blinded(column, text, self.keyring))
        return tuple(found)

    def body(self, body: str) -> str:
        """*body* with its values open.

        Raises:
            Unsealable: when one does not open.
        """
        rows = self.opening.rows
        return body if rows is None else open_rows(body, rows, self.keyring)

    def page(self, body: str) -> tuple[str, Headers]:
        """As `body`, for a page of rows: values that do not open are null, and the headers say how many there are."""
        rows, faults = self.opening.rows, list[Unsealable]()
        if rows is None:
            return body, ()
        found = open_rows(body, rows, self.keyring, faults)
        for fault in faults[:_TOLD]:
            _LOG.error("%s", fault.reason)
        if not faults:
            return found, ()
        words = f'199 - "{len(faults)} encrypted values cannot be opened, and are shown as null"'
        return found, ((b"warning", words.encode()),)


def opener(opening: Opening | None, keyring: Keyring | None) -> Opener | None:
    """*opening* with its keys; ``None`` where nothing is encrypted."""
    return None if opening is None else Opener(opening, keys(keyring))


def keys(keyring: Keyring | None) -> Keyring:
    """The keys that an app with encrypted columns was started with."""
    if keyring is None:
        raise ConfigError("BST-E502", "There are encrypted columns, and no BACKSTAY_ENCRYPTION_KEYS")
    return keyring


def converted(first: Callable[[str], str], then: Callable[[str], str] | None) -> Callable[[str], str]:
    """*first*, and *then* what else is to be done."""
    return first if then is None else lambda body: then(first(body))
