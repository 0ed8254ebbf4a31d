"""Header lines to a mapping."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.errors import ConfigError, RequestError
from backstay.http.headers import KNOWN, READ, SINGLE, allowed_hosts, check_framing, check_host, is_host, read_headers
from backstay.http.limits import HttpLimits

LIMITS = HttpLimits()


def refusal(lines: list[tuple[bytes, bytes]]) -> str | None:
    """The code with which *lines* are refused, or ``None``."""
    try:
        read_headers(lines, LIMITS)
    except RequestError as error:
        return error.code
    return None


def test_repeated_lines_are_joined_in_order() -> None:
    """RFC 9110 §5.3: a comma between lines, a semicolon between cookies; other names keep their place."""
    lines = [(b"prefer", b"a"), (b"x", b"1"), (b"cookie", b"k=1"), (b"prefer", b"b"), (b"cookie", b"l=2")]
    assert {b"prefer": b"a, b", b"x": b"1", b"cookie": b"k=1; l=2"} == read_headers(lines, LIMITS)


@pytest.mark.parametrize("name", sorted(SINGLE))
@pytest.mark.parametrize("same", [True, False])
def test_single_headers_come_once(name: bytes, same: bool) -> None:
    """LM1: a second Host, Content-Length, Authorization and their like is refused, equal or not."""
    lines = [(name, b"1"), (b"accept", b"*/*"), (name, b"1" if same else b"2")]
    assert "BST400" == refusal(lines)
    assert refusal(lines[:2]) is None


@pytest.mark.parametrize("name", sorted(name for name in KNOWN if b"-" in name))
def test_underscore_twins_are_refused(name: bytes) -> None:
    """LM1: Content_Length is what a CGI-style neighbour reads as Content-Length; alone or beside the real one."""
    twin = name.replace(b"-", b"_")
    assert "BST400" == refusal([(twin, b"1")])
    assert "BST400" == refusal([(name, b"1"), (twin, b"1")])
    assert "BST400" == refusal([(name.replace(b"-", b"_", 1), b"1")])


def test_other_underscores_pass() -> None:
    """A header that nobody acts upon may be written with an underscore."""
    assert {b"my_header": b"1"} == read_headers([(b"my_header", b"1")], LIMITS)


@pytest.mark.parametrize(("count", "code"), [(100, None), (101, "BST431")])
@pytest.mark.parametrize("distinct", [True, False])
def test_header_count(count: int, code: str | None, distinct: bool) -> None:
    """LM1: 100 lines pass and 101 do not, of different names or of one."""
    assert code == refusal([(b"x%d" % (n if distinct else 0), b"") for n in range(count)])


@pytest.mark.parametrize(("extra", "code"), [(0, None), (1, "BST431")])
@pytest.mark.parametrize("names", [[b"a", b"b"], [b"a", b"a"], [b"a"]])
@pytest.mark.parametrize("in_name", [True, False])
def test_header_bytes(extra: int, code: str | None, names: list[bytes], in_name: bool) -> None:
    """LM1: 32 KiB as HTTP/1.1 writes them pass, one byte more does not, be it in a name or in a value."""
    lines = [(name, b"") for name in names]
    room = 32 * 1024 - sum(len(name) + 4 for name in names) + extra
    if in_name:
        room -= 4
        lines.append((b"n" * room, b""))
    else:
        lines[-1] = (names[-1], b"v" * room)
    assert code == refusal(lines)


@pytest.mark.parametrize("name", sorted(READ))
def test_what_is_read_piece_by_piece_is_short(name: bytes) -> None:
    """LM1, S5: 4 KiB of such a header pass, in one line or in several, and one byte more does not."""
    assert refusal([(name, b"v" * 4096)]) is None
    assert "BST431" == refusal([(name, b"v" * 4097)])
    if name not in SINGLE:
        assert refusal([(name, b"v" * 2047), (name, b"v" * 2047)]) is None
        assert "BST431" == refusal([(name, b"v" * 2047), (name, b"v" * 2048)])


@pytest.mark.parametrize("name", [b"cookie", b"authorization", b"user-agent", b"x-of-a-proxy"])
def test_other_headers_may_be_long(name: bytes) -> None:
    """Only the whole block bounds what is taken as it is."""
    assert refusal([(name, b"v" * 30_000)]) is None


@given(st.lists(st.tuples(st.sampled_from([b"a", b"b-c", b"x-y"]), st.binary(max_size=6)), max_size=20))
def test_nothing_is_lost(lines: list[tuple[bytes, bytes]]) -> None:
    """Every value sent is in the mapping, in its order, whichever way the lines were read."""
    joined = read_headers(lines, LIMITS)
    for name in {name for name, _ in lines}:
        assert joined[name] == b", ".join(value for key, value in lines if key == name)
    assert set(joined) == {name for name, _ in lines}


@pytest.mark.parametrize(
    "host",
    [b"a", b"api.example.org", b"a.b.", b"localhost:8000", b"127.0.0.1", b"[::1]", b"[2001:db8::1]:443", b"my_app:0"],
)
def test_good_hosts(host: bytes) -> None:
    """Names, addresses, trailing dots and container names with underscores are hosts."""
    assert is_host(host)


@pytest.mark.parametrize(
    "host",
    [
        b"",
        b" a",
        b"a ",
        b"a b",
        b"a,b",
        b"a:",
        b"a:b",
        b"a:65536",
        b"a:-1",
        b"a:1:2",
        b"[::1",
        b"::1",
        b"[::1]x",
        b"[::1]:",
        b"[::1]:70000",
        b"u@a",
        b"a/b",
        b"a?b",
        b"a#b",
        b"a\\b",
        b"a\x00",
        b"a\n",
        b"a\r\nx: y",
        b".a",
        "ä".encode(),
        b"a" * 300,
        b"%61",
        b"a:\xb2",
        b"[::::]",
        b"[1.2.3.4]",
        b"[::1.2.3]",
        b"[fe80::1%25eth0]",
        b"[]",
        b"a..b",
        b"a..",
        b"a" * 64,
    ],
)
def test_bad_hosts(host: bytes) -> None:
    """WB6: what no client sends as its Host is refused, so that no link is ever made from it."""
    assert not is_host(host)
    with pytest.raises(RequestError, match="BST400"):
        check_host(host, None)


@pytest.mark.parametrize(
    ("host", "allowed", "good"),
    [
        (b"a.example", {"a.example"}, True),
        (b"A.EXAMPLE.:80", {"a.example"}, True),
        (b"b.a.example", {".a.example"}, True),
        (b"a.example", {".a.example"}, False),
        (b"evila.example", {".a.example"}, False),
        (b"evila.example", {"a.example"}, False),
        (b"a.example.evil.net", {"a.example", ".a.example"}, False),
        (b"[::1]:8000", {"[::1]"}, True),
        (b"[::2]:8000", {"[::1]"}, False),
        (b"anything", set(), False),
        (b"[0:0:0:0:0:0:0:1]", {"[::1]"}, True),
        (b"[2001:DB8::1]:443", {"[2001:db8::1]"}, True),
        (b"[::1]", {".1]", "::1", "1"}, False),
        (b"127.0.0.1:9", {"127.0.0.1"}, True),
        (b"1.127.0.0.1", {"127.0.0.1"}, False),
        (b"a..a.example", {".a.example"}, False),
        (b".a.example", {".a.example"}, False),
        (b"c.b.a.example", {".a.example"}, True),
    ],
)
def test_allowed_hosts(host: bytes, allowed: set[str], good: bool) -> None:
    """WB6: literal names or suffixes; ports and case do not matter, prefixes and lookalikes do."""
    if good:
        check_host(host, frozenset(allowed))
    else:
        with pytest.raises(RequestError, match="BST400"):
            check_host(host, frozenset(allowed))


def test_the_public_url_is_allowed() -> None:
    """S12: a list without the host that links lead to stops the start; one with it, and none, do not."""
    assert None is allowed_hosts(None, "https://api.example.org")
    for names, url in (
        (["api.example.org"], None),
        ([".example.org"], "https://api.example.org:8443"),
        (["[::1]"], "http://[::1]:8000"),
    ):
        assert frozenset(names) == allowed_hosts(names, url)
    for names, url in ((["example.org"], "https://api.example.org"), ([".example.org"], "https://example.org")):
        with pytest.raises(ConfigError, match="BST-E515"):
            allowed_hosts(names, url)


@pytest.mark.parametrize(
    ("version", "code", "more"),
    [
        ("1.1", "BST400", {b"content-length": b"1"}),
        ("1.0", "BST400", {}),
        ("1.1", "BST415", {b"transfer-encoding": b"gzip, chunked"}),
        ("1.1", "BST415", {b"transfer-encoding": b"chunked, chunked"}),
        ("1.1", "BST415", {b"transfer-encoding": b""}),
    ],
)
def test_a_body_whose_end_is_in_doubt(version: str, code: str, more: dict[bytes, bytes]) -> None:
    """S10, LM1: a server that lets it through does not make us guess, and the connection is not used again."""
    with pytest.raises(RequestError, match=code) as caught:
        check_framing({b"transfer-encoding": b"chunked"} | more, version)
    assert (("connection", "close"),) == caught.value.headers
    assert caught.value.hint


def test_chunks() -> None:
    """LM1: they are HTTP/1.1's, in any case."""
    check_framing({b"transfer-encoding": b"Chunked "}, "1.1")
