"""Headers and status that a function of the database has set."""

from __future__ import annotations

import pytest

from backstay.errors import DatabaseError
from backstay.response.reply import Reply
from backstay.response.said import said

REPLY = Reply(200, ((b"content-type", b"text/plain"), (b"vary", b"Accept")), b"x")


def test_nothing_said() -> None:
    """A setting that was never made, or is empty again, says nothing."""
    assert REPLY == said(REPLY, None, None) == said(REPLY, "", "")


def test_headers_replace_and_repeat() -> None:
    """A header of the same name gives way; one name may be set several times."""
    text = '[{"Content-Type": "tea/green"}, {"Set-Cookie": "a=1"}, {"Set-Cookie": "b=ü"}]'
    headers = (
        (b"vary", b"Accept"),
        (b"content-type", b"tea/green"),
        (b"set-cookie", b"a=1"),
        (b"set-cookie", "b=ü".encode()),
    )
    assert Reply(200, headers, b"x") == said(REPLY, text, None)


def test_framing_is_ours() -> None:
    """Where a message ends is not for a function to say."""
    assert REPLY == said(REPLY, '[{"Content-Length": "9"}, {"transfer-encoding": "chunked"}]', None)


@pytest.mark.parametrize(
    "text",
    [
        "leaf",
        '{"X-Leaf": "green"}',
        '["X-Leaf"]',
        '[{"X-Leaf": 1}]',
        '[{"X-Leaf": "a", "X-Stem": "b"}]',
        '[{"X Leaf": "a"}]',
        '[{"X-Leaf": "a\\r\\nX-Evil: 1"}]',
        '[{"X-Leaf": "\\ud800"}]',
        "[" * 100_000,
    ],
)
def test_headers_that_are_none(text: str) -> None:
    """PGRST111: one header of text in each object, and no line breaks."""
    with pytest.raises(DatabaseError) as refused:
        said(REPLY, text, None)
    assert ("PGRST111", 500) == (refused.value.code, refused.value.status)


@pytest.mark.parametrize(("text", "status"), [("203", 203), ("418", 418), ("599", 599)])
def test_status(text: str, status: int) -> None:
    """The status is the function's."""
    assert status == said(REPLY, None, text).status


@pytest.mark.parametrize("text", ["bad", "99", "100", "600", "20000", "-200", "²00"])
def test_status_that_is_none(text: str) -> None:
    """PGRST112: only a status that ends a request."""
    with pytest.raises(DatabaseError) as refused:
        said(REPLY, None, text)
    assert "PGRST112" == refused.value.code
