"""Where code of the app's author stands: file and line."""

from __future__ import annotations

import inspect
import linecache
import os
import sys
import sysconfig
from itertools import islice
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

#: Where code lies that is not the author's.
_LIBRARIES: Final = tuple(
    str(Path(folder)) for name in ("stdlib", "platstdlib", "purelib", "platlib") if (folder := sysconfig.get_path(name))
)
#: Packages that ask of an expression what they need to build one.
OWN: Final = frozenset({"backstay", "sqlalchemy"})


def is_of(frame: FrameType, packages: frozenset[str] = OWN) -> bool:
    """Whether *frame* runs code of one of *packages*; ``sqlalchemy_utils`` is none of ``sqlalchemy``."""
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] in packages


def is_authors(frame: FrameType) -> bool:
    """Whether *frame* runs code of the app's author, and not a library's."""
    return not is_of(frame) and is_authors_file(frame.f_code.co_filename)


def is_authors_file(name: str) -> bool:
    """Whether the file called *name* is of the app's author, and not a library's."""
    return not name.startswith((*_LIBRARIES, "<sqlalchemy", "<frozen"))


def place_of(function: Any) -> str:
    """``app/policies.py:12``, where *function* is defined."""
    function = getattr(function, "func", function)
    # What it wraps may be written in C.
    codes = (getattr(each, "__code__", None) for each in (inspect.unwrap(function), function, type(function).__call__))
    code = next((code for code in codes if code is not None), None)
    return "somewhere" if code is None else f"{shown_file(code.co_filename)}:{_line_of_def(code)}"


def place_in(frame: FrameType) -> str:
    """The line that *frame* is at."""
    return f"{shown_file(frame.f_code.co_filename)}:{frame.f_lineno}"


def users_frame(frame: FrameType | None) -> FrameType | None:
    """*frame*, or the nearest of its callers that is the author's own code."""
    while frame is not None and not is_authors(frame):
        frame = frame.f_back
    return frame


def place_here() -> str:
    """The line of the user's own code that is running."""
    frame = users_frame(sys._getframe(1))
    return "somewhere" if frame is None else place_in(frame)


def shown_file(name: str) -> str:
    """*name* as people call it: from the current folder, where it lies in it."""
    try:
        return name.removeprefix(os.path.join(os.getcwd(), ""))
    except OSError:  # the folder is gone
        return name


def _line_of_def(code: CodeType) -> int:
    """The line of ``def``, behind the decorators."""
    first = code.co_firstlineno
    lines = linecache.getlines(code.co_filename)
    for number, line in enumerate(islice(lines, first - 1, first + 30), first):
        if line.lstrip().startswith(("def ", "async def ")):
            return number
    return first
