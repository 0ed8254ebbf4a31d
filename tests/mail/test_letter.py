"""Letters and mails that make sense, and those that are refused when they are made."""

from __future__ import annotations

from typing import Any

import pytest

from backstay.mail import Letter, Mail

LINK = "https://shop.example.org/auth/v1/verify?token=s3cret"


@pytest.mark.parametrize(
    "wrong",
    [
        {"to": "ann@example.org\r\nBcc: eve@example.org"},
        {"kind": "poem"},
        {"data": {"link": LINK, "lnik": "x"}},
        {"data": {}},
        {"data": {"link": "javascript:alert(1)"}},
        {"data": {"link": "https://example.org/\r\nx"}},
        {"data": {"link": "https://example.org/a b"}},
        {"data": {"link": "//example.org"}},
        {"data": {"code": "123456", "minutes": "ten"}},
        {"data": {"code": "123456", "minutes": "0"}},
        {"kind": "email_change", "data": {"link": LINK, "email": "ann@example.org"}},
        {"kind": "reauthentication", "data": {"link": LINK}},
        {"kind": "identity_linked", "data": {}},
    ],
)
def test_a_letter_that_cannot_be_written_is_refused_at_once(wrong: dict[str, Any]) -> None:
    """The mistake shows in the flow that made it, not later in the background."""
    with pytest.raises(ValueError, match=r"."):
        Letter(**({"to": "ann@example.org", "kind": "confirmation", "locale": "", "data": {"link": LINK}} | wrong))


def test_neither_letter_nor_mail_shows_what_it_says() -> None:
    """LG2: a value that lands in a log or a traceback has no address, code or link."""
    letter = Letter("ann@example.org", "magic_link", "de", {"link": LINK, "code": "123456"})
    mail = Mail("1", "ann@example.org", "Hello ann", f"{LINK} 123456", LINK, "magic_link", "de")
    for secret in ("ann", "123456", "s3cret"):
        assert secret not in repr(letter) + repr(mail)


@pytest.mark.parametrize(
    "bad",
    [
        "\r\nBcc: eve@example.org",
        "\n",
        "\r",
        "\x00",
        "\x0b",
        "\x85",
        "\u2028",
        "\x1b[31m",
        "=?utf-8?q?=0d=0aBcc:_x@y.z?=",
    ],
)
@pytest.mark.parametrize("place", ["id", "to", "subject", "name", "value"])
def test_no_header_of_a_mail_has_a_line_break(place: str, bad: str) -> None:
    """SQ7: whatever made it, a line of its head is one line."""
    parts = {"id": "1", "to": "ann@example.org", "subject": "Hi", "name": "X-A", "value": "b"}
    parts[place] += bad
    headers = {parts.pop("name"): parts.pop("value")}
    with pytest.raises(ValueError, match=r"line break|encoded word"):
        Mail(**parts, text="", html="", kind="invite", language="en", headers=headers)
