"""Who asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

#: The three roles that every app has.  An app may name more; a token's ``role`` claim asks for one.
ANON: Final = "anon"
AUTHENTICATED: Final = "authenticated"
SERVICE: Final = "service_role"


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller, as far as it is verified.

    *id* is ``None`` for a caller without an account: no rule that mentions ``me.id`` reaches it unless it says so.
    *roles* are the roles it holds besides *role*.  *claims* are the verified claims of its token.
    """

    role: str = ANON
    id: str | None = None
    roles: frozenset[str] = frozenset()
    claims: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}), compare=False)
    aal: str | None = None
    #: It came with an API key that may change nothing (RB5).
    read_only: bool = False

    @property
    def is_service(self) -> bool:
        """The only bypass of policies, and an explicit one."""
        return self.role == SERVICE

    @property
    def kind(self) -> tuple[str, frozenset[str], bool]:
        """All of a principal that decides which rules apply; plans are remembered by it."""
        return (self.role, self.roles, self.id is not None)


ANONYMOUS: Final = Principal()
