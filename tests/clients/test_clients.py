"""The published clients, unmodified, against a real server: what they read, write and are refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clients.expected import CALLS, Expected


def test_every_call_was_made(answers: dict[str, Any]) -> None:
    """A call that a client forgot would be a test that cannot fail."""
    assert set(CALLS) == set(answers)


@pytest.mark.parametrize("name", CALLS)
def test_call(name: str, answers: dict[str, Any], language: str) -> None:
    """The client hands its user exactly these rows, this count, or this error."""
    answer, expected = answers[name], CALLS[name]
    assert "threw" not in answer, answer["threw"]
    if expected.code is not None:
        assert expected.code == (answer["error"] or {}).get("code"), answer
        assert {"code", "message", "details", "hint"} <= set(answer["error"])
    else:
        assert answer["error"] is None
        assert expected.data == _data(answer["data"], expected)
        assert expected.count == answer["count"]
    if language == "javascript":
        assert expected.status == answer["status"]


def _data(data: Any, expected: Expected) -> Any:
    """Python's client shows an empty list where JavaScript's shows nothing."""
    return None if expected.data is None and data == [] else data
