"""From a `Mail` to the message that goes over the wire (RFC 5322)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address as HeaderAddress
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime
from typing import Final

from backstay.mail import Address, Mail, parse_address

_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9-]{1,76}")
# "Quoted name" <address>, or Plain name <address>, or the address alone; nothing before or after.
_SENDER: Final = re.compile(r'(?:"((?:[^"\\]|\\.)*)"|([^"<>]*?))\s*<([^<>\s]+)>|([^<>\s]+)')
_NAME_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Sender:
    """Whom mail is from: an address, and a name that may be empty."""

    name: str
    address: Address


def parse_sender(text: str) -> Sender:
    """Read ``Shop <post@shop.example.org>``, or the address alone.

    >>> parse_sender("Shop <post@shop.example.org>").name, str(parse_sender("post@shop.example.org").address)
    ('Shop', 'post@shop.example.org')

    Raises:
        ValueError: what is wrong.
    """
    found = _SENDER.fullmatch(text.strip())
    if found is None or _NAME_CONTROL.search(text) or "=?" in text:
        raise ValueError("it does not have the form Name <name@domain>")
    quoted, plain, inside, alone = found.groups()
    name = (plain or "").strip() if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
    bare = alone if inside is None else inside
    address = parse_address(bare)
    if not address.is_ascii:
        raise ValueError("the part before the @ has a character that not every server takes")
    return Sender(name, address)


def message_of(mail: Mail, sender: Sender, at: datetime) -> EmailMessage:
    """The message for *mail*: plain text, and HTML as its alternative.

    Both are quoted-printable, so that no server on the way has to change a byte, or refuses one.

    Raises:
        ValueError: a header or an address that could be more than that; nothing is sent then.
    """
    to = parse_address(mail.to)
    message = EmailMessage(policy=SMTP if to.is_ascii else SMTPUTF8)
    message["From"] = HeaderAddress(sender.name, sender.address.local, sender.address.domain)
    message["To"] = HeaderAddress("", to.local, to.domain)
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(at)
    message["Message-ID"] = f"<{mail.id}@{sender.address.domain}>"
    # RFC 3834 §5: no out-of-office notes for what no person wrote.
    message["Auto-Submitted"] = "auto-generated"
    for name, value in mail.headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError("a header name is letters, digits and hyphens")
        # A second From, To or Subject is refused by the library.
        message[name] = value
    message.set_content(mail.text, cte="quoted-printable")
    message.add_alternative(mail.html, subtype="html", cte="quoted-printable")
    # Before that, it would have been moved to the first part.
    message["Content-Language"] = mail.language
    return message
