"""Sealed values: opened by their own key, at their own place, unaltered, or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.crypt import Key, Keyring, Unsealable, context_of, key_id_of

RING = Keyring((Key("a", bytes(range(32))),))
PLACE = context_of("people", "ssn", "7")


@given(st.binary(max_size=200), st.text(max_size=20), st.text(max_size=20))
def test_what_is_sealed_can_be_opened(plaintext: bytes, purpose: str, context: str) -> None:
    """EN1: the same bytes come back, whatever they are."""
    sealed = RING.seal(plaintext, purpose=purpose, context=context)
    assert plaintext == RING.open_sealed(sealed, purpose=purpose, context=context)


def test_a_value_that_was_moved_does_not_open() -> None:
    """EN1: the context is authenticated, so a ciphertext of another row fails; so does one of another column's key."""
    sealed = RING.seal(b"078-05-1120", purpose="people.ssn", context=PLACE)
    with pytest.raises(Unsealable, match="altered"):
        RING.open_sealed(sealed, purpose="people.ssn", context=context_of("people", "ssn", "8"))
    with pytest.raises(Unsealable, match="altered"):
        RING.open_sealed(sealed, purpose="people.name", context=PLACE)


def test_a_value_with_any_bit_changed_does_not_open() -> None:
    """EN1: version, key id, nonce, ciphertext and tag are all authenticated."""
    sealed = RING.seal(b"078-05-1120", context=PLACE)
    for position in range(len(sealed) * 8):
        altered = bytearray(sealed)
        altered[position // 8] ^= 1 << position % 8
        with pytest.raises(Unsealable):
            RING.open_sealed(bytes(altered), context=PLACE)


@pytest.mark.parametrize(
    "junk", [b"", b"\x01", b"\x01\x00", b"plain text", b"\x01\x01a" + b"x" * 27, b"\x01\x01\xff" + b"x" * 28]
)
def test_what_was_never_sealed_is_told_from_what_was_altered(junk: bytes) -> None:
    """The error names no key, as there is none."""
    with pytest.raises(Unsealable, match="form") as caught:
        RING.open_sealed(junk, context=PLACE)
    assert caught.value.key_id is None


def test_the_same_value_never_gives_the_same_bytes() -> None:
    """EN1: each seal has its own 96 random bits, so equal values do not show."""
    sealed = [RING.seal(b"x", context=PLACE) for _ in range(1000)]
    assert 1000 == len(set(sealed))
    assert 1000 == len({one[3:15] for one in sealed})
    assert {"a"} == {key_id_of(one) for one in sealed}


def test_each_purpose_has_its_own_key() -> None:
    """EN1: per-column keys by HKDF, and what is derived for an HMAC never encrypts."""
    found = [RING.derive("people.ssn"), RING.derive("people.name"), RING.derive("people.ssn", size=16)]
    assert [32, 32, 16] == [len(key) for key in found]
    assert len(found) == len({key[:16] for key in found}) + 1  # HKDF: a shorter key is the start of the longer one
    assert RING.keys[0].material not in found


@given(st.lists(st.text()), st.lists(st.text()))
def test_different_places_have_different_contexts(one: list[str], other: list[str]) -> None:
    """No value of one part can look like the border between two."""
    assert (one == other) == (context_of(*one) == context_of(*other))
