"""E-mail addresses, as accounts know them."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from backstay.auth.refusal import AuthError
from backstay.mail import parse_address

#: RFC 5321 §4.5.3.1.
_MAX_CHARS: Final = 254
_MAX_LOCAL_CHARS: Final = 64
# Unquoted local parts (RFC 5322 "dot-atom", RFC 6531 for what is beyond ASCII), and a domain of at least two labels.
_LOCAL: Final = re.compile(r"[^\s\x00-\x20\x7f()<>@,;:\\\"\[\].]+(\.[^\s\x00-\x20\x7f()<>@,;:\\\"\[\].]+)*")
_LABEL: Final = re.compile(r"(?!-)[^\W_]([^\W_]|-){0,62}(?<!-)")


def normal_email(text: str) -> str:
    """The one form in which an address is kept, compared and written to: NFC, lower case.

    >>> normal_email("Ann@Example.ORG")
    'ann@example.org'

    Raises:
        AuthError: email_address_invalid, for what no mail could be sent to.
    """
    address = unicodedata.normalize("NFC", text).strip().lower()
    local, at, domain = address.rpartition("@")
    labels = domain.split(".")
    good = (
        at
        and len(address.encode()) <= _MAX_CHARS
        and len(local.encode()) <= _MAX_LOCAL_CHARS
        and _LOCAL.fullmatch(local)
        and len(labels) > 1
        and all(_LABEL.fullmatch(label) for label in labels)
        and not any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") for c in address)
    )
    if good:
        try:
            # What mail could not be written to, `Letter` refuses, in the middle of a flow.
            parse_address(address)
        except ValueError:
            good = False
    if not good:
        raise AuthError("email_address_invalid", "Unable to validate email address: invalid format")
    return address
