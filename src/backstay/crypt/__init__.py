"""Secrets at rest: the operator's keyring, and values sealed with it."""

from backstay.crypt.keyring import Key, Keyring, own_keyring
from backstay.crypt.seal import Unsealable, context_of, key_id_of

__all__ = ["Key", "Keyring", "Unsealable", "context_of", "key_id_of", "own_keyring"]
