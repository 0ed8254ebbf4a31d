"""Hashes of other systems are verified, and nothing is done for those that would take the machine."""

from __future__ import annotations

import base64
import hashlib
from itertools import count

import bcrypt
import pytest
from argon2 import PasswordHasher
from argon2.low_level import Type

from backstay.auth.imported import matches, readable

PASSWORD = "Grüße\x00 x".encode()
SALT = b"saltsaltsaltsalt"


def b64(raw: bytes, *, padded: bool = True) -> str:
    text = base64.b64encode(raw).decode()
    return text if padded else text.rstrip("=")


SCRYPT = hashlib.scrypt(PASSWORD, salt=SALT, n=1024, r=8, p=1, dklen=64)
PBKDF2 = hashlib.pbkdf2_hmac("sha256", PASSWORD, SALT, 1000)
BCRYPT = bcrypt.hashpw(PASSWORD, bcrypt.gensalt(4)).decode()

KINDS = {
    "argon2id": PasswordHasher(1, 64, 1).hash(PASSWORD),
    "argon2i": PasswordHasher(1, 64, 1, type=Type.I).hash(PASSWORD),
    "argon2d": PasswordHasher(1, 64, 2, type=Type.D).hash(PASSWORD),
    "django argon2": "argon2" + PasswordHasher(1, 64, 1).hash(PASSWORD),
    "bcrypt 2a": BCRYPT.replace("$2b$", "$2a$"),
    "bcrypt 2b": BCRYPT,
    "bcrypt 2y": BCRYPT.replace("$2b$", "$2y$"),
    "django bcrypt": "bcrypt$" + BCRYPT,
    "scrypt": f"$scrypt$ln=10,r=8,p=1${b64(SALT, padded=False)}${b64(SCRYPT, padded=False)}",
    "django scrypt": f"scrypt$1024${SALT.decode()}$8$1${b64(SCRYPT)}",
    "werkzeug scrypt": f"scrypt:1024:8:1${SALT.decode()}${SCRYPT.hex()}",
    "django pbkdf2": f"pbkdf2_sha256$1000${SALT.decode()}${b64(PBKDF2)}",
    "passlib pbkdf2": f"$pbkdf2-sha256$1000${b64(SALT, padded=False)}${b64(PBKDF2, padded=False).replace('+', '.')}",
    "werkzeug pbkdf2": f"pbkdf2:sha256:1000${SALT.decode()}${PBKDF2.hex()}",
}

