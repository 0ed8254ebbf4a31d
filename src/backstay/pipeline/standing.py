"""What of a caller an answer may depend on: what has to be equal before one caller is shown what another one got.

1. Rules read the id, the roles, the assurance level and claims; which API key it is, and whether it may write,
   decides too.
2. Of the claims those count that some rule reads.  A function may read any: then all count but those that are new in
   each token, so that a request may be repeated after the session was refreshed.
3. A token without an account is known by all that it says.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.sql import visitors

from backstay.policy import ANON, MeParameter, Principal, Rule, fact_of

#: Claims of a token rather than of its bearer (RFC 7519 §4.1).
_PASSING: Final = frozenset(("exp", "iat", "nbf", "jti"))


@dataclass(frozen=True, slots=True)
class Standing:
    """*sources* are the claims that rules read, as `MeParameter` names them."""

    sources: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def under(cls, rules: Iterable[Rule]) -> Standing:
        """What counts under *rules*."""
        found = {
            element.me_source
            for rule in rules
            for element in visitors.iterate(rule.rows)
            if isinstance(element, MeParameter) and element.me_source[0] == "claim"
        }
        return cls(tuple(sorted(found)))

    def of(self, who: Principal, *, every_claim: bool = False) -> list[Any]:
        """The facts about *who*, as values that JSON can hold.

        >>> Standing().of(Principal("authenticated", "7", claims={"org": 1, "exp": 2}), every_claim=True)
        ['authenticated', [], '7', None, False, None, [['org', 1]]]
        """
        if who.id is None:
            claims = sorted(who.claims.items())
        elif every_claim:
            claims = sorted((name, value) for name, value in who.claims.items() if name not in _PASSING)
        else:
            claims = [(".".join(source), fact_of(source)(who)) for source in self.sources]
        told: list[Any] = [[name, value] for name, value in claims]
        return [who.role, sorted(who.roles), who.id, who.aal, who.read_only, who.claims.get("key_id"), told]


def is_nobody(who: Principal) -> bool:
    """Whether nothing tells *who* from others: no account, and the role that everybody has."""
    return who.id is None and who.role == ANON
