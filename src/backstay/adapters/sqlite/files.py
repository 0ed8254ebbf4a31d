"""Who may read the database's files: its owner, from the first byte on.

1. A database holds hashes of passwords and what people wrote.  With the usual umask SQLite would make it readable by
   every user of the machine, so the file is made here, before SQLite sees it.
2. SQLite gives its log, its shared memory and its journal the mode of the database.
3. A file that is there and was wider is looked at (``private.py``).
4. Nothing is opened here that exists: closing a file drops the locks that this process holds on it (POSIX).
"""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path
from typing import Final

from backstay import private

_LOG: Final = logging.getLogger("backstay.sqlite")

_BESIDE: Final = ("", "-wal", "-shm", "-journal")


def make_private(name: str) -> None:
    """Make the file *name*, empty, unless it is there.  What cannot be made is SQLite's to complain about."""
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):
        # Where a link leads, or the link would be what is there.
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        os.close(os.open(os.path.realpath(name), flags, private.PRIVATE))


def keep_private(name: str, *, narrows: bool = True) -> None:
    """Look at the files of the database *name*, and with *narrows* take from everybody what everybody has."""
    for suffix in _BESIDE:
        private.keep_private(Path(os.path.realpath(name) + suffix), _LOG, narrows=narrows)
