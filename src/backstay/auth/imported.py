"""Hashes that other systems made: which are read, and whether a password fits.

* argon2id, argon2i, argon2d: ``$argon2id$v=19$m=19456,t=2,p=1$salt$hash``, Django's ``argon2$argon2id$…``
* bcrypt: ``$2a$…``, ``$2b$…``, ``$2y$…``, Django's ``bcrypt$$2b$…``
* scrypt: ``$scrypt$ln=15,r=8,p=1$salt$hash``, Django's ``scrypt$16384$salt$8$1$hash``,
  Werkzeug's ``scrypt:32768:8:1$salt$hex``
* PBKDF2 with SHA-256: Django's ``pbkdf2_sha256$600000$salt$hash``, passlib's ``$pbkdf2-sha256$29000$salt$hash``,
  Werkzeug's ``pbkdf2:sha256:600000$salt$hex``

1. A hash whose parameters would take the machine is not read, each of them and all together: whoever imports accounts
   does not choose what a sign-in costs here, nor does a row that somebody wrote past the import (A2).
2. bcrypt knows 72 bytes.  A longer password never fits such a hash, also where the system that made it cut the
   password short (PW3): its owner takes the way of a forgotten password.
3. scrypt and PBKDF2 are made of HMAC, to which a password and the same one with NULs after it are one key (RFC 2104
   pads with them).  A password that ends with NUL therefore never fits such a hash.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable
from typing import Final, TypeAlias

import bcrypt
from argon2 import extract_parameters
from argon2.exceptions import Argon2Error, InvalidHashError
from argon2.low_level import Type, verify_secret

MAX_MEMORY_KIB: Final = 1024 * 1024
MAX_PASSES: Final = 32
MAX_LANES: Final = 16
#: Memory times passes: a few seconds of a core, as libsodium's most careful hashes take.
MAX_WORK_KIB: Final = 4 * MAX_MEMORY_KIB
_MAX_BCRYPT_COST: Final = 15
_MAX_PBKDF2_ROUNDS: Final = 5_000_000
_MAX_SCRYPT_BYTES: Final = 256 * 1024 * 1024
_MAX_SCRYPT_WORK: Final = 4 * _MAX_SCRYPT_BYTES
_BCRYPT_BYTES: Final = 72
_MAX_CHARS: Final = 1024

#: Type, version, memory in KiB, passes, lanes, bytes of salt and of hash.
Argon2Cost: TypeAlias = tuple[Type, int, int, int, int, int, int]
#: Says whether a password fits.
Check: TypeAlias = Callable[[bytes], bool]

_BCRYPT: Final = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}")
_SCRYPT_PHC: Final = re.compile(
    r"\$scrypt\$ln=(\d{1,2}),r=(\d{1,4}),p=(\d{1,4})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]{22,})"
)
_SCRYPT_DJANGO: Final = re.compile(r"scrypt\$(\d{1,8})\$([^$]+)\$(\d{1,4})\$(\d{1,4})\$([A-Za-z0-9+/]{22,}={0,2})")
_SCRYPT_HEX: Final = re.compile(r"scrypt:(\d{1,8}):(\d{1,4}):(\d{1,4})\$([^$]+)\$((?:[0-9a-f]{2}){16,})")
_PBKDF2_DJANGO: Final = re.compile(r"pbkdf2_sha256\$(\d{1,8})\$([^$]+)\$([A-Za-z0-9+/]{22,}={0,2})")
_PBKDF2_PASSLIB: Final = re.compile(r"\$pbkdf2-sha256\$(\d{1,8})\$([A-Za-z0-9./]*)\$([A-Za-z0-9./]{22,})")
_PBKDF2_HEX: Final = re.compile(r"pbkdf2:sha256:(\d{1,8})\$([^$]+)\$((?:[0-9a-f]{2}){16,})")


def readable(encoded: str) -> bool:
    """Whether `matches` can check *encoded*: an import asks this of every hash before it takes any.

    >>> readable("$2b$12$" + "a" * 53), readable("5f4dcc3b5aa765d61d8327deb882cf99")
    (True, False)
    """
    return _checker(encoded) is not None


def matches(encoded: str, password: bytes) -> bool:
    """Whether *encoded* is a hash of *password*; ``False`` for what is not `readable`."""
    check = _checker(encoded)
    return check is not None and check(password)


def argon2_cost(encoded: str) -> Argon2Cost | None:
    """What *encoded* cost, ``None`` for anything but a hash of argon2."""
    try:
        found = extract_parameters(encoded)
    except (InvalidHashError, ValueError):
        return None
    return (
        found.type,
        found.version,
        found.memory_cost,
        found.time_cost,
        found.parallelism,
        found.salt_len,
        found.hash_len,
    )


def _checker(encoded: str) -> Check | None:
    if len(encoded) > _MAX_CHARS or not encoded.isascii():
        return None
    # Django puts the name of its hasher before what the library made.
    encoded = encoded.removeprefix("argon2") if encoded.startswith("argon2$argon2") else encoded
    encoded = encoded.removeprefix("bcrypt$") if encoded.startswith("bcrypt$$2") else encoded
    for read in (_argon2, _bcrypt, _scrypt, _pbkdf2):
        check = read(encoded)
        if check is not None:
            return check
    return None


def _argon2(encoded: str) -> Check | None:
    cost = argon2_cost(encoded)
    if cost is None:
        return None
    type_, version, memory, passes, lanes, _, _ = cost
    bounded = 0 < memory <= MAX_MEMORY_KIB and 0 < passes <= MAX_PASSES and 0 < lanes <= MAX_LANES
    bounded = bounded and memory * passes <= MAX_WORK_KIB
    if not bounded or version not in (16, 18, 19):
        return None

    def check(password: bytes) -> bool:
        try:
            return verify_secret(encoded.encode(), password, type_)
        except Argon2Error:
            # A mismatch, or salt and hash that are no base64: either way nothing fits.
            return False

    return check


def _bcrypt(encoded: str) -> Check | None:
    found = _BCRYPT.fullmatch(encoded)
    if found is None or not 4 <= int(found[1]) <= _MAX_BCRYPT_COST:
        return None

    def check(password: bytes) -> bool:
        try:
            # The work is done also for a password that is too long: the time does not tell how the hash was made.
            fits = bcrypt.checkpw(password[:_BCRYPT_BYTES], encoded.encode())
        except ValueError:
            return False
        return fits and len(password) <= _BCRYPT_BYTES

    return check


def _scrypt(encoded: str) -> Check | None:
    if found := _SCRYPT_PHC.fullmatch(encoded):
        n, r, p = 1 << int(found[1]), int(found[2]), int(found[3])
        salt, wanted = _base64(found[4]), _base64(found[5])
    elif found := _SCRYPT_DJANGO.fullmatch(encoded):
        n, r, p = int(found[1]), int(found[3]), int(found[4])
        salt, wanted = found[2].encode(), _base64(found[5])
    elif found := _SCRYPT_HEX.fullmatch(encoded):
        n, r, p = int(found[1]), int(found[2]), int(found[3])
        salt, wanted = found[4].encode(), bytes.fromhex(found[5])
    else:
        return None
    if salt is None or wanted is None or len(wanted) > 64 or r < 1 or not 1 <= p <= MAX_LANES:
        return None
    memory = 128 * n * r
    if n < 2 or n & (n - 1) or memory > _MAX_SCRYPT_BYTES or memory * p > _MAX_SCRYPT_WORK:
        return None
    salt_, wanted_ = salt, wanted

    def check(password: bytes) -> bool:
        made = hashlib.scrypt(password, salt=salt_, n=n, r=r, p=p, maxmem=2 * _MAX_SCRYPT_BYTES, dklen=len(wanted_))
        return hmac.compare_digest(made, wanted_) and not password.endswith(b"\0")

    return check


def _pbkdf2(encoded: str) -> Check | None:
    if found := _PBKDF2_DJANGO.fullmatch(encoded):
        salt, wanted = found[2].encode(), _base64(found[3])
    elif found := _PBKDF2_PASSLIB.fullmatch(encoded):
        # passlib writes + as a full stop.
        salt, wanted = _base64(found[2].replace(".", "+")), _base64(found[3].replace(".", "+"))
    elif found := _PBKDF2_HEX.fullmatch(encoded):
        salt, wanted = found[2].encode(), bytes.fromhex(found[3])
    else:
        return None
    rounds = int(found[1])
    if salt is None or wanted is None or len(wanted) > 64 or not 1 <= rounds <= _MAX_PBKDF2_ROUNDS:
        return None
    salt_, wanted_ = salt, wanted

    def check(password: bytes) -> bool:
        made = hashlib.pbkdf2_hmac("sha256", password, salt_, rounds, len(wanted_))
        return hmac.compare_digest(made, wanted_) and not password.endswith(b"\0")

    return check


def _base64(text: str) -> bytes | None:
    """Bytes of standard base64 with or without its padding."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        return None
