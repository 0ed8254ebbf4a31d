"""Who is at the other end: the address that limits count, and that the audit writes down (TH7).

Rules of this file:

1. The address of the socket is the truth, unless it is a proxy that the operator named.
2. ``X-Forwarded-For`` is read from the right, where the nearest proxy wrote, and only as far as trusted proxies wrote
   it: whatever stands left of that is what the client says about itself.
3. No other header is read.  A proxy sets one of them and passes on the rest, so ``Forwarded`` or ``X-Real-IP`` beside
   it may be the client's.
4. What cannot be known is the one shared bucket `UNKNOWN`, never no bucket.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

from backstay.proxies import MAX_HOPS, UNKNOWN, Address, Proxies

#: Who has one IPv6 address has the 2⁶⁴ beside it as well.
BUCKET_BITS: Final = 64
#: Letters of an address in brackets, with a port and a zone.
_LONGEST: Final = 100
#: An address as proxies write it: bare, or with a port, IPv6 then in brackets.
_HOP: Final = re.compile(r"\[([0-9A-Fa-f:.]{2,45})\](?::[0-9]{1,5})?|([0-9]{1,3}(?:\.[0-9]{1,3}){3}):[0-9]{1,5}")


def client_address(peer: str | None, forwarded: str | None, proxies: Proxies) -> Address | None:
    """The address of the client, ``None`` where it cannot be known.

    Args:
        peer: the address of the socket, ``scope["client"][0]``.
        forwarded: the ``X-Forwarded-For`` lines of the request, joined with commas in their order.

    >>> proxies = Proxies.parse("10.0.0.0/8")
    >>> client_address("10.0.0.1", "6.6.6.6, 192.0.2.7", proxies)
    IPv4Address('192.0.2.7')
    >>> client_address("192.0.2.7", "6.6.6.6", proxies)
    IPv4Address('192.0.2.7')
    """
    socket = _read(peer or "")
    hops = [hop.strip(" \t") for hop in forwarded.split(",")] if forwarded and forwarded.strip(" \t") else []
    if proxies.count:
        if not hops:
            return socket
        # Fewer hops than proxies: somebody came another way, and wrote all of this.
        return _read(hops[-proxies.count]) if len(hops) >= proxies.count else None
    if not proxies.trusts(socket) or (socket is None and peer):
        return socket
    found = socket
    for number, hop in enumerate(reversed(hops)):
        found = _read(hop)
        if found is None or number >= MAX_HOPS:
            # A proxy wrote what is no address, "unknown" perhaps.  What stands left of it is no more certain.
            return None
        if not proxies.trusts(found):
            return found
    return found


def bucket(address: Address | None) -> str:
    """What limits count *address* as: itself, or its /64 network for IPv6.

    >>> bucket(ip_address("192.0.2.7")), bucket(ip_address("2001:db8::1")), bucket(None)
    ('192.0.2.7', '2001:db8::/64', 'unknown')
    """
    if address is None:
        return UNKNOWN
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((int(address) >> BUCKET_BITS << BUCKET_BITS, 128 - BUCKET_BITS)))


def _read(text: str) -> Address | None:
    """An address as a socket or a proxy writes it; IPv4 inside of IPv6 is IPv4, and a zone is no part of it."""
    return _known(text) if len(text) <= _LONGEST else None


@lru_cache(maxsize=1024)
def _known(text: str) -> Address | None:
    found = _HOP.fullmatch(text)
    bare = (found[1] or found[2]) if found else text.partition("%")[0]
    try:
        address = ip_address(bare)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def addressing(proxies: Proxies) -> Callable[[str, Mapping[bytes, bytes]], tuple[str, str]]:
    """A function from a socket's peer and the request's headers to the client's address, and its `bucket`."""

    def told(peer: str, forwarded: str | None) -> tuple[str, str]:
        found = client_address(peer or None, forwarded, proxies)
        return UNKNOWN if found is None else str(found), bucket(found)

    # Sockets' addresses are short, and come again and again; what clients write is neither.
    direct = lru_cache(1024)(lambda peer: told(peer, None))

    def address(peer: str, headers: Mapping[bytes, bytes]) -> tuple[str, str]:
        forwarded = headers.get(b"x-forwarded-for")
        return direct(peer) if forwarded is None else told(peer, forwarded.decode("latin-1"))

    return address
