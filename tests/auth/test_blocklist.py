"""Passwords that attackers try first are refused; no others are."""

from __future__ import annotations

import hashlib

import pytest

from backstay.auth.blocklist import (
    ADMIN_MINIMUM,
    GOTRUE_MINIMUM,
    common_passwords,
    refuse_weak,
    sha1,
    surroundings,
    weaknesses,
)
from backstay.auth.refusal import AuthError

CONTEXT = surroundings("Chirp", "chirp.example.org", "ann.lee@mail.test")


def test_the_list_is_as_long_as_promised() -> None:
    """PW5: at least 20,000."""
    assert len(common_passwords()) >= 20_000


@pytest.mark.parametrize(
    ("password", "expected"),
    [
        ("", ("length",)),
        ("xkqzvbw", ("length",)),
        ("xkqzvbwp", ()),
        ("😀😁😂😃😄😅😆", ("length",)),
        ("😀😁😂😃😄😅😆😇", ()),
        ("12345", ("length", "pwned")),
        ("password", ("pwned",)),
        ("PASSWORD", ("pwned",)),
        ("PassWord", ("pwned",)),
        ("ｐａｓｓｗｏｒｄ", ("pwned",)),
        ("12345678", ("pwned",)),
        ("sunshine", ("pwned",)),
        ("iloveyou", ("pwned",)),
        ("        ", ()),
        ("correct horse battery staple", ()),
        ("nur Kleinbuchstaben", ()),
        ("ALLCAPITALS WITHOUT DIGITS", ()),
        ("4417209385512", ()),
        ("password is part of it", ()),
    ],
)
def test_common_and_short_ones_are_refused(password: str, expected: tuple[str, ...]) -> None:
    """PW4, PW5, PW6: in GoTrue's words; what characters it has does not matter."""
    assert expected == weaknesses(password)


@pytest.mark.parametrize(
    "password",
    [
        "chirpchirp",
        "Chirp2026",
        "chirp!!!!!!!",
        "123chirp456",
        "annlee1999",
        "Ann.Lee!23",
        "lee-ann-2026",
        "ann.lee@mail.test",
        "mailmail99",
        "example.org1",
        "chirp.example.org",
        "ANNLEE_1234",
        "lee1chirp2ann",
    ],
)
def test_the_surroundings_are_no_password(password: str) -> None:
    """PW5: product, site, and the parts of the address, with whatever digits and signs around them."""
    assert () == weaknesses(password)
    assert ("pwned",) == weaknesses(password, context=CONTEXT)


@pytest.mark.parametrize("password", ["chirping sparrows", "annual sleeping bag", "plane ticket home", "xkqzvbwp"])
def test_a_word_of_the_surroundings_may_stand_in_a_password(password: str) -> None:
    """PW5: as long as enough is left without it."""
    assert () == weaknesses(password, context=CONTEXT)


def test_short_words_of_the_surroundings_do_not_count() -> None:
    """An address like a@b.cd refuses nothing."""
    assert frozenset({"a@b.cd"}) >= surroundings("a@b.cd")
    assert () == weaknesses("abababab1", context=surroundings("ab@ab.cd", "x", ""))


def test_minimums_are_the_callers() -> None:
    """PW4: 15 for administrators, 6 only where it is asked for."""
    assert ("length",) == weaknesses("a" * 7 + "xkqzvbw", minimum=ADMIN_MINIMUM)
    assert () == weaknesses("a" * 8 + "xkqzvbw", minimum=ADMIN_MINIMUM)
    assert () == weaknesses("xkqzvb", minimum=GOTRUE_MINIMUM)


def test_a_list_of_the_operator_counts_too() -> None:
    """PW5: exactly as leaked, unlike the short list."""
    leaked = {hashlib.sha1(b"xkqzvbwp").digest()}
    assert ("pwned",) == weaknesses("xkqzvbwp", pwned=leaked)
    assert () == weaknesses("xkqzvbwP", pwned=leaked)
    assert hashlib.sha1("é".encode()).digest() == sha1("é")
    assert 20 == len(sha1("\ud800"))


def test_a_refusal_has_gotrue_s_code_and_reasons() -> None:
    """PW5: 422 weak_password with its reasons."""
    refuse_weak(())
    with pytest.raises(AuthError) as refused:
        refuse_weak(("length", "pwned"), minimum=15)
    error = refused.value
    assert ("weak_password", 422, ("length", "pwned")) == (error.code, error.status, error.reasons)
    assert "15 characters" in error.message
