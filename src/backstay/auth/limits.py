"""How often what may be done: the limits of accounts as data, and how an operator changes them.

A limit is a bucket: *count* at once, and one more for every *seconds* / *count* that pass.  GoTrue's limits of the same
numbers work like this too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

#: What is counted: an address of the network, an account's name (whether or not it exists), or everything together.
Scope: TypeAlias = Literal["ip", "identifier", "project"]

REQUESTS: Final = "over_request_rate_limit"
MAILS: Final = "over_email_send_rate_limit"


@dataclass(frozen=True, slots=True)
class Limit:
    """*count* at once, then one for every ``seconds / count``."""

    count: int
    seconds: int
    scope: Scope
    #: The error code past it.
    code: str = REQUESTS

    @property
    def step_micros(self) -> int:
        """Microseconds in which room for one more comes."""
        return max(1, self.seconds * 1_000_000 // self.count)


#: Every limit by name; ``docs/reference/limits.md`` has a row for each.
LIMITS: Final[Mapping[str, Limit]] = MappingProxyType(
    {
        "signin": Limit(10, 60, "ip"),
        "signup": Limit(30, 300, "ip"),
        "anonymous": Limit(30, 3600, "ip"),
        "refresh": Limit(150, 300, "ip"),
        "verify": Limit(30, 300, "ip"),
        "otp": Limit(30, 300, "ip"),
        "factor": Limit(15, 60, "ip"),
        "challenge": Limit(60, 60, "ip"),
        "oauth": Limit(30, 300, "ip"),
        "mail": Limit(30, 3600, "project", MAILS),
        "mail_address": Limit(1, 60, "identifier", MAILS),
        "mail_address_hour": Limit(10, 3600, "identifier", MAILS),
    }
)

#: The name under which the lock of one account after failures is switched off.
ACCOUNT: Final = "account"

_RATE: Final = re.compile(r"([1-9]\d{0,6})/([1-9]\d{0,6})")


@dataclass(frozen=True, slots=True)
class RateLimits:
    """The limits in force: those without an entry are off."""

    limits: Mapping[str, Limit] = field(default_factory=lambda: LIMITS)
    #: Whether failures lock an account for a while, see `throttle`.
    locks: bool = True

    @property
    def off(self) -> bool:
        """Nothing is limited: for tests and a desk only."""
        return not self.limits and not self.locks


def parse_limits(text: str) -> RateLimits:
    """Read what an operator set: ``off``, or a JSON object of names and ``count/seconds`` or ``off``.

    >>> parse_limits('{"mail": "500/3600", "anonymous": "off"}').limits["mail"].count
    500
    >>> parse_limits('{"mails": "500/3600"}')
    Traceback (most recent call last):
    ValueError: there is no limit 'mails'

    Raises:
        ValueError: for anything else.
    """
    if text.strip() == "off":
        return RateLimits(MappingProxyType({}), locks=False)
    try:
        given = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(given, dict):
        raise ValueError("not a JSON object")
    limits, locks = dict(LIMITS), True
    for name, rate in given.items():
        if name == ACCOUNT and rate == "off":
            locks = False
            continue
        if name not in LIMITS:
            raise ValueError(f"there is no limit {name!r}")
        found = _RATE.fullmatch(rate) if isinstance(rate, str) else None
        if rate == "off":
            del limits[name]
        elif found is None:
            raise ValueError(f"{name!r} is not like 30/3600")
        else:
            limits[name] = Limit(int(found[1]), int(found[2]), LIMITS[name].scope, LIMITS[name].code)
    return RateLimits(MappingProxyType(limits), locks)
