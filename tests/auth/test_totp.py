"""Codes of an authenticator app."""

from __future__ import annotations

from base64 import b32encode
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest

from backstay.auth.totp import enrolment_uri, new_secret, qr_svg, step_of

#: RFC 6238 appendix B: seconds since 1970, and the last six of the eight digits for SHA-1.
RFC = [
    (59, "287082"),
    (1111111109, "081804"),
    (1111111111, "050471"),
    (1234567890, "005924"),
    (2000000000, "279037"),
    (20000000000, "353130"),
]
SECRET = b32encode(b"12345678901234567890").decode()


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@pytest.mark.parametrize(("seconds", "code"), RFC)
def test_the_vectors_of_the_rfc(seconds: int, code: str) -> None:
    """SHA-1, six digits, 30 seconds; one step to each side, and no more (MF1)."""
    step = seconds // 30
    assert step == step_of(SECRET, code, at(seconds), after=None)
    assert [step, step] == [step_of(SECRET, code, at(seconds + late), after=None) for late in (-30, 30)]
    assert None is step_of(SECRET, code, at(seconds + 60), after=None)
    if seconds > 60:
        assert None is step_of(SECRET, code, at(seconds - 60), after=None)


def test_a_step_that_was_used_is_none() -> None:
    """Nor is one before it (MF1)."""
    code = RFC[1][1]
    step = 1111111109 // 30
    assert step == step_of(SECRET, code, at(1111111109), after=step - 1)
    assert None is step_of(SECRET, code, at(1111111109), after=step)
    assert None is step_of(SECRET, code, at(1111111109), after=step + 1)


@pytest.mark.parametrize("code", ["", "0", "28708", "2870820", "٢٨٧٠٨٢", "28708é", "\ud800", "x" * 10_000])
def test_what_is_no_code(code: str) -> None:
    """Whatever somebody types."""
    assert None is step_of(SECRET, code, at(59), after=None)


def test_a_code_may_have_a_blank() -> None:
    """Apps show it in two halves."""
    assert 1 == step_of(SECRET, " 287 082 ", at(59), after=None)


def test_the_qr_code_stands_in_a_url_as_it_is() -> None:
    """The clients put it behind ``data:image/svg+xml;utf-8,`` and encode nothing: a ``#`` would end it there."""
    secret = new_secret()
    uri = enrolment_uri(secret, account="ann+x@example.org", issuer="Häuser & Höfe #1")
    svg = qr_svg(uri)
    assert "#" not in svg
    assert "{http://www.w3.org/2000/svg}svg" == ElementTree.fromstring(svg).tag
    assert (32, True) == (len(secret), len({new_secret() for _ in range(100)}) == 100)
