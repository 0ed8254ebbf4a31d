"""E-mail addresses, as accounts know them."""

from __future__ import annotations

import unicodedata
from typing import Final

import idna

from backstay.auth.refusal import AuthError
from backstay.mail import parse_address

#: RFC 5321 §4.5.3.1.
_MAX_CHARS: Final = 254
#: Longer text is no address in any form; to normalise it takes time that grows with the square of its length.
_MAX_GIVEN_CHARS: Final = 1000


def normal_email(text: str) -> str:
    """The one form in which an address is kept, compared and written to: NFC, lower case, its domain as IDNA reads it.

    >>> normal_email("Ann@Example.ORG"), normal_email("ann@ｅxample.org")
    ('ann@example.org', 'ann@example.org')
    >>> normal_email("ann@xn--bcher-kva.example"), normal_email("ann@ab--cd.example")
    ('ann@bücher.example', 'ann@ab--cd.example')

    Raises:
        AuthError: email_address_invalid, for what no mail could be sent to.
    """
    if len(text) > _MAX_GIVEN_CHARS:
        raise _not_an_address()
    address = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).strip().lower())
    local = address.rpartition("@")[0]
    try:
        # What mail could not be written to, `Letter` refuses, in the middle of a flow.
        domain = parse_address(address).domain
        # Two ways of writing one domain are one mailbox, and so one account.
        labels = (idna.decode(label) if label.startswith("xn--") else label for label in domain.split("."))
        address = f"{local}@{'.'.join(labels)}"
        good = (
            "." in domain
            and len(address.encode()) <= _MAX_CHARS
            and not any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") for c in address)
        )
    except ValueError:
        good = False
    if not good:
        raise _not_an_address()
    return address


def _not_an_address() -> AuthError:
    return AuthError("email_address_invalid", "Unable to validate email address: invalid format")
