"""The proxies in front of a server whose word about a client counts (TH7): a value that an operator sets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, collapse_addresses, ip_network
from typing import Final, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

#: A longer way through trusted proxies than anybody has.
MAX_HOPS: Final = 32
#: A proxy on the same machine that connects by a Unix socket has no address to name it by.
UNIX: Final = "unix"
#: What all clients are counted as whose address is not known: one bucket, never none.
UNKNOWN: Final = "unknown"

_COUNT: Final = re.compile(r"[0-9]{1,2}")
#: The shortest prefix of a network of proxies: those of 10.0.0.0/8 and fc00::/7.  What is wider is the Internet.
_SHORTEST: Final = {4: 8, 6: 7}


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxies whose word counts: so many in a row, or those in *networks*.

    A *count* is right only where nobody can reach the server but through that many proxies.
    """

    count: int = 0
    networks: tuple[Network, ...] = ()
    #: Whether a peer without an address, at a Unix socket, is one of them.
    unix: bool = False

    @classmethod
    def parse(cls, text: str) -> Proxies:
        """Read a count, or addresses, networks and ``unix`` separated by commas.

        >>> Proxies.parse("2").count, Proxies.parse("10.0.0.0/8, unix").unix
        (2, True)
        >>> str(Proxies()), str(Proxies.parse("unix,10.0.0.0/8"))
        ('0', '10.0.0.0/8, unix')

        Raises:
            ValueError: for anything else, a network with host bits, and networks that are wider, by themselves or
                together, than private ones.
        """
        text = text.strip()
        if _COUNT.fullmatch(text):
            if int(text) > MAX_HOPS:
                raise ValueError("more proxies than anybody has")
            return cls(count=int(text))
        parts = [part.strip() for part in text.split(",")]
        networks = tuple(ip_network(part) for part in parts if part != UNIX)
        if any(network.prefixlen < _SHORTEST[network.version] for network in _together(networks)):
            raise ValueError("everybody would be a proxy")
        return cls(networks=networks, unix=UNIX in parts)

    def __str__(self) -> str:
        """As it is written in the setting."""
        return ", ".join([*map(str, self.networks), *([UNIX] if self.unix else [])]) or str(self.count)

    @property
    def from_elsewhere(self) -> bool:
        """Whether one of them may come from another machine: what listens for it has a proxy in front."""
        return bool(self.count) or any(not network.is_loopback for network in self.networks)

    def trusts(self, hop: Address | None) -> bool:
        """Whether *hop* is one of *networks*; ``None`` is a peer without an address."""
        if hop is None:
            return self.unix
        return any(hop in network for network in self.networks)


def _together(networks: tuple[Network, ...]) -> list[Network]:
    """*networks* with those that lie beside each other as one."""
    four = [network for network in networks if isinstance(network, IPv4Network)]
    six = [network for network in networks if isinstance(network, IPv6Network)]
    return [*collapse_addresses(four), *collapse_addresses(six)]
