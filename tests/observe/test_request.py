"""Each request has an id of its own, or the one it brought."""

from __future__ import annotations

import pytest

from backstay.observe import REQUEST_ID, RequestIds


def test_an_id_is_made() -> None:
    """16 hexadecimal digits, each time others."""
    ids = RequestIds()
    made = {ids.begin(None) for _ in range(1000)}
    assert (1000, {16}) == (len(made), {len(id) for id in made})
    assert REQUEST_ID.get() in {id.decode() for id in made}
    assert RequestIds().begin(None) not in made


@pytest.mark.parametrize("given", [b"a", b"0a1b-2c", b"trace:1/2+3=", b"x" * 128])
def test_a_given_id_is_kept(given: bytes) -> None:
    """What a proxy called the request is what the operator will look for."""
    assert (given, given.decode()) == (RequestIds().begin(given), REQUEST_ID.get())


@pytest.mark.parametrize("given", [b"", b"x" * 129, b"a b", b"a, b", b"a\x1b[1m", b"a\n", b"\xe9", b'"a"', b"<a>"])
def test_what_is_malformed_is_replaced(given: bytes) -> None:
    """LG2: nobody writes into the log or the answer by it."""
    assert given != RequestIds().begin(given)
