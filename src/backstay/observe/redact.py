"""Taking secrets out of text that is about to be kept (LG2).

Rules of this file:

1. By value: what the settings hold as secrets is replaced wherever it stands.
2. By key: what stands behind ``password=``, ``"token":`` and their like is replaced, whatever it looks like.
3. By form: signed tokens, API keys, credentials of a header or a URL, private keys and long hexadecimal keys.
4. Addresses of people keep their first letter and their domain: enough to find out whose, not to write to them.

5. Each form is found in time linear in the text: none begins at every letter of a word.

A short number is only a code under a key that says so: else every port and row count would be one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

HIDDEN: Final = "***"

#: Longest text that is looked through; what is longer is cut.
MAX_CHARACTERS: Final = 65_536

#: Shortest secret of the settings that is searched for by value: a shorter one is part of ordinary words.
_SHORTEST: Final = 6

_KEY: Final = (
    r"(?:[\w-]*(?:password|passwd|passphrase|secret|token(?:_hash)?|apikey|api[_-]key|private[_-]key"
    r"|encryption[_-]keys?|cookie|nonce|verifier|credential|recovery[_-]codes?|service[_-]key)|authorization|pwd|salt|signature)"
)
#: Keys under which a number is a one-time code.
_CODE: Final = r"(?:[\w-]*_)?(?:code|otp|totp|pin)"
#: A value in quotes, or up to the next white space or separator.
_VALUE: Final = r"""(?:"(?:[^"\\]|\\.)*(?:"|$)|'(?:[^'\\]|\\.)*(?:'|$)|(?:(?:bearer|basic)\s+)?[^\s"',;&)}\]]+)"""
_BETWEEN: Final = r"""(["']?\s*[=:]\s*)"""

_FORMS: Final = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), HIDDEN),
    (re.compile(r"\beyJ(?:(?!-eyJ)[A-Za-z0-9_-]){4,}(?:\.[A-Za-z0-9_-]*){1,4}"), HIDDEN),
    (re.compile(r"\b(sb_secret_|sbp_|pkce_)[A-Za-z0-9_-]+"), rf"\1{HIDDEN}"),
    (re.compile(r"\b(bearer|basic)\s+[^\s\"',;]+", re.IGNORECASE), rf"\1 {HIDDEN}"),
    (re.compile(r"(://[^\s:/@?#]*):[^\s/]*@"), rf"\1:{HIDDEN}@"),
    (re.compile(rf"(?<![\w-])({_KEY}){_BETWEEN}{_VALUE}", re.IGNORECASE), rf"\1\2{HIDDEN}"),
    (re.compile(rf"""(?<![\w-])({_CODE}){_BETWEEN}["']?\d{{4,10}}(?!\w)["']?""", re.IGNORECASE), rf"\1\2{HIDDEN}"),
    (re.compile(r"(?<![0-9A-Za-z])[0-9a-fA-F]{64,}(?![0-9A-Za-z])"), HIDDEN),
    (re.compile(r"(?<![\w.+-])(\.*+[\w+-])[\w.+-]*+@((?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,})"), rf"\1{HIDDEN}@\2"),
)
_SECRET_KEY: Final = re.compile(rf"(?:{_KEY}|{_CODE})", re.IGNORECASE)


def is_secret_key(name: str) -> bool:
    """Whether a value called *name* is a secret by its name.

    >>> [is_secret_key(name) for name in ("refresh_token", "newPassword", "otp", "user_id", "role")]
    [True, True, True, False, False]
    """
    return _SECRET_KEY.fullmatch(name) is not None


class Redactor:
    """Replaces secrets in text.  *known* are secrets to find by value, such as those of the settings."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        # The longest first: one secret may hold another.
        values = sorted({value for value in known if len(value) >= _SHORTEST}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, values))) if values else None

    def __call__(self, text: str) -> str:
        """*text* without secrets.

        >>> redact("GET /rest/v1/x?apikey=abc&id=eq.7 by ann@example.org")
        'GET /rest/v1/x?apikey=***&id=eq.7 by a***@example.org'
        >>> redact("the code 123456 of port 8000"), redact('{"code": "123456", "password": "a b"}')
        ('the code 123456 of port 8000', '{"code": ***, "password": ***}')
        """
        if len(text) > MAX_CHARACTERS:
            text = text[:MAX_CHARACTERS] + "…"
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
        for form, replacement in _FORMS:
            text = form.sub(replacement, text)
        return text


#: Without any known secrets.
redact: Final = Redactor()
