"""Where the app may send requests (SR1): judged by the URL first, then by every address that its host has.

1. https on its own port, and nothing in the URL that two parsers read differently.
2. A host is resolved once.  Every address must be public, also the one that another address carries inside (mapped,
   6to4, NAT64, Teredo); the connection is made to a checked address, so that a second answer of the resolver counts
   for nothing.
3. An operator may allow private addresses for one call, and a desk has http on its loopback.  Where clouds keep their
   credentials nobody goes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from backstay.outbound import OutboundError

Address: TypeAlias = IPv4Address | IPv6Address

MAX_URL_CHARS: Final = 4096

_STRANGE: Final = re.compile(r"[^!-~]|[\\\"<>^`{|}]")
_HOST: Final = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
_NUMBER: Final = re.compile(r"\d+|0x[0-9a-f]*")
#: Names that mean this machine or this network to most resolvers.
_LOCAL: Final = ("localhost", "local", "internal", "lan", "home", "intranet", "private", "home.arpa", "localdomain")
_METADATA_NAMES: Final = frozenset(
    {"metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"}
)
#: Link-local is refused as a whole; these are elsewhere.  168.63.129.16 is public by its number.
_METADATA: Final = frozenset(
    ip_address(text) for text in ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254")
)
_NAT64: Final = IPv6Network("64:ff9b::/96")
#: Networks of special use that some versions of `ipaddress` call global (IANA's registries, RFC 6890).
_SPECIAL: Final = tuple(
    ip_network(text)
    for text in ("192.0.0.0/24", "192.88.99.0/24", "64:ff9b:1::/48", "2001:2::/48", "3fff::/20", "5f00::/16")
)
_COMPATIBLE: Final = IPv6Network("::/96")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL leads.  *address* is set where the host is a literal; *loopback*: nothing but loopback will do."""

    scheme: str
    host: str
    port: int
    #: Path and query, as they stand.
    rest: str
    address: Address | None = None
    loopback: bool = False

    @property
    def authority(self) -> str:
        """The ``Host`` of the request."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == {"http": 80, "https": 443}[self.scheme] else f"{host}:{self.port}"


def parse_target(url: str, *, private: bool = False, loopback: bool = False) -> Target:
    """Read *url* as this room's only reader of it.

    *private* also lets in private hosts and other ports, *loopback* http where the host is this machine.

    >>> parse_target("https://login.example.org/token?x=1").rest
    '/token?x=1'
    >>> parse_target("https://0x7f.1/")
    Traceback (most recent call last):
    backstay.outbound.OutboundError: the host is a number

    Raises:
        OutboundError: it is not one that the app may ask.
    """
    if len(url) > MAX_URL_CHARS or _STRANGE.search(url):
        raise OutboundError("the URL has characters that none may have")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise OutboundError("the URL is malformed") from None
    if "@" in parts.netloc or parts.fragment or port == 0 or parts.netloc.endswith(":"):
        raise OutboundError("the URL has a user, a fragment or a port that it may not have")
    host = (parts.hostname or "").removesuffix(".")
    address = _literal(host, bracketed=parts.netloc.startswith("["))
    here = host == "localhost" or (address is not None and address.is_loopback)
    desk = loopback and here
    if parts.scheme != "https" and not (parts.scheme == "http" and desk):
        raise OutboundError("the URL is not https")
    if host in _METADATA_NAMES:
        raise OutboundError("the host has credentials of the cloud")
    if not (private or desk):
        if port not in (None, 443):
            raise OutboundError("the port is not that of https")
        if any(host == name or host.endswith(f".{name}") for name in _LOCAL) or (address is None and "." not in host):
            raise OutboundError("the host is on the private network")
    if address is not None:
        check_addresses([address], private=private or desk)
    rest = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(
        parts.scheme, host, port or (443 if parts.scheme == "https" else 80), rest, address, desk and not private
    )


def _literal(host: str, *, bracketed: bool) -> Address | None:
    if bracketed:
        try:
            if "%" in host:
                raise ValueError
            return ip_address(host)
        except ValueError:
            raise OutboundError("the host is malformed") from None
    if not _HOST.fullmatch(host):
        raise OutboundError("the host is malformed")
    if not _NUMBER.fullmatch(host.rpartition(".")[2]):
        return None
    try:
        # 2130706433, 0x7f.1 and 0177.0.0.1 are addresses to some resolvers; only four decimal numbers are to us.
        return IPv4Address(host)
    except ValueError:
        raise OutboundError("the host is a number") from None


def check_addresses(
    addresses: Iterable[Address], *, private: bool = False, loopback: bool = False
) -> Sequence[Address]:
    """*addresses* if every one of them may be asked; *loopback* takes none but loopback.

    Raises:
        OutboundError: one may not, or there is none.
    """
    found = tuple(addresses)
    if not found:
        raise OutboundError("the host has no address")
    for address in found:
        for inner in carried(address):
            refused = (
                inner.is_multicast
                or inner.is_unspecified
                or inner.is_link_local
                or inner in _METADATA
                or (loopback and not inner.is_loopback)
                or not (private or loopback or (inner.is_global and not any(inner in net for net in _SPECIAL)))
                # 0.0.0.0/8 and the like: this network, whatever that is.
                or (inner.version == 4 and int(inner) >> 24 == 0)
            )
            if refused:
                raise OutboundError("the host has an address that is not public")
    return found


def carried(address: Address) -> tuple[Address, ...]:
    """*address* and what it carries: a mapped one is the other, a tunnel's ends are both.

    >>> [str(inner) for inner in carried(ip_address("::ffff:10.0.0.1"))]
    ['10.0.0.1']
    >>> [str(inner) for inner in carried(ip_address("2002:a00:1::"))]
    ['2002:a00:1::', '10.0.0.1']
    """
    if isinstance(address, IPv4Address):
        return (address,)
    if address.scope_id is not None:
        raise OutboundError("the address has a zone")
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address in _COMPATIBLE and int(address) > 1:
        return (IPv4Address(int(address)),)
    inside: list[Address] = [address]
    if address in _NAT64:
        inside.append(IPv4Address(int(address) & 0xFFFFFFFF))
    if address.sixtofour is not None:
        inside.append(address.sixtofour)
    if address.teredo is not None:
        inside += address.teredo
    if (int(address) >> 32) & 0xFCFFFFFF == 0x5EFE:
        # ISATAP: an IPv4 address in the interface's number.
        inside.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return tuple(inside)
