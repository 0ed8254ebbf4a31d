"""TH7: the client's address comes from the socket, or from proxies that are trusted, and from nothing else."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from backstay.http.client import bucket, client_address
from backstay.proxies import MAX_HOPS, Proxies

ME, EVIL, PROXY = "192.0.2.7", "6.6.6.6", "10.0.0.1"
NONE, ONE, TWO, NETS = "0", "1", "2", "10.0.0.0/8,2001:db8:ffff::/48,127.0.0.1"

# Trusted proxies, peer of the socket, X-Forwarded-For, and whom it is counted as.
CASES: list[tuple[str, str | None, str | None, str | None]] = [
    # Nobody is trusted: the header is the client's own.
    (NONE, ME, None, ME),
    (NONE, ME, EVIL, ME),
    (NONE, ME, f"{EVIL}, {EVIL}", ME),
    (NONE, "127.0.0.1", EVIL, "127.0.0.1"),
    (NONE, "2001:db8::1", EVIL, "2001:db8::1"),
    (NONE, "::1", None, "::1"),
    # A peer that is no proxy is the client, whatever it says.
    (NETS, ME, None, ME),
    (NETS, ME, EVIL, ME),
    (NETS, ME, "10.0.0.5", ME),
    (NETS, ME, f"{EVIL}, 10.0.0.1", ME),
    (NETS, "11.0.0.1", EVIL, "11.0.0.1"),
    (NETS, "2001:db8:fffe::1", EVIL, "2001:db8:fffe::1"),
    # Behind trusted proxies: the first from the right that is none of them.
    (NETS, PROXY, ME, ME),
    (NETS, PROXY, f"{EVIL}, {ME}", ME),
    (NETS, PROXY, f"10.0.0.9, {ME}", ME),
    (NETS, PROXY, f"127.0.0.1, {ME}", ME),
    (NETS, PROXY, f"{EVIL}, {ME}, 10.0.0.2", ME),
    (NETS, PROXY, f"{EVIL},{ME},10.0.0.2,10.0.0.3", ME),
    (NETS, "127.0.0.1", f"{EVIL}\t,\t{ME} ", ME),
    (NETS, "2001:db8:ffff::9", ME, ME),
    (NETS, "::ffff:10.0.0.1", ME, ME),
    (NETS, PROXY, f"{ME}, ::ffff:10.0.0.2", ME),
    (NETS, PROXY, "2001:db8::7", "2001:db8::7"),
    (NETS, PROXY, f"{EVIL}, 2001:db8::7, 2001:db8:ffff::1", "2001:db8::7"),
    # The client is one of the proxies, or a proxy says nothing.
    (NETS, PROXY, "10.0.0.2", "10.0.0.2"),
    (NETS, PROXY, None, PROXY),
    (NETS, PROXY, "", PROXY),
    (NETS, PROXY, " ", PROXY),
    # Forms that proxies write.
    (NETS, PROXY, f"{ME}:5678", ME),
    (NETS, PROXY, "[2001:db8::7]:5678", "2001:db8::7"),
    (NETS, PROXY, "[2001:db8::7]", "2001:db8::7"),
    (NETS, PROXY, "::ffff:192.0.2.7", ME),
    (NETS, PROXY, "fe80::1%eth0", "fe80::1"),
    # What is no address is not skipped to what the client wrote before it.
    (NETS, PROXY, "unknown", None),
    (NETS, PROXY, f"{EVIL}, unknown", None),
    (NETS, PROXY, f"{EVIL}, _hidden", None),
    (NETS, PROXY, f"{EVIL}, ", None),
    (NETS, PROXY, f"{EVIL},,10.0.0.2", None),
    (NETS, PROXY, "192.0.2.007", None),
    (NETS, PROXY, "192.0.2", None),
    (NETS, PROXY, "3221225991", None),
    (NETS, PROXY, "0xC0000207", None),
    (NETS, PROXY, "192.0.2.7.", None),
    (NETS, PROXY, "192.0.2.256", None),
    (NETS, PROXY, "192.0.2.7:", None),
    (NETS, PROXY, "192.0.2.7 10.0.0.1", None),
    (NETS, PROXY, "١٩٢.0.2.7", None),
    (NETS, PROXY, '"192.0.2.7"', None),
    (NETS, PROXY, f"for={ME}", None),
    (NETS, PROXY, "localhost", None),
    (NETS, PROXY, "::1\x00", None),
    (NETS, PROXY, f"{EVIL}; {ME}", None),
    # A way through more proxies than there are is somebody who plays in the network of the proxies.
    (NETS, PROXY, ", ".join([ME] + ["10.0.0.2"] * MAX_HOPS), None),
    (NETS, PROXY, ", ".join([ME] + ["10.0.0.2"] * (MAX_HOPS - 1)), ME),
    # A count: so many from the right.
    (ONE, PROXY, ME, ME),
    (ONE, PROXY, f"{EVIL}, {ME}", ME),
    (ONE, PROXY, f"{EVIL}, {EVIL}, {ME}:80", ME),
    (ONE, PROXY, None, PROXY),
    (ONE, PROXY, f"{EVIL}, unknown", None),
    (TWO, PROXY, f"{ME}, 10.0.0.2", ME),
    (TWO, PROXY, f"{EVIL}, {ME}, 203.0.113.8", ME),
    (TWO, PROXY, EVIL, None),
    (TWO, PROXY, None, PROXY),
    (TWO, PROXY, f"{EVIL}, , 10.0.0.2", None),
    # A Unix socket has no address: it is trusted only by name.
    (NONE, None, EVIL, None),
    (NETS, None, EVIL, None),
    (NETS, "", EVIL, None),
    (f"{NETS},unix", None, f"{EVIL}, {ME}", ME),
    (f"{NETS},unix", "", f"{EVIL}, {ME}, 10.0.0.2", ME),
    (f"{NETS},unix", "testclient", ME, None),
    (f"{NETS},unix", None, None, None),
    ("unix", ME, EVIL, ME),
    (ONE, None, f"{EVIL}, {ME}", ME),
    (ONE, "testclient", None, None),
]


@pytest.mark.parametrize(("trusted", "peer", "forwarded", "expected"), CASES)
def test_the_address_of_the_client(trusted: str, peer: str | None, forwarded: str | None, expected: str | None) -> None:
    """TH7: no header moves a client out of its bucket."""
    found = client_address(peer, forwarded, Proxies.parse(trusted))
    assert (ip_address(expected) if expected else None) == found


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::1", "::/64"),
        (None, "unknown"),
    ],
)
def test_a_network_is_one_client(address: str | None, expected: str) -> None:
    """TH1: IPv6 by /64; TH7: who is not known shares one bucket."""
    assert expected == bucket(ip_address(address) if address else None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-1",
        "33",
        "100",
        "1,2",
        "x",
        "10.0.0.1/8",
        "0.0.0.0/0",
        "::/0",
        "0.0.0.0/1",
        "0.0.0.0/1, 128.0.0.0/1",
        "10.0.0.0/7",
        "10.0.0.0/8,11.0.0.0/8",
        "2000::/3",
        "::/1,8000::/1",
        "unix, 0.0.0.0/0",
        "::ffff:0.0.0.0/0",
        "proxy.example.org",
        "10.0.0.0/33",
        "10.0.0.0/8,",
        "10.0.0.0/8 127.0.0.1",
        "*",
        "Unix",
    ],
)
def test_what_names_no_proxy_is_refused(text: str) -> None:
    """A typing error does not make everybody a proxy."""
    with pytest.raises(ValueError, match=r".+"):
        Proxies.parse(text)
