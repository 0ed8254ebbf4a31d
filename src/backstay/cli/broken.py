"""A module of the app that does not load, as one finding: where, what, the author's own lines, and what to do."""

from __future__ import annotations

import linecache
import traceback
from types import TracebackType

from backstay.errors import ConfigError
from backstay.place import is_authors, shown_file

#: Most lines of the author's that are shown: the outermost and the innermost of a deep recursion say it all.
_MOST = 8


def broken(fault: BaseException, where: str) -> ConfigError:
    """What *fault*, raised while the module *where* was loaded, stands for: BST-E090."""
    lines = _own_lines(fault.__traceback__)
    if isinstance(fault, SyntaxError) and fault.filename:
        place = f"{shown_file(fault.filename)}:{fault.lineno or 1}"
        lines.append(f"{place}: {(fault.text or '').strip()}")
        return _found(f"{place} is no Python: {fault.msg}", lines, "Correct that line, or the one before it.")
    place = lines[-1].partition(" in ")[0] if lines else where
    if isinstance(fault, SystemExit):
        return _found(
            f"{place} ends the process, with {fault.code!r}", lines, "Do so only under: if __name__ == '__main__'."
        )
    said = "".join(traceback.format_exception_only(type(fault), fault)).strip().splitlines()[0]
    return _found(f"{place}: {said}", lines, _advice(fault))


def _found(message: str, lines: list[str], hint: str) -> ConfigError:
    shown = lines if len(lines) <= _MOST else [*lines[: _MOST // 2], "…", *lines[-_MOST // 2 :]]
    return ConfigError("BST-E090", message, details="\n".join(shown) or None, hint=hint)


def _advice(fault: BaseException) -> str:
    if isinstance(fault, ModuleNotFoundError) and fault.name:
        top = fault.name.partition(".")[0]
        return f"Correct the name, or install {top} where backstay runs."
    if isinstance(fault, ImportError) and "partially initialized" in str(fault):
        return "Two modules import each other: move what both need into a third."
    if isinstance(fault, ImportError):
        return "Correct the name; that module does not have it."
    return "Correct the last of these lines."


def _own_lines(trace: TracebackType | None) -> list[str]:
    """``app.py:12 in make: x = 1 / 0`` for each frame of the author's, the innermost last."""
    found = []
    while trace is not None:
        frame, number = trace.tb_frame, trace.tb_lineno
        if is_authors(frame):
            code = frame.f_code
            line = linecache.getline(code.co_filename, number).strip()
            found.append(f"{shown_file(code.co_filename)}:{number} in {code.co_name}: {line}")
        trace = trace.tb_next
    return found
