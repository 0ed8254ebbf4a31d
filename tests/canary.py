"""Twelve planted secrets, and a look for them in everything that comes out (LG3).

    canary = Canary()
    canary.look("the log", text)        # and again, for each thing that came out
    canary.assert_silent()

Plant them where real ones go: `SECRETS` in requests and flows, `environment` in the settings.  To cover a new flow, run
it with these values and `look` at its answers, at `Lines.text`, and at `everything_in` its database.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from backstay.observe import Redactor
from backstay.observe.log import JsonFormatter, TextFormatter
from backstay.settings import Settings

#: By what they are.  Each looks like a real one, and stands nowhere else.
SECRETS: Final[dict[str, str]] = {
    "password": "correct-horse-c4nary-pw",
    "access_token": "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJjNG5hcnkifQ.YzRuYXJ5LXNpZ25hdHVyZQ",
    "refresh_token": "c4naryRefreshTokenV1xYz",
    "otp": "739146",
    "recovery_code": "c4nar-yrecv-k7q2x",
    "totp_secret": "C4NARYTOTPJBSWY3DPEHPK3PXP",
    "api_key": "sb_secret_c4naryKeyAbCdEf0123456789",
    "smtp_password": "c4nary-smtp-pw-71",
    "database_password": "c4nary-db-pw-83",
    "encryption_key": "c4a4a7e0" + "13579bdf02468ace" * 3 + "0f1e2d3c",
    "provider_token": "gho_c4naryProviderTokenQwErTy",
    "signing_key": "c4nary-signing-key-0123456789-abcdef",
}

#: The names under which they travel in bodies, queries and messages.
NAMES: Final[dict[str, str]] = {
    "otp": "code",
    "recovery_code": "recovery_code",
    "totp_secret": "secret",
    "api_key": "apikey",
    "database_password": "password",
    "smtp_password": "password",
    "encryption_key": "encryption_key",
    "signing_key": "secret",
}


def name_of(secret: str) -> str:
    """Under which key *secret* travels."""
    return NAMES.get(secret, secret)


def environment(database: str) -> dict[str, str]:
    """Variables with those secrets that are settings."""
    return {
        "BACKSTAY_DATABASE": database,
        "BACKSTAY_JWT_SECRET": SECRETS["signing_key"],
        "BACKSTAY_ENCRYPTION_KEYS": f"k1:{SECRETS['encryption_key']}",
        "BACKSTAY_MAIL_FROM": "post@example.org",
        # Nobody listens there: what is said about letters that cannot be sent is looked at too.
        "BACKSTAY_SMTP_URL": f"smtp://mailer:{SECRETS['smtp_password']}@127.0.0.1:1",
    }


def _forms(secret: str) -> set[str]:
    """A secret as it may stand in a text: itself, quoted, and in three encodings."""
    raw = secret.encode()
    return {
        secret,
        quote(secret, safe=""),
        json.dumps(secret)[1:-1],
        binascii.hexlify(raw).decode(),
        base64.b64encode(raw).decode().rstrip("="),
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
    }


class Canary:
    """What was looked at, and what was found there."""

    def __init__(self) -> None:
        self.looked: list[str] = []
        self.found: list[tuple[str, str]] = []

    def look(self, where: str, text: str | bytes) -> None:
        """Search *text* for every secret in every form."""
        shown = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        self.looked.append(where)
        for name, secret in SECRETS.items():
            if any(form in shown for form in _forms(secret)):
                self.found.append((where, name))

    def assert_silent(self) -> None:
        """Fails with what was found, and where."""
        if not self.looked:
            raise AssertionError("nothing was looked at")
        if self.found:
            raise AssertionError(f"secrets came out: {sorted(set(self.found))}")


class Lines:
    """The log of this process in both formats, as ``backstay serve`` would write it."""

    def __init__(self, settings: Settings) -> None:
        redactor = Redactor(settings.secrets())
        self._formatters = (JsonFormatter(redactor), TextFormatter(redactor))
        self.records = 0
        self.text = ""

    def take(self, record: logging.LogRecord) -> None:
        self.records += 1
        self.text += "".join(formatter.format(record) + "\n" for formatter in self._formatters)


@contextmanager
def lines(settings: Settings) -> Iterator[Lines]:
    """Everything that is logged in a block, at every level."""
    found = Lines(settings)
    handler = logging.Handler()
    handler.emit = found.take  # type: ignore[method-assign]
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield found
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


def everything_in(path: Path) -> bytes:
    """The bytes of a SQLite database and its log."""
    return b"".join(p.read_bytes() for p in sorted(path.parent.glob(f"{path.name}*")))


def as_body() -> dict[str, Any]:
    """A body that has every secret under its name."""
    return {f"{name}_" if name_of(name) != name else name: secret for name, secret in SECRETS.items()} | {
        name_of(name): secret for name, secret in SECRETS.items()
    }
