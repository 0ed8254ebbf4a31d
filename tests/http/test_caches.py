"""What is remembered by what a client writes is short, however long that is (S11)."""

from __future__ import annotations

import pytest

from backstay.adapters.sqlite import matching
from backstay.http import client, headers
from backstay.proxies import Proxies


def test_long_hosts_are_not_remembered() -> None:
    """A host has at most 261 letters."""
    before = headers._is_known.cache_info().currsize
    assert [False] * 20 == [headers.is_host(b"a" * (262 + n)) for n in range(20)]
    assert before == headers._is_known.cache_info().currsize


def test_long_hops_are_not_remembered() -> None:
    """What no proxy writes is no address."""
    proxies = Proxies.parse("10.0.0.0/8")
    client.client_address("10.0.0.1", None, proxies)
    before = client._known.cache_info().currsize
    for n in range(20):
        assert client.client_address("10.0.0.1", "1" * (101 + n), proxies) is None
    assert before == client._known.cache_info().currsize


@pytest.mark.parametrize("text", ["a" * 5000, "*" * 5000, "?" * 5000])
def test_long_patterns_are_matched_all_the_same(text: str) -> None:
    """Those that a rule takes from rows are longer than what is remembered."""
    assert 1 == matching.glob("a" * 5000, text)
    assert text.replace("*", "[*]").replace("?", "[?]") == matching.like_glob(text, "/", "", "")