#: Published test values of other implementations, with the password of each.
PUBLISHED = {
    # passlib's documentation of pbkdf2_sha256 and of scrypt.
    "$pbkdf2-sha256$29000$N2YMIWQsBWBMae09x1jrPQ$1t8iyB2A.WF/Z5JZv.lfCIhXXN33N23OSgQYThBYRfk": "toomanysecrets",
    "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E": "password",
    # The vector of crypt_blowfish.
    "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW": "U*U",
    # The argon2 reference implementation's test of version 1.0, Argon2i, t=2, m=2^16, which names no version.
    "$argon2i$m=65536,t=2,p=1$c29tZXNhbHQ$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ": "password",
    # The argon2 reference implementation's test of version 1.3, Argon2id, t=2, m=2^16.
    "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc": "password",
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_verifies(kind: str) -> None:
    """PW2: the right bytes fit and others do not."""
    encoded = KINDS[kind]
    assert readable(encoded)
    assert matches(encoded, PASSWORD)
    for other in (b"", PASSWORD + b"\x00", PASSWORD[:-1], PASSWORD.strip(b"x"), b"Gruesse"):
        assert not matches(encoded, other)


@pytest.mark.parametrize("encoded", PUBLISHED)
def test_published_values_verify(encoded: str) -> None:
    """What others documented is read as they meant it."""
    assert matches(encoded, PUBLISHED[encoded].encode())
    assert not matches(encoded, b"passwort")


def test_bcrypt_does_not_cut_passwords_short() -> None:
    """PW3: the 73rd byte counts, so a longer password never fits a hash of bcrypt."""
    encoded = bcrypt.hashpw(b"a" * 72, bcrypt.gensalt(4)).decode()
    assert matches(encoded, b"a" * 72)
    assert not matches(encoded, b"a" * 73)
    assert not matches(encoded, b"a" * 71 + b"b")


def pbkdf2(rounds: int = 1, salt: str = "salt", size: int = 32) -> str:
    """A hash of nothing, as Werkzeug writes it."""
    return f"pbkdf2:sha256:{rounds}${salt}${'ab' * size}"


def scrypt(n: int = 2, r: int = 1, p: int = 1, size: int = 32) -> str:
    return f"scrypt:{n}:{r}:{p}$salt${'ab' * size}"


def argon2(cost: str, version: str = "v=19$") -> str:
    return f"$argon2id${version}{cost}$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"


@pytest.mark.parametrize(
    ("last", "beyond"),
    [
        (argon2("m=1048576,t=4,p=1"), argon2("m=1048577,t=1,p=1")),
        (argon2("m=131072,t=32,p=1"), argon2("m=131073,t=32,p=1")),
        (argon2("m=64,t=32,p=1"), argon2("m=64,t=33,p=1")),
        (argon2("m=64,t=1,p=16"), argon2("m=64,t=1,p=17")),
        (argon2("m=1,t=1,p=1"), argon2("m=0,t=1,p=1")),
        (argon2("m=64,t=1,p=1"), argon2("m=64,t=0,p=1")),
        (argon2("m=64,t=1,p=1", "v=16$"), argon2("m=64,t=1,p=1", "v=17$")),
        (argon2("m=64,t=1,p=1", ""), argon2("m=64,t=1,p=1", "v=20$")),
        (argon2("m=64,t=1,p=1"), argon2("m=64,t=1,p=0")),
        ("$2b$04$" + "a" * 53, "$2b$03$" + "a" * 53),
        ("$2b$15$" + "a" * 53, "$2b$16$" + "a" * 53),
        (scrypt(n=2), scrypt(n=1)),
        (scrypt(n=4096), scrypt(n=4097)),
        (scrypt(r=1), scrypt(r=0)),
        (scrypt(p=1), scrypt(p=0)),
        (scrypt(p=16), scrypt(p=17)),
        (scrypt(n=262_144, r=8), scrypt(n=262_144, r=9)),
        (scrypt(n=262_144, r=8, p=4), scrypt(n=262_144, r=8, p=5)),
        (scrypt(size=64), scrypt(size=65)),
        (pbkdf2(rounds=1), pbkdf2(rounds=0)),
        (pbkdf2(rounds=5_000_000), pbkdf2(rounds=5_000_001)),
        (pbkdf2(size=64), pbkdf2(size=65)),
        (pbkdf2(salt="s" * (1024 - 81)), pbkdf2(salt="s" * (1025 - 81))),
        (pbkdf2(salt="salt"), pbkdf2(salt="sält")),
        # Base64 of salt and hash, each by itself.
        (f"$scrypt$ln=1,r=1,p=1$aaaa${'a' * 24}", f"$scrypt$ln=1,r=1,p=1$aaaaa${'a' * 24}"),
        (f"$scrypt$ln=1,r=1,p=1$aaaa${'a' * 24}", f"$scrypt$ln=1,r=1,p=1$aaaa${'a' * 25}"),
        (f"scrypt$2$aaaaa$1$1${'a' * 24}", f"scrypt$2$aaaaa$1$1${'a' * 25}"),
        (f"$pbkdf2-sha256$1$aaaa${'a' * 24}", f"$pbkdf2-sha256$1$aaaaa${'a' * 24}"),
        (f"$pbkdf2-sha256$1$aaaa${'a' * 24}", f"$pbkdf2-sha256$1$aaaa${'a' * 25}"),
        (f"pbkdf2_sha256$1$aaaaa${'a' * 24}", f"pbkdf2_sha256$1$aaaaa${'a' * 25}"),
        # The name that Django writes before a hash is that of its own kind.
        ("argon2" + KINDS["argon2id"], "argon2" + BCRYPT),
        ("bcrypt$" + BCRYPT, "bcrypt$" + KINDS["argon2id"]),
    ],
    # Hashes have another salt in every process.
    ids=count(),
)
def test_the_last_that_is_read_and_the_first_that_is_not(last: str, beyond: str) -> None:
    """A2: each bound by itself, to the last."""
    assert (True, False) == (readable(last), readable(beyond))


@pytest.mark.parametrize(
    "encoded",
    [
        "",
        "password",
        "5f4dcc3b5aa765d61d8327deb882cf99",
        "$argon2id$",
        "$argon2id$v=19$m=9999999,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$argon2id$v=19$m=4194304,t=1,p=4$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$argon2id$v=19$m=1048576,t=5,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$argon2d$v=16$m=1048576,t=32,p=16$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "argon2$argon2id$v=19$m=262144,t=17,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$argon2id$v=19$m=64,t=99999,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$argon2id$v=19$m=64,t=1,p=255$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$argon2id$v=19$m=64,t=0,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$argon2id$v=7$m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$argon2id$v=19$m=64,t=1,p=1$" + "a" * 2000,
        "$argon2x$v=19$m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$2x$05$" + "a" * 53,
        "$2b$31$" + "a" * 53,
        "$2b$16$" + "a" * 53,
        "bcrypt$$2b$31$" + "a" * 53,
        "$2b$03$" + "a" * 53,
        "$2b$12$" + "a" * 52,
        "$2b$12$" + "é" * 53,
        f"$scrypt$ln=30,r=8,p=1${b64(SALT)[:-2]}${b64(SCRYPT)[:-2]}",
        f"$scrypt$ln=0,r=8,p=1${b64(SALT)[:-2]}${b64(SCRYPT)[:-2]}",
        f"$scrypt$ln=18,r=8,p=5${b64(SALT)[:-2]}${b64(SCRYPT)[:-2]}",
        f"$scrypt$ln=19,r=8,p=1${b64(SALT)[:-2]}${b64(SCRYPT)[:-2]}",
        f"scrypt:262144:8:16$salt${'ab' * 32}",
        f"pbkdf2:sha256:5000001$salt${'ab' * 32}",
        f"$scrypt$ln=10,r=8,p=99${b64(SALT)[:-2]}${b64(SCRYPT)[:-2]}",
        f"$scrypt$ln=10,r=0,p=1${b64(SALT)[:-2]}${b64(SCRYPT)[:-2]}",
        f"$scrypt$ln=10,r=8,p=1$a${b64(SCRYPT)[:-2]}",
        f"scrypt$1000$salt$8$1${b64(SCRYPT)}",
        f"scrypt:1024:8:1$salt${'ab' * 65}",
        f"pbkdf2_sha256$0$salt${b64(PBKDF2)}",
        f"pbkdf2_sha256$99999999$salt${b64(PBKDF2)}",
        f"pbkdf2_sha1$1000$salt${b64(PBKDF2)}",
        "md5$salt$5f4dcc3b5aa765d61d8327deb882cf99",
        "!unusable",
    ],
)
def test_what_is_not_readable_never_fits(encoded: str) -> None:
    """A2: unknown kinds, and parameters that would cost more than a sign-in may, each or together."""
    assert not readable(encoded)
    assert not matches(encoded, b"password")


@pytest.mark.parametrize("encoded", ["$argon2id$v=19$m=64,t=1,p=1$!!!!$????", "$2b$04$" + "." * 53])
def test_a_damaged_hash_fits_nothing(encoded: str) -> None:
    """It has the form of a hash, and no password is behind it."""
    assert not matches(encoded, b"password")
