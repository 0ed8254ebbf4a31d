"""Mail addresses: which ones are written to, and how one is shown to others.

1. What passes here can stand in a header and on an SMTP command line as it is: no space, control, bracket or quote.
2. That is less than RFC 5322 allows: quoted local parts, comments and IP literals are refused, as everybody does.
3. A name with ``=?`` in it is refused too: that begins an encoded word (RFC 2047), and Python's email package decodes
   one even here, line breaks and all.
4. Domains are compared and sent as ASCII (IDNA 2008, UTS 46); the part before the ``@`` belongs to the other side and
   is left alone, case included (RFC 5321 §2.4).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

import idna

# RFC 5321 §4.5.3.1.1 and RFC 3696 erratum 1690, in octets.
_MAX_LOCAL: Final = 64
_MAX_ADDRESS: Final = 254

# atext (RFC 5322 §3.2.3), with anything beyond ASCII (RFC 6531 §3.3), in parts separated by single dots.
_ATEXT: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\U0010ffff-]"
_LOCAL: Final = re.compile(rf"{_ATEXT}+(?:\.{_ATEXT}+)*")
_LABELS: Final = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9-]{1,63}(?<!-))*")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a mail goes: *local* as it was written, *domain* in lower-case ASCII."""

    local: str
    domain: str

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}"

    @property
    def is_ascii(self) -> bool:
        """Whether every mail server takes it, also one without SMTPUTF8."""
        return self.local.isascii()


def parse_address(text: str) -> Address:
    """Read one bare address.

    >>> str(parse_address("Ann.Lee+shop@BÜCHER.example"))
    'Ann.Lee+shop@xn--bcher-kva.example'
    >>> parse_address("ann@example.org>, <eve@example.org")
    Traceback (most recent call last):
    ValueError: the part before the @ has a character that no address may have

    Raises:
        ValueError: what is wrong, without the address itself, so that it may be logged.
    """
    local, at, domain = text.rpartition("@")
    if not at or not local or not domain:
        raise ValueError("it does not have the form name@domain")
    if not _LOCAL.fullmatch(local) or not _is_plain(local) or "=?" in local:
        raise ValueError("the part before the @ has a character that no address may have")
    ascii_domain = domain.lower()
    if not domain.isascii():
        try:
            ascii_domain = idna.encode(domain, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            raise ValueError("the domain is not a domain name") from None
    if len(ascii_domain) > 253 or not _LABELS.fullmatch(ascii_domain):
        raise ValueError("the domain is not a domain name")
    try:
        octets = len(local.encode())
    except UnicodeEncodeError:
        raise ValueError("the part before the @ has a character that no address may have") from None
    if octets > _MAX_LOCAL or octets + 1 + len(ascii_domain) > _MAX_ADDRESS:
        raise ValueError("it is longer than an address may be")
    return Address(local, ascii_domain)


def masked(text: str) -> str:
    """An address as a log may show it: enough to recognise one's own, too little to write to.

    >>> masked("ann@example.org"), masked("nonsense")
    ('a***@example.org', '***')
    """
    try:
        address = parse_address(text)
    except ValueError:
        return "***"
    return f"{address.local[0]}***@{address.domain}"


def _is_plain(local: str) -> bool:
    """No separators, controls, format characters (bidirectional marks among them) or unassigned ones beyond ASCII."""
    return not any(unicodedata.category(character)[0] in "ZC" for character in local if character > "\x7f")
