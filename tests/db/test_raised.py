"""RAISE SQLSTATE 'PGRST': the whole answer in two texts."""

from __future__ import annotations

import pytest

from backstay.db.raised import raised

MESSAGE = '{"code": "T1", "message": "The tide is out", "details": {"hours": 3}, "hint": "Wait"}'
DETAIL = '{"status": 421, "headers": {"X-Tide": "low"}}'


def test_all_of_it_is_said() -> None:
    """Code, message, details, hint, status and headers are those that were raised."""
    error = raised(MESSAGE, DETAIL)
    assert ("T1", "The tide is out", {"hours": 3}, "Wait") == (error.code, error.message, error.details, error.hint)
    assert (421, (("X-Tide", "low"),)) == (error.status, error.headers)


def test_details_and_hint_may_be_missing() -> None:
    """Only the code and the message must be there."""
    error = raised('{"code": "T1", "message": "no"}', DETAIL)
    assert (None, None) == (error.details, error.hint)


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding", "X Tide", "X-Tide\\r\\nX", ""])
def test_headers_that_are_not_theirs_to_set_are_left_out(name: str) -> None:
    """WB: what frames a message, and what is no name, does not reach the wire."""
    error = raised(MESSAGE, '{"status": 400, "headers": {"' + name + '": "1"}}')
    assert () == error.headers


@pytest.mark.parametrize(
    ("message", "detail", "details"),
    [
        ("low", DETAIL, "Invalid JSON value for MESSAGE: 'low'"),
        ('{"code": "T1"}', DETAIL, 'Invalid JSON value for MESSAGE: \'{"code": "T1"}\''),
        ("[" * 100_000, DETAIL, "Invalid JSON value for MESSAGE: '" + "[" * 1000 + "'"),
        (MESSAGE, "low", "Invalid JSON value for DETAIL: 'low'"),
        (MESSAGE, '{"status": 400}', "Invalid JSON value for DETAIL: '{\"status\": 400}'"),
        (
            MESSAGE,
            '{"status": 100, "headers": {}}',
            'Invalid JSON value for DETAIL: \'{"status": 100, "headers": {}}\'',
        ),
        (
            MESSAGE,
            '{"status": true, "headers": {}}',
            'Invalid JSON value for DETAIL: \'{"status": true, "headers": {}}\'',
        ),
        (MESSAGE, None, "DETAIL is missing in the RAISE statement"),
    ],
)
def test_what_cannot_be_read_is_a_fault_of_the_function(message: str, detail: str | None, details: str) -> None:
    """PGRST121, which says which of the two texts it is."""
    error = raised(message, detail)
    assert ("PGRST121", 500, details) == (error.code, error.status, error.details)
