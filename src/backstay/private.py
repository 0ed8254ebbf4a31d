"""Files that were readable for others before: what is taken from whom.

A file that *everybody* may read or write is nobody's decision: it is narrowed, and the log says so.  One that only its
group may use may be shared on purpose: it is left, and the log says so.  What is no file, such as ``/dev/null``, keeps
nothing that could be read, and others need it: it is left, and the log says nothing.
"""

from __future__ import annotations

import contextlib
import logging
import os
import stat
from pathlib import Path
from typing import Final

#: What a private file is made with.
PRIVATE: Final = 0o600


def keep_private(path: Path, log: logging.Logger, *, descriptor: int | None = None, narrows: bool = True) -> None:
    """Look at the mode of *path*, and with *narrows* take from everybody what everybody has.

    *descriptor* is that of the file, where it is open: then nobody can put another one in its place meanwhile.
    """
    if os.name != "posix":
        return
    file: int | Path = path if descriptor is None else descriptor
    with contextlib.suppress(OSError):
        found = os.stat(file)
        mode = stat.S_IMODE(found.st_mode)
        if not stat.S_ISREG(found.st_mode):
            return
        if mode & stat.S_IRWXO and narrows and found.st_uid == os.geteuid():
            os.chmod(file, PRIVATE)
            log.warning("every user of this machine could read %s (mode %04o): now its owner can", path, mode)
        elif mode & (stat.S_IRWXO | stat.S_IRWXG):
            log.warning("%s can be read by others (mode %04o); chmod 600 if they are not meant to", path, mode)
