"""Lines of the log: for people or as JSON, each with its time and request, none with a secret (LG1, LG2).

Rules of this file:

1. One record is one line, or in text one line and an indented traceback: nothing that a client sent begins a line.
2. Control characters are escaped, so that no terminal obeys them.
3. Everything goes through the `Redactor`, the traceback and the fields of ``extra=`` too.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from backstay.observe.redact import HIDDEN, Redactor, is_secret_key, redact
from backstay.observe.request import REQUEST_ID

#: What every record has; anything else came with ``extra=``.
_ORDINARY: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}
#: C0, DEL, C1, the two line ends of Unicode, and the marks that turn the direction of writing.
_CONTROLS: Final = {
    code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
} | {ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t"}


def escape(text: str) -> str:
    r"""*text* on one line, without control characters.

    >>> escape("a\r\nb\x1b[31m")
    'a\\r\\nb\\x1b[31m'
    """
    return text.translate(_CONTROLS)


class _Formatter(logging.Formatter):
    def __init__(self, redactor: Redactor = redact) -> None:
        super().__init__()
        self._redact = redactor

    def _message(self, record: logging.LogRecord) -> str:
        try:
            return self._redact(record.getMessage())
        except Exception as fault:  # arguments that do not fit: the line must not be lost, nor end the program
            return self._redact(f"{record.msg!r} with arguments that do not fit it: {type(fault).__name__}")

    def _trace(self, record: logging.LogRecord) -> str:
        parts = [self.formatException(record.exc_info)] if record.exc_info and record.exc_info[0] else []
        if record.stack_info:
            parts.append(record.stack_info)
        return self._redact("\n".join(parts))

    def _extra(self, record: logging.LogRecord) -> dict[str, Any]:
        return {
            name: HIDDEN if is_secret_key(name) else _plain(value, self._redact)
            for name, value in vars(record).items()
            if name not in _ORDINARY
        }


def _plain(value: Any, redactor: Redactor) -> Any:
    """*value* as JSON; what is none is its ``repr``."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return {str(k): HIDDEN if is_secret_key(str(k)) else _plain(v, redactor) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, redactor) for item in value]
    return redactor(value if isinstance(value, str) else repr(value))


class JsonFormatter(_Formatter):
    """One JSON object for each record: ``at``, ``level``, ``logger``, ``message``, then what else there is.

    That is ``request_id``, ``trace``, and the fields given with ``extra=``.
    """

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = self._extra(record)
        line |= {
            "at": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._message(record),
        }
        request_id = REQUEST_ID.get()
        if request_id is not None:
            line["request_id"] = request_id
        trace = self._trace(record)
        if trace:
            line["trace"] = trace
        first = ("at", "level", "logger", "message", "request_id")
        ordered = {name: line.pop(name) for name in first if name in line} | line
        # ASCII: no control character, no line end of Unicode, no half of a surrogate pair gets through.
        return json.dumps(ordered, ensure_ascii=True, allow_nan=True, default=str)


class TextFormatter(_Formatter):
    """A line for people: time, level, logger, ``[request id]``, message; the traceback indented below it."""

    def format(self, record: logging.LogRecord) -> str:
        request_id = REQUEST_ID.get()
        mark = "" if request_id is None else f" [{request_id}]"
        extra = "".join(f" {name}={value!r}" for name, value in self._extra(record).items())
        text = f"{self._message(record)}{extra}"
        line = f"{_time(record)} {record.levelname} {escape(record.name)}{mark} {escape(text)}"
        trace = self._trace(record)
        # An exception's message may have lines of its own: indented, none passes for a record.
        indented = [f"    {escape(part)}" for part in trace.split("\n")] if trace else []
        return "\n".join([line, *indented]).encode("utf-8", "backslashreplace").decode()


def configure(level: str, *, as_json: bool, secrets: Iterable[str] = ()) -> None:
    """Send every record of this process that is at least *level* to stderr.

    *secrets* are found by value.  Handlers that the root logger had are taken off; loggers that have their own and do
    not propagate keep them.
    """
    redactor = Redactor(secrets)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(redactor) if as_json else TextFormatter(redactor))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    logging.captureWarnings(True)
    # A record that cannot be written is not worth a traceback with its arguments in it.
    logging.raiseExceptions = False


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
