"""A file of leaked passwords that an operator brings: Have I Been Pwned's list, made small and searched in place (PW5).

Have I Been Pwned publishes lines ``SHA1:COUNT``, ordered by hash.  The file has the first 8 bytes of each: 8 GB for a
thousand million passwords, and a good password is taken for a leaked one less than once in 10¹⁰.  It is mapped into
memory and searched by halves, so the processes that use it share what the system keeps of it.

The file is ``BSTPWN1`` and a newline, the number of entries in 8 bytes, and the entries in ascending order.
"""

from __future__ import annotations

import mmap
import os
import secrets
from bisect import bisect_left
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from backstay.errors import ConfigError

_MAGIC: Final = b"BSTPWN1\n"
_PREFIX_BYTES: Final = 8
_HEAD_BYTES: Final = 16
_SHA1_HEX: Final = 40
_CHUNK: Final = 1 << 20
_MODE: Final = 0o644


class PwnedFile:
    """The hashes of a file made by `write_pwned`: ``sha1 in PwnedFile(path)``.

    Raises:
        ConfigError: BST-E222 when it cannot be read or was not made so.
    """

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as fault:
            raise ConfigError("BST-E222", f"The list of leaked passwords {path} cannot be read: {fault}") from None
        self._count = int.from_bytes(self._map[8:_HEAD_BYTES], "big")
        if self._map[:8] != _MAGIC or len(self._map) != _HEAD_BYTES + self._count * _PREFIX_BYTES:
            self._map.close()
            raise ConfigError(
                "BST-E222",
                f"{path} is not a list of leaked passwords, or not all of it",
                hint="Make it with: backstay passwords import-hibp",
            )

    def close(self) -> None:
        self._map.close()

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> bytes:
        begin = _HEAD_BYTES + number * _PREFIX_BYTES
        return self._map[begin : begin + _PREFIX_BYTES]

    def __contains__(self, hash: object) -> bool:
        """Whether the SHA-1 *hash* of a password is listed."""
        if not isinstance(hash, bytes):
            return False
        entries: Any = self
        prefix = hash[:_PREFIX_BYTES]
        at = bisect_left(entries, prefix, 0, self._count)
        return at < self._count and self[at] == prefix


def write_pwned(lines: Iterable[bytes], path: Path, *, least_count: int = 1) -> int:
    """Make *path* of Have I Been Pwned's *lines* and return how many entries it has.  It appears whole or not at all.

    Args:
        least_count: leaves out what was seen in fewer leaks.

    Raises:
        ConfigError: BST-E222 for a line that is not ``SHA1:COUNT`` or not in ascending order, or a file that cannot be
            written.
    """
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        count = 0
        try:
            # The list is public and other users' processes may share it; nobody else may change it.
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), _MODE)
            with os.fdopen(descriptor, "wb") as file:
                file.write(_MAGIC + bytes(_PREFIX_BYTES))
                waiting = bytearray()
                for prefix in _prefixes(lines, least_count):
                    waiting += prefix
                    count += 1
                    if len(waiting) >= _CHUNK:
                        file.write(waiting)
                        waiting.clear()
                file.write(waiting)
                file.seek(len(_MAGIC))
                file.write(count.to_bytes(8, "big"))
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as fault:
        raise ConfigError("BST-E222", f"The list of leaked passwords {path} cannot be written: {fault}") from None
    return count


def _prefixes(lines: Iterable[bytes], least_count: int) -> Iterable[bytes]:
    """The prefixes of *lines*, each once."""
    last = given = b""
    for number, line in enumerate(lines, 1):
        line = line.rstrip(b"\r\n")
        if not line:
            continue
        name, _, count = line.partition(b":")
        try:
            whole = bytes.fromhex(name.decode("ascii"))
            seen = int(count or b"1")
        except ValueError:
            raise _malformed(number) from None
        if len(name) != _SHA1_HEX or seen < 0:
            raise _malformed(number)
        prefix = whole[:_PREFIX_BYTES]
        if prefix < last:
            raise ConfigError(
                "BST-E222",
                f"Line {number} is out of order",
                hint="Take the list that is ordered by hash, or sort it: LC_ALL=C sort FILE",
            )
        last = prefix
        if prefix != given and seen >= least_count:
            yield prefix
            given = prefix


def _malformed(number: int) -> ConfigError:
    return ConfigError(
        "BST-E222",
        f"Line {number} is not a SHA-1 hash in hexadecimal digits, a colon and a count",
        hint="Take the SHA-1 list of Have I Been Pwned; the NTLM list is another one.",
    )
