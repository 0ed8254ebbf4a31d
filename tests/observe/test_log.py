"""A record is one line that says when, how bad, where from, and for which request."""

from __future__ import annotations

import io
import json
import logging
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from backstay.observe import REQUEST_ID, Redactor
from backstay.observe.log import JsonFormatter, TextFormatter, configure


def record(
    message: object = "hello", *args: Any, error: BaseException | None = None, **extra: Any
) -> logging.LogRecord:
    exc = None if error is None else (type(error), error, error.__traceback__)
    found = logging.getLogger("backstay.x").makeRecord("backstay.x", logging.WARNING, "f.py", 1, message, args, exc)
    found.created = 1795264200.25
    vars(found).update(extra)
    return found


def raised(message: str) -> BaseException:
    try:
        raise ValueError(message)
    except ValueError as error:
        return error


@pytest.fixture
def request_id() -> Iterator[str]:
    mark = REQUEST_ID.set("req-7")
    yield "req-7"
    REQUEST_ID.reset(mark)


def test_a_line_of_json(request_id: str) -> None:
    """LG1: UTC, level, logger, message, request."""
    assert {
        "at": "2026-11-21T12:30:00.250Z",
        "level": "warning",
        "logger": "backstay.x",
        "message": "hello ann",
        "request_id": "req-7",
    } == json.loads(JsonFormatter().format(record("hello %s", "ann")))


def test_a_line_for_people(request_id: str) -> None:
    """LG1: the same, in one line."""
    assert "2026-11-21T12:30:00.250Z WARNING backstay.x [req-7] hello" == TextFormatter().format(record())


def test_outside_of_requests_there_is_no_id() -> None:
    """Nothing stands where nothing is known."""
    assert "request_id" not in json.loads(JsonFormatter().format(record()))
    assert "[" not in TextFormatter().format(record())


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
@pytest.mark.parametrize(
    "bad", ["\r\n2026 ERROR forged", "\x1b[31m", "\x00", "\x9b2J", "\u2028", "\u202e", "\ud800", "\x7f", "\v"]
)
def test_one_record_is_one_line(formatter: logging.Formatter, bad: str) -> None:
    """LG2: no client writes lines of its own, turns a terminal red, or stops the log with what cannot be encoded."""
    line = formatter.format(record("said %s", bad, note=bad))
    line.encode()
    assert line.isprintable()
    assert 1 == len(line.splitlines())


def test_a_traceback_is_indented() -> None:
    """LG2: a line inside an exception's message does not pass for a record."""
    line = TextFormatter().format(record(error=raised("one\n2026-11-21T00:00:00.000Z ERROR forged\x1b[1m")))
    first, *rest = line.split("\n")
    assert first.endswith("hello")
    assert rest
    assert all(part.startswith("    ") and part.isprintable() for part in rest)
    assert "ValueError" in line
    told = JsonFormatter().format(record(error=raised("one\ntwo")))
    assert "ValueError: one\ntwo" in json.loads(told)["trace"]
    assert "\n" not in told


@pytest.mark.parametrize(
    "formatter", [JsonFormatter(Redactor(["correct-horse"])), TextFormatter(Redactor(["correct-horse"]))]
)
def test_no_part_shows_a_secret(formatter: logging.Formatter) -> None:
    """LG2: message, traceback and extra fields, by value, key and form."""
    line = formatter.format(
        record(
            "%s password=hunter22",
            "correct-horse",
            error=raised("correct-horse token=abcdef"),
            token="zzz-plain",
            data={"otp": "123456", "deep": [{"secret": "yyy-plain"}], "n": 1, "url": "x://u:hunter33@h"},
        )
    )
    for secret in ("correct-horse", "hunter22", "hunter33", "abcdef", "zzz-plain", "yyy-plain", "123456"):
        assert secret not in line


def test_arguments_that_do_not_fit_lose_no_line() -> None:
    """And show nothing of the arguments."""
    assert "do not fit" in TextFormatter().format(record("%d and %d", "hunter22"))
    assert "hunter22" not in TextFormatter().format(record("%d", "hunter22"))


def test_a_stack_is_kept() -> None:
    """``stack_info=True`` of the standard library."""
    assert "Stack here" in json.loads(JsonFormatter().format(record(stack_info="Stack here")))["trace"]


def test_configure_takes_every_logger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those of libraries and of the app, and warnings; what is below the level is left out."""
    root = logging.getLogger()
    before = (list(root.handlers), root.level, logging.raiseExceptions)
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    # A command that an earlier test called may have configured logging for good.
    logging.captureWarnings(False)
    try:
        configure("warning", as_json=True, secrets=["correct-horse"])
        logging.getLogger("some.library").warning("correct-horse")
        logging.getLogger("some.library").info("quiet")
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("careful", stacklevel=1)
    finally:
        logging.captureWarnings(False)
        root.handlers[:] = before[0]
        root.setLevel(before[1])
        logging.raiseExceptions = before[2]
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert ["some.library", "py.warnings"] == [line["logger"] for line in lines]
    assert "***" == lines[0]["message"]
