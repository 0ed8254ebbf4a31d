"""Where the app may send requests (SR1)."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from backstay.adapters.httpx2.guard import check_addresses, parse_target
from backstay.outbound import OutboundError

GOOD = [
    ("https://login.example.org", "login.example.org", 443, "/"),
    ("https://login.example.org/", "login.example.org", 443, "/"),
    ("https://LOGIN.Example.org/Token?a=b&c=%20", "login.example.org", 443, "/Token?a=b&c=%20"),
    ("https://login.example.org:443/x", "login.example.org", 443, "/x"),
    ("https://login.example.org./x", "login.example.org", 443, "/x"),
    ("https://xn--bcher-kva.example/x", "xn--bcher-kva.example", 443, "/x"),
    ("https://8.8.8.8/x", "8.8.8.8", 443, "/x"),
    ("https://[2606:4700:4700::1111]/x", "2606:4700:4700::1111", 443, "/x"),
    ("https://[::ffff:8.8.8.8]/x", "::ffff:8.8.8.8", 443, "/x"),
    ("https://a.b-c.d1.example.org/~x;y", "a.b-c.d1.example.org", 443, "/~x;y"),
    ("https://host.example.org?x=//10.0.0.1/", "host.example.org", 443, "/?x=//10.0.0.1/"),
]

BAD = [
    # not https
    "http://login.example.org/", "ftp://login.example.org/", "file:///etc/passwd", "gopher://login.example.org/",
    "//login.example.org/", "login.example.org", "https:login.example.org", "https:///x", "https://", "", "javascript:1",
    # other readers find another host in it
    "https://user@login.example.org/", "https://user:p@login.example.org/", "https://login.example.org@10.0.0.1/",
    "https://login.example.org\\@10.0.0.1/", "https://login.example.org/\\x", "https://login.example.org/#x",
    "https://login.example.org /", " https://login.example.org/", "https://login.example.org/\r\nHost: x",
    "https://login.example.org\t/", "https://login.example.org\x00.evil.example/", "https://bücher.example/",
    "https://①②⑦.⓪.⓪.①/", "https://login。example.org/", "https://login.example.org:443:80/", "https://login..example.org/",
    "https://-login.example.org/", "https://login_x.example.org/", "https://login.example.org%2f.evil.example/",
    "https://login.example.org%00/", "https://[::1/", "https://[v1.x]/", "https://[fe80::1%25eth0]/", "https://" + "a" * 5000,
    "https://" + "a" * 64 + ".example.org/",
    # ports
    "https://login.example.org:80/", "https://login.example.org:8443/", "https://login.example.org:22/",
    "https://login.example.org:0/", "https://login.example.org:99999/", "https://login.example.org:/",
    "https://login.example.org:x/",
    # addresses that are not public, however they are written
    "https://127.0.0.1/", "https://127.1/", "https://2130706433/", "https://0x7f000001/", "https://0x7f.0.0.1/",
    "https://0177.0.0.1/", "https://127.0.0.01/", "https://0/", "https://0.0.0.0/", "https://10.0.0.1/", "https://10.1/",
    "https://172.16.0.1/", "https://172.31.255.255/", "https://192.168.1.1/", "https://100.64.0.1/", "https://169.254.1.1/",
    "https://198.18.0.1/", "https://192.0.2.1/", "https://203.0.113.1/", "https://224.0.0.1/", "https://240.0.0.1/",
    "https://255.255.255.255/", "https://1.2.3/", "https://1.2.3.4.5/", "https://256.1.1.1/", "https://0.1.2.3/",
    "https://[::1]/", "https://[::]/", "https://[fe80::1]/", "https://[fc00::1]/", "https://[fd12:3456::1]/",
    "https://[ff02::1]/", "https://[2001:db8::1]/", "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/",
    "https://[::ffff:10.0.0.1]/", "https://[::127.0.0.1]/", "https://[::10.0.0.1]/", "https://[2002:7f00:1::]/",
    "https://[2002:a00:1::1]/", "https://[64:ff9b::7f00:1]/", "https://[64:ff9b::10.0.0.1]/", "https://[64:ff9b:1::1]/",
    "https://192.0.0.1/", "https://192.88.99.1/", "https://[3fff::1]/", "https://[5f00::1]/",
    "https://[2001:0:7f00:1::1]/", "https://[2001:0:808:808:0:0:f5ff:fffe]/", "https://[2606:4700::5efe:10.0.0.1]/",
    # clouds
    "https://169.254.169.254/", "https://[fd00:ec2::254]/", "https://metadata.google.internal/", "https://metadata/",
    "https://METADATA.google.internal./", "https://168.63.129.16/", "https://100.100.100.200/",
    "https://instance-data.ec2.internal/", "https://[::ffff:169.254.169.254]/", "https://[64:ff9b::a9fe:a9fe]/",
    # names of this network
    "https://localhost/", "https://localhost./", "https://x.localhost/", "https://printer.local/", "https://db.internal/",
    "https://router.lan/", "https://intranet/", "https://x.home.arpa/",
]  # fmt: skip


@pytest.mark.parametrize(("url", "host", "port", "rest"), GOOD)
def test_a_public_host(url: str, host: str, port: int, rest: str) -> None:
    """https to a name or a public address, as it stands (SR1)."""
    target = parse_target(url)
    assert ("https", host, port, rest) == (target.scheme, target.host, target.port, target.rest)


@pytest.mark.parametrize("url", BAD)
def test_nowhere_else(url: str) -> None:
    """Everything else is refused before a name is resolved (SR1)."""
    with pytest.raises(OutboundError):
        parse_target(url)


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://keycloak.internal/", True),
        ("https://keycloak:8443/", True),
        ("https://10.0.0.7:8443/", True),
        ("https://[fd12:3456::1]/", True),
        ("https://127.0.0.1:8443/", True),
        ("https://localhost:8443/", True),
        ("http://keycloak.internal/", False),
        ("http://127.0.0.1/", False),
        ("https://169.254.169.254/", False),
        ("https://metadata.google.internal/", False),
        ("https://[fd00:ec2::254]/", False),
        ("https://168.63.129.16/", False),
        ("https://0.0.0.0/", False),
        ("https://224.0.0.1/", False),
        ("https://[::ffff:169.254.169.254]/", False),
        ("https://2130706433/", False),
    ],
)
def test_what_an_operator_may_allow(url: str, allowed: bool) -> None:
    """A private provider, by https; never where clouds keep credentials."""
    if allowed:
        assert url.startswith(f"https://{parse_target(url, private=True).authority}")
    else:
        with pytest.raises(OutboundError):
            parse_target(url, private=True)


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://127.0.0.1:3000/", True),
        ("http://localhost:3000/", True),
        ("http://[::1]:3000/", True),
        ("http://localhost/", True),
        ("https://localhost:3000/", True),
        ("http://login.example.org/", False),
        ("http://10.0.0.1/", False),
        ("https://10.0.0.1/", False),
        ("http://127.0.0.1.example.org/", False),
        ("http://localhost.example.org/", False),
        ("http://0.0.0.0:3000/", False),
    ],
)
def test_a_desk(url: str, allowed: bool) -> None:
    """http to this machine, and nothing else that is not public."""
    if allowed:
        assert parse_target(url, loopback=True).loopback
    else:
        with pytest.raises(OutboundError):
            parse_target(url, loopback=True)


@pytest.mark.parametrize(
    ("addresses", "options", "allowed"),
    [
        (["8.8.8.8", "2606:4700::1"], {}, True),
        (["8.8.8.8", "10.0.0.1"], {}, False),
        (["8.8.8.8", "::1"], {}, False),
        ([], {}, False),
        (["10.0.0.1"], {"private": True}, True),
        (["10.0.0.1", "169.254.169.254"], {"private": True}, False),
        (["127.0.0.1", "::1"], {"loopback": True}, True),
        (["127.0.0.1", "8.8.8.8"], {"loopback": True}, False),
        (["2002:808:808::1"], {}, True),
        (["64:ff9b::808:808"], {}, True),
        (["64:ff9b::a00:1"], {}, False),
    ],
)
def test_every_address_is_judged(addresses: list[str], options: dict[str, bool], allowed: bool) -> None:
    """One that may not be asked is enough to refuse the host (SR1)."""
    found = [ip_address(text) for text in addresses]
    if allowed:
        assert tuple(found) == tuple(check_addresses(found, **options))
    else:
        with pytest.raises(OutboundError):
            check_addresses(found, **options)
