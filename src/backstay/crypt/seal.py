"""One sealed value: AES-256-GCM, bound to the place it was made for.

1. Layout: version (1 byte), length of the key's id (1), the key's id, nonce (12), ciphertext with its tag (16 more than
   the plaintext).
2. The nonce is 96 random bits (NIST SP 800-38D §8.2.2): at most 2³² values may be sealed for one purpose with one key.
3. What stands before the nonce is authenticated along with the context, so neither can be exchanged unseen.
4. A key is never used as it is: each purpose has one of its own, by HKDF-SHA256 (RFC 5869).
"""

from __future__ import annotations

import json
import secrets
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_VERSION: Final = 1
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16


class Unsealable(Exception):
    """A sealed value cannot be opened: it was altered, or moved, or its key is gone.

    Never the fault of whoever asks for it.  *key_id* is the key it names, ``None`` where it is no sealed value at all.
    """

    def __init__(self, reason: str, key_id: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.key_id = key_id


def context_of(*parts: str) -> str:
    """One text for several, such that no two different lists give the same.

    >>> context_of("people", "ssn", "7"), context_of("a|b") == context_of("a", "b")
    ('["people","ssn","7"]', False)
    """
    return json.dumps(parts, ensure_ascii=True, separators=(",", ":"))


def key_id_of(sealed: bytes) -> str:
    """The id of the key that *sealed* was made with; nothing is checked but the form.

    Raises:
        Unsealable: when it does not have the form of a sealed value.
    """
    return _split(sealed)[0]


@lru_cache(maxsize=512)
def derived(material: bytes, use: str, purpose: str, size: int = 32) -> bytes:
    """The key of *size* bytes for *purpose*, from the key *material*; *use* keeps sealing apart from all else."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    # The salt is left out (RFC 5869 §3.1): the material is random already, and the purpose tells the keys apart.
    info = b"backstay/1/" + use.encode("ascii") + b"/" + purpose.encode()
    return HKDF(algorithm=SHA256(), length=size, salt=None, info=info).derive(material)


def sealed_with(key_id: str, material: bytes, plaintext: bytes, *, purpose: str, context: str) -> bytes:
    """*plaintext* sealed with the key *key_id*."""
    name = key_id.encode("ascii")
    head = bytes((_VERSION, len(name))) + name
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return head + nonce + _cipher(material, purpose).encrypt(nonce, plaintext, head + context.encode())


def opened_with(material: bytes, sealed: bytes, *, purpose: str, context: str) -> bytes:
    """The plaintext of *sealed*.

    Raises:
        Unsealable: when it was altered, or sealed for another purpose or context, or with other material.
    """
    from cryptography.exceptions import InvalidTag

    key_id, head, nonce, ciphertext = _split(sealed)
    try:
        return _cipher(material, purpose).decrypt(nonce, ciphertext, head + context.encode())
    except InvalidTag:
        raise Unsealable("it was altered, or belongs to another place, or its key is another one", key_id) from None


def _split(sealed: bytes) -> tuple[str, bytes, bytes, bytes]:
    """(id of the key, head, nonce, ciphertext)."""
    end = 2 + sealed[1] if len(sealed) > 2 else 0
    if not end or sealed[0] != _VERSION or len(sealed) < end + _NONCE_BYTES + _TAG_BYTES:
        raise Unsealable("it does not have the form of a sealed value")
    try:
        key_id = sealed[2:end].decode("ascii")
    except UnicodeDecodeError:
        raise Unsealable("it does not have the form of a sealed value") from None
    return key_id, sealed[:end], sealed[end : end + _NONCE_BYTES], sealed[end + _NONCE_BYTES :]


@lru_cache(maxsize=512)
def _cipher(material: bytes, purpose: str) -> AESGCM:
    """Made once: the derivation and the key schedule cost more than sealing a short value."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(derived(material, "seal", purpose))
