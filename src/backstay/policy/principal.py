"""Who asks."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from backstay.place import is_authors
from backstay.policy.watch import watching
from backstay.policy.words import Words

#: The three roles that every app has.  An app may name more; a token's ``role`` claim asks for one.
ANON: Final = "anon"
AUTHENTICATED: Final = "authenticated"
SERVICE: Final = "service_role"


class _OfCallers(type):
    """The class of `Principal`: in a policy ``Principal.role`` would be a descriptor, that is unequal to everything."""

    def __getattribute__(cls, name: str) -> Any:
        watch = watching()
        if watch is not None and is_authors(sys._getframe(1)) and not name.startswith("__"):
            written = Words(
                f"Principal.{name}", "Write me.role, me.id, me.has_role(…): me is the function's parameter."
            )
            raise watch.refuse(sys._getframe(1), "asks the class of callers, which is no caller", written)
        return super().__getattribute__(name)


@dataclass(frozen=True, slots=True)
class Principal(metaclass=_OfCallers):
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
