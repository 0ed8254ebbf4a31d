"""Who may read the database's files: its owner, from the first byte on.

1. A database holds hashes of passwords and what people wrote.  With the usual umask SQLite would make it readable by
   every user of the machine, so the file is made here, before SQLite sees it.
2. SQLite gives its log, its shared memory and its journal the mode of the database.
3. A file that is there and that *everybody* may read is nobody's decision: it is narrowed, and the log says so.  One
   that only its group may read may be shared on purpose: it is left, and the log says so.
4. Nothing is opened here that exists: closing a file drops the locks that this process holds on it (POSIX).
"""

from __future__ import annotations

import contextlib
import logging
import os
import stat
from pathlib import Path
from typing import Final

_LOG: Final = logging.getLogger("backstay.sqlite")

_PRIVATE: Final = 0o600
_BESIDE: Final = ("", "-wal", "-shm", "-journal")


def make_private(name: str) -> None:
    """Make the file *name*, empty, unless it is there.  What cannot be made is SQLite's to complain about."""
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):
        # Where a link leads, or the link would be what is there.
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        os.close(os.open(os.path.realpath(name), flags, _PRIVATE))


def keep_private(name: str, *, narrows: bool = True) -> None:
    """Look at the files of the database *name*, and with *narrows* take from everybody what everybody has."""
    if os.name != "posix":
        return
    for path in (Path(os.path.realpath(name) + suffix) for suffix in _BESIDE):
        with contextlib.suppress(OSError):
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode & stat.S_IRWXO and narrows and path.stat().st_uid == os.geteuid():
                path.chmod(_PRIVATE)
                _LOG.warning("every user of this machine could read %s (mode %04o): now its owner can", path, mode)
            elif mode & (stat.S_IRWXO | stat.S_IRWXG):
                _LOG.warning("%s can be read by others (mode %04o); chmod 600 if they are not meant to", path, mode)
