"""SQ7: nothing that stands in a mail becomes a header, a recipient or a command."""

from __future__ import annotations

from email import message_from_bytes
from email.policy import default

import pytest

from backstay.adapters.smtp.message import message_of, parse_sender
from tests.adapters.smtp.server import AT, mail
from tests.mail.test_address import REFUSED

SENDER = parse_sender("Shop <post@shop.example.org>")
NAMES = {
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Auto-Submitted",
    "Content-Language",
    "MIME-Version",
    "Content-Type",
}

INJECTIONS = [
    "Bcc: eve@example.org",
    "\r\nBcc: eve@example.org",
    "\nBcc: eve@example.org",
    "\rBcc: eve@example.org",
    "\r\n\r\n<script>",
    "\r\n.\r\nMAIL FROM:<eve@example.org>",
    "\n.\n",
    "\x00",
    "\x0b\x0cBcc: x@y.z",
    "\x85Bcc: x@y.z",
    "\u2028Bcc: x@y.z",
    "\u2029Bcc: x@y.z",
    "%0d%0aBcc: x@y.z",
    "\\r\\nBcc: x@y.z",
    "=?utf-8?q?=0d=0aBcc:_x@y.z?=",
    "=?utf-8?b?DQpCY2M6IHhAeS56?=",
    "é" * 60 + " " + "=?utf-8?q?=0aBcc:_x@y.z?=",
    "x" * 5000,
    "é" * 2000,
    "word " * 500,
    "🎉" * 300,
    "\ud800",
    '"quoted" <x@y.z>, <z@z.z>',
    "a,b;c:d",
    "(comment)",
    "-- \r\n",
    "\t folded",
    " leading and trailing ",
    "\x1b]0;title\x07",
    "\u202egro.elpmaxe",
    "To: eve@example.org",
    "<!--",
    "\r\n\tContinued: yes",
    "\n Bcc: x@y.z",
]


def test_the_table_is_long_enough() -> None:
    """The requirement says thirty."""
    assert 30 <= len(INJECTIONS)
    assert 30 <= len(REFUSED)


@pytest.mark.parametrize("text", INJECTIONS)
def test_a_subject_is_a_subject(text: str) -> None:
    """It is refused, or arrives as one header with the same words."""
    try:
        message = message_of(mail(subject=f"Hi {text}"), SENDER, AT)
        wire = bytes(message)
    except ValueError:
        return
    read = message_from_bytes(wire, policy=default)
    assert (NAMES, 1) == (set(read.keys()), len(read.get_all("To", [])))
    assert "ann@example.org" == read["To"]
    assert wire.partition(b"\r\n\r\n")[0].isascii()
    assert all(len(line) <= 998 for line in wire.splitlines())


@pytest.mark.parametrize("text", INJECTIONS)
def test_a_body_is_a_body(text: str) -> None:
    """No line of it is read as anything else."""
    try:
        wire = bytes(message_of(mail(text=f"Hi\n{text}\n"), SENDER, AT))
    except ValueError:
        assert text == "\ud800"
        return
    read = message_from_bytes(wire, policy=default)
    assert NAMES == set(read.keys())
    assert wire.replace(b"\r\n", b"").count(b"\n") == wire.replace(b"\r\n", b"").count(b"\r") == 0


@pytest.mark.parametrize("to", REFUSED)
def test_an_address_that_is_more_is_not_written_to(to: str) -> None:
    """The transport trusts nobody before it."""
    with pytest.raises(ValueError, match=r"."):
        message_of(mail(to), SENDER, AT)


@pytest.mark.parametrize(
    "text",
    ["", "Shop", "Shop <>", "Shop <post>", "a@b.org, c@d.org", "Shop\r\nX: y <a@b.org>", "Shop <a@b.org", "ä@b.org",
     "<a@b.org> <c@d.org>", "=?utf-8?q?=0d=0aBcc=3ax=40y.z?= <a@b.org>", "a@b.org\nBcc: x@y.z"],
)  # fmt: skip
def test_a_sender_that_is_none_is_refused(text: str) -> None:
    """The setting BACKSTAY_MAIL_FROM is checked at the start."""
    with pytest.raises(ValueError, match=r"."):
        parse_sender(text)


def test_a_sender_may_have_any_name() -> None:
    """Quoted or encoded as it needs."""
    for name in ("Söhne & Co", "Shop, Inc.", 'The "Shop"', "店"):
        quoted = name.replace('"', '\\"')
        message = message_of(mail(), parse_sender(f'"{quoted}" <post@shop.example.org>'), AT)
        read = message_from_bytes(bytes(message), policy=default)["From"].addresses
        assert [(name, "post@shop.example.org")] == [(one.display_name, one.addr_spec) for one in read]
