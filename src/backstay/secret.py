"""The secrets of an app that was given none: made once, readable by their owner only.

1. There is no default secret: two installations never share one.
2. The file appears whole or not at all, so that workers starting together all read the same secret.
3. A secret that others can read is refused, not repaired: it may have been read already.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from backstay.errors import ConfigError

#: Shortest HS256 secret, in bytes: the size of the hash (RFC 7518 §3.2).
MIN_SECRET_BYTES: Final = 32

#: Secrets that stand in public documentation and sample files; everybody can sign with them.
KNOWN_SAMPLES: Final = frozenset(
    {
        "super-secret-jwt-token-with-at-least-32-characters-long",
        "your-super-secret-jwt-token-with-at-least-32-characters-long",
        "reallyreallyreallyreallyverysafe",
        "your-256-bit-secret",
        "a-string-secret-at-least-256-bits-long",
    }
)

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def secret_fault(secret: str | bytes, *, in_production: bool = False) -> str | None:
    """What is wrong with *secret*, as the end of a sentence; ``None`` when it will do.

    A public key or certificate is not secret: a verifier that takes one as a shared secret lets anyone sign.

    >>> secret_fault("short", in_production=False)
    'is 5 bytes long; 32 is the least'
    >>> secret_fault("reallyreallyreallyreallyverysafe", in_production=True)
    'is a sample from public documentation'
    """
    raw = secret.encode() if isinstance(secret, str) else secret
    if len(raw) < MIN_SECRET_BYTES:
        return f"is {len(raw)} bytes long; {MIN_SECRET_BYTES} is the least"
    if b"-----BEGIN " in raw or (raw.lstrip().startswith(b"{") and b'"kty"' in raw):
        return "is a key file or certificate, not a secret"
    if in_production and raw in (sample.encode() for sample in KNOWN_SAMPLES):
        return "is a sample from public documentation"
    if in_production and len(set(raw)) < 8:
        return "repeats a few characters"
    return None


def read_secret(path: Path, *, forbid: int = _OTHERS) -> str:
    """The text of *path* without its line end; *forbid* are the mode bits that the file must not have.

    Raises:
        ConfigError: BST-E404 when it cannot be read as text, BST-E407 when its mode has a forbidden bit.
    """
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise ConfigError("BST-E404", f"The secret file {path} cannot be read: {fault}") from None
    if os.name == "posix" and mode & forbid:
        raise ConfigError(
            "BST-E407",
            f"The secret file {path} can be read by others (mode {stat.S_IMODE(mode):04o})",
            hint=f"Run: chmod 600 {path}  and, if anybody may have read it, delete it and make a new secret.",
        )
    return text.rstrip("\r\n")


def own_secret(folder: Path) -> str:
    """The secret in ``folder/secret``, made now if it is missing: 32 random bytes as 64 hexadecimal digits.

    *folder* is made with mode 0700 and the file with 0600.

    Raises:
        ConfigError: BST-E404 when it can be neither read nor written, BST-E407 when others can read it.
    """
    return own_text(folder / "secret", lambda: secrets.token_hex(MIN_SECRET_BYTES), setting="BACKSTAY_JWT_SECRET")


def own_text(path: Path, make: Callable[[], str], *, setting: str) -> str:
    """The text of *path*, which is what *make* gives if nothing is there yet.

    *setting* is what the error says may be set instead.

    Raises:
        ConfigError: BST-E404 when it can be neither read nor written, BST-E407 when others can read it.
    """
    _keep_folder(path.parent)
    if not path.exists():
        try:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            _write_once(path, make() + "\n")
        except OSError as fault:
            raise ConfigError(
                "BST-E404",
                f"The secret file {path} cannot be written: {fault}",
                hint=f"Make the folder writable, or set {setting}.",
            ) from None
    return read_secret(path)


def _keep_folder(folder: Path) -> None:
    """Take the secrets' *folder* from everybody else, where it was made by hand and is our own."""
    with suppress(OSError):
        found = folder.stat()
        if os.name == "posix" and found.st_mode & _OTHERS and found.st_uid == os.geteuid():
            folder.chmod(0o700)


def _write_once(path: Path, text: str) -> None:
    """Put *text* at *path* unless something is there.  ``link`` either makes the finished file or fails."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
