"""Passwords are hashed exactly as they came, at a cost that has a floor."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher

from backstay.auth.hashing import (
    MAX_PASSWORD_BYTES,
    HashCost,
    dummy_hash,
    hash_password,
    needs_rehash,
    password_bytes,
    verify_password,
)
from backstay.errors import BackstayError, ConfigError

COST = HashCost()

#: Odd on purpose: each must be told from its neighbours.
PASSWORDS = (
    b"password",
    b"Password",
    b" password",
    b"password ",
    b"pass\x00word",
    b"pass\x00",
    "pässword".encode(),
    "pa\u0308ssword".encode(),
    "ﬁne".encode(),
    b"fine",
    b"a" * 72,
    b"a" * 73,
    b"a" * 72 + b"b",
    b"a" * 1024,
    ("😀" * 64).encode(),
    ("😀" * 63 + "😁").encode(),
    b"",
)


def test_a_new_hash_is_argon2id_at_the_default_cost() -> None:
    """PW1: m=19456, t=2, p=1, and a salt of its own."""
    first, second = hash_password(b"same", COST), hash_password(b"same", COST)
    assert "$argon2id$v=19$m=19456,t=2,p=1$" == first[:31]
    assert first != second


@pytest.mark.parametrize(
    "cost",
    [
        "m=47104,t=1,p=1",
        "m=19456,t=2,p=1",
        "m=12288,t=3,p=1",
        "m=12288,t=4,p=2",
        "m=65536,t=3,p=4",
        "m=1048576,t=4,p=16",
        "m=131072,t=32,p=1",
    ],
)
def test_costs_from_the_floor_upward_are_taken(cost: str) -> None:
    """PW1: the three rows of ASVS, and what is above them."""
    assert cost == str(HashCost.parse(cost))


@pytest.mark.parametrize(
    "cost",
    [
        "m=47103,t=1,p=1",
        "m=19455,t=2,p=1",
        "m=12287,t=3,p=1",
        "m=99999,t=0,p=1",
        "m=19456,t=2,p=0",
        "m=1048577,t=2,p=1",
        "m=1048576,t=5,p=1",
        "m=200000,t=21,p=1",
        "m=19456,t=33,p=1",
        "m=19456,t=2,p=17",
    ],
)
def test_costs_below_the_floor_or_beyond_reason_stop_the_start(cost: str) -> None:
    """PW1: no operator makes hashes that can be broken, or sign-ins that take the machine."""
    with pytest.raises(ConfigError) as refused:
        HashCost.parse(cost)
    assert "BST-E221" == refused.value.code


@pytest.mark.parametrize(
    "text", ["", "19456", "m=19456", "m=19456,t=2", "m=-1,t=2,p=1", "t=2,m=19456,p=1", "m=19456,t=2,p=1 "]
)
def test_a_cost_is_written_in_one_way(text: str) -> None:
    """What is not like m=…,t=…,p=… is no cost."""
    with pytest.raises(ValueError, match="not like"):
        HashCost.parse(text)


@pytest.mark.parametrize("password", PASSWORDS, ids=range(len(PASSWORDS)))
def test_only_the_very_bytes_fit(password: bytes) -> None:
    """PW3: no trimming, cutting (the 73rd byte counts), case folding, normalising, and no end at a NUL."""
    encoded = PasswordHasher(1, 8, 1).hash(password)
    neighbours = (password + b"\x00", password + b" ", password[:-1], password.swapcase(), password.strip())
    assert verify_password(encoded, password)
    for other in PASSWORDS + neighbours:
        assert (other == password) == verify_password(encoded, other)


@pytest.mark.parametrize("password", [b"pass\x00word", b" a ", b"a" * 1024], ids=["nul", "space", "long"])
def test_what_is_hashed_is_what_came(password: bytes) -> None:
    """PW3: hashing changes no byte either."""
    encoded = hash_password(password, COST)
    assert verify_password(encoded, password)
    assert not verify_password(encoded, password[:-1])


def test_a_password_is_bounded_in_bytes() -> None:
    """PW3: 1024 bytes are taken, one more is not, counted in UTF-8."""
    assert MAX_PASSWORD_BYTES == len(password_bytes("a" * 1024)) == len(password_bytes("😀" * 256))
    for far in ("a" * 1025, "é" * 513, "😀" * 256 + "a", "x" * 1_000_000):
        with pytest.raises(BackstayError) as refused:
            password_bytes(far)
        assert ("BST422", 422) == (refused.value.code, refused.value.status)


@pytest.mark.parametrize("password", ["\ud800", "abc\udfffdef"])
def test_half_a_surrogate_pair_is_no_password(password: str) -> None:
    """JSON can write it, and UTF-8 cannot: 422, not a crash."""
    with pytest.raises(BackstayError) as refused:
        password_bytes(password)
    assert "BST422" == refused.value.code


def test_any_other_argon2_is_rehashed() -> None:
    """PW2: another cost, higher or lower, another type or salt size."""
    own = hash_password(b"x", COST)
    assert not needs_rehash(own, COST)
    assert needs_rehash(own, HashCost(47_104, 1))
    assert needs_rehash(PasswordHasher(1, 8, 1).hash(b"x"), COST)
    assert needs_rehash(PasswordHasher(2, 19_456, 1, salt_len=8).hash(b"x"), COST)
    assert needs_rehash(PasswordHasher(2, 19_456, 1, hash_len=16).hash(b"x"), COST)
    assert needs_rehash(PasswordHasher(2, 19_456, 2).hash(b"x"), COST)
    assert needs_rehash(PasswordHasher(3, 19_456, 1).hash(b"x"), COST)
    assert needs_rehash(own.replace("$argon2id$", "$argon2i$"), COST)
    assert needs_rehash(own.replace("$v=19$", "$v=16$"), COST)
    assert needs_rehash("$2b$12$" + "a" * 53, COST)
    assert needs_rehash("", COST)


def test_nothing_fits_the_dummy() -> None:
    """TH5: it costs what a real hash costs, and there is one for each cost."""
    assert dummy_hash(COST) is dummy_hash(HashCost())
    assert not needs_rehash(dummy_hash(COST), COST)
    assert not any(verify_password(dummy_hash(COST), password) for password in (b"", b"password", b"\x00"))
