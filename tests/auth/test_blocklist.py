"""Passwords that attackers try first are refused; no others are."""

from __future__ import annotations

import hashlib

import pytest

from backstay.auth.blocklist import (
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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Chirp: the Feed_2", {"chirp: the feed_2", "chirp", "the", "feed"}),
        ("www.chirp.co.uk", {"www.chirp.co.uk", "chirp"}),
        ("shop.chirp.example:8443", {"shop.chirp.example:8443", "shop", "chirp"}),
        ("chirp.example.", {"chirp.example.", "chirp"}),
        ("localhost", {"localhost"}),
        ("Ann_Lee-x@post.chirp.app", {"ann_lee-x@post.chirp.app", "ann_lee-x", "ann", "lee", "post", "chirp"}),
        ("ann@localhost", {"ann@localhost", "ann"}),
        ("", set()),
    ],
)
def test_what_is_known_of_the_surroundings(text: str, expected: set[str]) -> None:
    """PW5: the words of a title, of a host the labels that are its own, of an address both and the whole."""
    assert expected == surroundings(text)


@pytest.mark.parametrize(
    ("password", "context", "expected"),
    [
        ("chirp2026abc", {"chirp"}, ("pwned",)),
        ("chirp2026abcd", {"chirp"}, ()),
        ("CHIRP2026ab", {"cHIRP"}, ("pwned",)),
        ("chirping2026abc", {"chirp", "chirping"}, ("pwned",)),
        # What is left of a long word is no other word.
        ("abchirpcde12", {"chirp", "abc"}, ()),
        ("xy2026xyxyxy", {"xy"}, ()),
        ("4417209385512", {"chirp"}, ()),
    ],
)
def test_how_much_must_be_left(password: str, context: set[str], expected: tuple[str, ...]) -> None:
    """PW5: four letters, when each word of three letters or more is taken out, the longest first."""
    assert expected == weaknesses(password, context=context)


def test_short_words_of_the_surroundings_do_not_count() -> None:
    """An address like a@b.cd refuses nothing."""
    assert frozenset({"a@b.cd"}) >= surroundings("a@b.cd")
    assert () == weaknesses("abababab1", context=surroundings("ab@ab.cd", "x", ""))


def test_minimums_are_the_callers() -> None:
    """PW4: 15 for administrators, 6 only where it is asked for."""
    assert ("length",) == weaknesses("a" * 7 + "xkqzvbw", minimum=15)
    assert () == weaknesses("a" * 8 + "xkqzvbw", minimum=15)
    assert () == weaknesses("xkqzvb", minimum=6)


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
    assert "Password should be at least 15 characters." == error.message.partition(" Password is known")[0]
    for reason, message in (("length", "at least 8 characters."), ("pwned", "please choose a different one.")):
        with pytest.raises(AuthError, match=f"^weak_password: Password [^.]+{message}$") as refused:
            refuse_weak((reason,))
        assert (reason,) == refused.value.reasons
