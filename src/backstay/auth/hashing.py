"""Passwords to argon2id hashes and back: pure and slow, so `HashPool` runs it in threads.

Rules of this file:

1. A password is the bytes it came as: nothing is trimmed, cut short, folded or normalised, NUL included (PW3).
2. A new hash is argon2id at the cost of the app; whatever else verifies is replaced at the next sign-in (PW2).
3. Where there is no account or no password the same work is done on a hash that nothing fits (TH5).
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError
from argon2.low_level import Type

from backstay.auth.imported import MAX_LANES, MAX_MEMORY_KIB, MAX_PASSES, MAX_WORK_KIB, argon2_cost, matches
from backstay.errors import BackstayError, ConfigError

#: Longest password in bytes.  No phrase that somebody remembers is as long, and hashing begins by reading all of it.
MAX_PASSWORD_BYTES: Final = 1024

_SALT_BYTES: Final = 16
_HASH_BYTES: Final = 32
_VERSION: Final = 19

#: Least memory by number of passes: the three rows of OWASP ASVS 5.0, appendix C, for argon2id.
FLOOR: Final = ((3, 12_288), (2, 19_456), (1, 47_104))

_COST: Final = re.compile(r"m=(\d{1,9}),t=(\d{1,9}),p=(\d{1,9})")


@dataclass(frozen=True, slots=True)
class HashCost:
    """What one hash costs.

    Raises:
        ConfigError: BST-E221 when it is below the floor, or so high that a sign-in takes the machine.
    """

    memory_kib: int = 19_456
    passes: int = 2
    lanes: int = 1

    def __post_init__(self) -> None:
        least = next((memory for passes, memory in FLOOR if self.passes >= passes), None)
        if least is None or self.memory_kib < least or self.lanes < 1:
            raise ConfigError(
                "BST-E221",
                f"The password hash {self} is cheaper than attackers can afford",
                hint="Allowed are m=47104,t=1 and m=19456,t=2 and m=12288,t=3 with p=1, and whatever is above one.",
            )
        beyond = self.memory_kib > MAX_MEMORY_KIB or self.passes > MAX_PASSES or self.lanes > MAX_LANES
        # What is dearer is not read either: see `imported`.
        if beyond or self.memory_kib * self.passes > MAX_WORK_KIB:
            raise ConfigError(
                "BST-E221",
                f"The password hash {self} is so costly that a few sign-ins would take the whole machine",
                hint=f"Stay within m={MAX_MEMORY_KIB},t={MAX_PASSES},p={MAX_LANES} and m·t={MAX_WORK_KIB}.",
            )

    def __str__(self) -> str:
        return f"m={self.memory_kib},t={self.passes},p={self.lanes}"

    @classmethod
    def parse(cls, text: str) -> HashCost:
        """Read a cost as it stands in a hash.

        >>> HashCost.parse("m=47104,t=1,p=1")
        HashCost(memory_kib=47104, passes=1, lanes=1)

        Raises:
            ValueError: it is not written so.
            ConfigError: BST-E221, see `HashCost`.
        """
        found = _COST.fullmatch(text)
        if found is None:
            raise ValueError("not like m=19456,t=2,p=1")
        memory, passes, lanes = (int(number) for number in found.groups())
        return cls(memory, passes, lanes)


def password_bytes(password: str) -> bytes:
    """The bytes of *password* as it was sent.

    >>> password_bytes(" Pässword ")
    b' P\\xc3\\xa4ssword '

    Raises:
        BackstayError: BST422 for more than 1024 bytes, and for text that is not Unicode (half a surrogate pair).
    """
    try:
        raw = password.encode()
    except UnicodeEncodeError:
        raise BackstayError(
            "BST422", "The password is not valid Unicode", hint="Send it as UTF-8, without lone surrogates."
        ) from None
    if len(raw) > MAX_PASSWORD_BYTES:
        raise BackstayError(
            "BST422", f"The password is longer than {MAX_PASSWORD_BYTES} bytes", hint="Choose a shorter one."
        )
    return raw


def hash_password(password: bytes, cost: HashCost) -> str:
    """A new hash of *password* as a PHC string, ``$argon2id$v=19$m=…,t=…,p=…$salt$hash``."""
    return _hasher(cost).hash(password)


def verify_password(encoded: str, password: bytes) -> bool:
    """Whether *encoded* is a hash of *password*; ``False`` also for a hash of no kind that is read here.

    The kinds are those of `imported`: argon2, bcrypt, scrypt and PBKDF2.
    """
    return matches(encoded, password)


def needs_rehash(encoded: str, cost: HashCost) -> bool:
    """Whether *encoded* is anything but argon2id at *cost*.

    A costlier hash is replaced too: accounts that take longer than others could be told from those that do not exist.
    """
    found = argon2_cost(encoded)
    return found is None or found != (
        Type.ID,
        _VERSION,
        cost.memory_kib,
        cost.passes,
        cost.lanes,
        _SALT_BYTES,
        _HASH_BYTES,
    )


@lru_cache(maxsize=8)
def dummy_hash(cost: HashCost) -> str:
    """A hash that no password fits, for accounts that do not exist or have no password."""
    # The password is forgotten as soon as it is hashed, and longer than any that is accepted.
    return hash_password(secrets.token_bytes(MAX_PASSWORD_BYTES + 1), cost)


def _hasher(cost: HashCost) -> PasswordHasher:
    try:
        return PasswordHasher(
            time_cost=cost.passes,
            memory_cost=cost.memory_kib,
            parallelism=cost.lanes,
            hash_len=_HASH_BYTES,
            salt_len=_SALT_BYTES,
            type=Type.ID,
        )
    except (InvalidHashError, ValueError) as fault:  # pragma: no cover - platforms without threads
        raise ConfigError("BST-E221", f"This platform cannot hash passwords at {cost}: {fault}") from None
