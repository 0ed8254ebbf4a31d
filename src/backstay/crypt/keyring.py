"""The keys of ``BACKSTAY_ENCRYPTION_KEYS``: the newest writes, all read.

1. A key is 32 random bytes and an id; the id stands in every value sealed with it.
2. Keys are never shown: not by ``repr``, not in an error.
3. There is no default key: an app on a desk makes its own, any other is given one.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from backstay.crypt.seal import Unsealable, derived, key_id_of, opened_with, sealed_with
from backstay.errors import ConfigError
from backstay.secret import own_text

_KEY_BYTES: Final = 32
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
_HEX: Final = re.compile(r"[0-9a-fA-F]{64}")
_HINT: Final = 'Make one with: echo "$(date +%Y-%m):$(openssl rand -hex 32)"'


@dataclass(frozen=True, slots=True, repr=False)
class Key:
    """32 secret bytes, and the *id* that values sealed with them name."""

    id: str
    material: bytes

    def __repr__(self) -> str:
        return f"Key({self.id!r}, ***)"


@dataclass(frozen=True, slots=True)
class Keyring:
    """The operator's *keys*, newest first; at least one.

    ::

        sealed = keyring.seal(b"JBSWY3DP", purpose="totp", context=context_of(user_id))
        keyring.open_sealed(sealed, purpose="totp", context=context_of(user_id))
    """

    keys: tuple[Key, ...]

    def __post_init__(self) -> None:
        ids, materials = [key.id for key in self.keys], [key.material for key in self.keys]
        if not self.keys:
            raise _wrong("has no key")
        for number, key in enumerate(self.keys, start=1):
            if not _ID.fullmatch(key.id):
                raise _wrong(f"has an id at place {number} that is not 1 to 32 letters, digits, - or _")
            if len(key.material) != _KEY_BYTES:
                raise _wrong(f"has {len(key.material)} bytes for the key {key.id}; {_KEY_BYTES} are needed")
            if len(set(key.material)) < 8:
                raise _wrong(f"repeats a few bytes in the key {key.id}")
        if len(set(ids)) < len(ids):
            raise _wrong("has two keys of one id")
        if len(set(materials)) < len(materials):
            raise _wrong("has one key under two ids")

    @classmethod
    def parse(cls, text: str) -> Keyring:
        """The keys of *text*: ``id:key`` each, separated by commas or white space; a key is hexadecimal or base64.

        >>> Keyring.parse("2026-02:" + "0123456789abcdef" * 4 + ", 2026-01:" + "fedcba9876543210" * 4)
        Keyring(keys=(Key('2026-02', ***), Key('2026-01', ***)))

        Raises:
            ConfigError: BST-E501, when one is malformed, short, weak or there twice.
        """
        return cls(
            tuple(_key(entry, number) for number, entry in enumerate(re.split(r"[\s,]+", text.strip(" \t\r\n,")), 1))
        )

    @property
    def ids(self) -> tuple[str, ...]:
        """The keys' ids, newest first."""
        return tuple(key.id for key in self.keys)

    @property
    def newest(self) -> Key:
        """The key that writes."""
        return self.keys[0]

    def seal(self, plaintext: bytes, *, context: str, purpose: str = "") -> bytes:
        """*plaintext* encrypted with the newest key; only the same *purpose* and *context* open it again.

        Args:
            context: the place of this one value (`context_of` a table, a column, a key), so that moved is unreadable.
            purpose: what kind of value it is; each has a key of its own, and room for 2³² values.
        """
        return sealed_with(self.newest.id, self.newest.material, plaintext, purpose=purpose, context=context)

    def open_sealed(self, sealed: bytes, *, context: str, purpose: str = "") -> bytes:
        """What `seal` was given, whichever key it was sealed with.

        Raises:
            Unsealable: when it was altered or moved, or its key is not on the ring.
        """
        key_id = key_id_of(sealed)
        key = next((key for key in self.keys if key.id == key_id), None)
        if key is None:
            raise Unsealable("its key is not on the keyring", key_id)
        return opened_with(key.material, sealed, purpose=purpose, context=context)

    def is_newest(self, sealed: bytes) -> bool:
        """Whether *sealed* was made with the newest key: if not, a rotation has work to do."""
        return key_id_of(sealed) == self.newest.id

    def derive(self, purpose: str, *, size: int = 32) -> bytes:
        """A key of *size* bytes for *purpose* (an HMAC, a cookie), from the newest key; it changes when that does."""
        return derived(self.newest.material, "derive", purpose, size)

    def derive_all(self, purpose: str, *, size: int = 32) -> tuple[bytes, ...]:
        """`derive` of every key, newest first: whatever any of them may have made."""
        return tuple(derived(key.material, "derive", purpose, size) for key in self.keys)


def own_keyring(folder: Path) -> Keyring:
    """The keyring in ``folder/encryption_keys``, made now with one key if it is missing.

    *folder* is made with mode 0700 and the file with 0600.

    Raises:
        ConfigError: BST-E404 when it can be neither read nor written, BST-E407 when others can read it, BST-E501 when
            it holds something else.
    """
    text = own_text(
        folder / "encryption_keys",
        lambda: f"dev-{secrets.token_hex(4)}:{secrets.token_hex(_KEY_BYTES)}",
        setting="BACKSTAY_ENCRYPTION_KEYS",
    )
    return Keyring.parse(text)


def _key(entry: str, number: int) -> Key:
    key_id, colon, text = entry.partition(":")
    # Nothing of a malformed entry is repeated: the part before the colon may be the key.
    if not colon:
        raise _wrong(f"has no id at place {number}: an entry is ID:KEY")
    if _HEX.fullmatch(text):
        return Key(key_id, bytes.fromhex(text))
    try:
        padded = text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4)
        return Key(key_id, base64.b64decode(padded.replace("-", "+").replace("_", "/"), validate=True))
    except (binascii.Error, ValueError):
        raise _wrong(f"has a key at place {number} that is neither hexadecimal nor base64") from None


def _wrong(what: str) -> ConfigError:
    return ConfigError("BST-E501", f"BACKSTAY_ENCRYPTION_KEYS {what}", hint=_HINT)
