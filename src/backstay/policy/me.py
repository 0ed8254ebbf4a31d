"""``me``: the caller as a symbol.

A policy is compiled once, when the app starts, so nothing in it may be a particular caller's value.  Everything
``me`` offers is a bind parameter that remembers where its value comes from; the value is filled in per request.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Final, NoReturn, TypeAlias, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.sql.elements import BindParameter, ColumnElement

from backstay.errors import ConfigError, Forbidden
from backstay.place import is_authors, place_here, place_in, users_frame
from backstay.policy.principal import Principal
from backstay.policy.watch import Handed, hand, watching
from backstay.policy.words import Words

#: Where a parameter's value comes from: ``("id",)``, ``("role",)``, ``("aal",)``, ``("has_role", name)`` or
#: ``("claim", key, …)``.
Source: TypeAlias = tuple[str, ...]

#: Claims that the account's owner may edit: a policy that believed them would be written by the attacker (TK8).
_EDITABLE_CLAIMS: Final = frozenset({"user_metadata", "raw_user_meta_data"})


if TYPE_CHECKING:

    class Asked(ColumnElement[Any]):
        """For type checkers: an expression that nobody may ask whether it is true."""

        def __bool__(self) -> NoReturn: ...


class MeParameter(BindParameter[Any]):
    """A bind parameter whose value is a fact about the caller."""

    inherit_cache = False
    me_source: Source
    #: Where it was asked for; SQLAlchemy's copies of it share this.
    me_handed: Handed
    #: It ends a pattern in which this escapes: a value that ends within an escape is none.
    me_escape: str | None = None

    @classmethod
    def of(cls, source: Source, type_: sa.types.TypeEngine[Any] | None = None) -> Asked:
        parameter = cls(f"me_{source[0]}", None, type_=type_, unique=True, required=False)
        parameter.me_source = source
        parameter.me_handed = hand(_asked(source))
        return cast("Asked", parameter)


def _asked(source: Source) -> str:
    """*source* as a policy writes it.

    >>> _asked(("claim", "org", "id"))
    "me.claim('org', 'id')"
    """
    return f"me.{source[0]}" + (f"({', '.join(map(repr, source[1:]))})" if len(source) > 1 else "")


class _Written(type):
    """The class of `Me`: what an instance offers is no attribute of the class, which is an import and no caller.

    ``Me.role`` would be a property object, that is unequal to everything and always true.
    """

    def __getattribute__(cls, name: str) -> Any:
        if name in _OFFERED:
            raise _not_the_class(f"{type.__getattribute__(cls, '__name__')}.{name}", f"me.{name}")
        return type.__getattribute__(cls, name)

    def __bool__(cls) -> bool:
        return cls._read(True)

    def __eq__(cls, other: object) -> bool:
        return cls._read(cls is other)

    def __hash__(cls) -> int:
        return type.__hash__(cls)

    def _read(cls, usual: bool) -> bool:
        """The answer of every class, which only policies must not have; libraries may ask on the way."""
        if watching() is not None and is_authors(sys._getframe(2)):
            raise _not_the_class(cls.__name__, "me.id")
        return usual


_OFFERED: Final = frozenset({"id", "role", "aal", "has_role", "claim", "is_anonymous", "principal"})


def _not_the_class(written: str, meant: str) -> ConfigError:
    frame, watch = sys._getframe(2), watching()
    advice = f"Write {meant}: me is the function's parameter, and {written.partition('.')[0]} the class it is of."
    if watch is not None:
        return watch.refuse(frame, "asks the class of me, which is no caller", Words(written, advice))
    own = users_frame(frame) or frame
    return ConfigError("BST-E023", f"{place_in(own)}: {written} is asked of the class, which is no caller", hint=advice)


class Me(metaclass=_Written):
    """The symbolic caller that a policy function receives, and the concrete one that a `function` receives.

    In a policy each attribute is a SQL expression; compare it with columns.  ``me.id`` takes the type of the column it
    is compared with.  In a `function` the attributes are plain values; `Caller` says so to type checkers.
    """

    __slots__ = ()

    #: Parameters of functions with this annotation are given the caller.
    injected_as: ClassVar[str] = "me"

    @property
    def id(self) -> Asked:
        """The account's id (the token's ``sub``).  Callers without one never reach a rule that mentions it."""
        return MeParameter.of(("id",))

    @property
    def role(self) -> Asked:
        """``anon``, ``authenticated``, ``service_role`` or a role of the app."""
        return MeParameter.of(("role",), sa.String())

    @property
    def aal(self) -> Asked:
        """Authenticator assurance level: ``aal1`` or ``aal2`` (NIST SP 800-63B)."""
        return MeParameter.of(("aal",), sa.String())

    def has_role(self, role: str) -> Asked:
        """Whether the caller holds *role*, as its main role or beside it."""
        if not isinstance(role, str):
            raise ConfigError(
                "BST-E023",
                f"{place_here()}: me.has_role() takes the name of one role, as a text",
                hint='For example me.has_role("editor") | me.has_role("owner").',
            )
        return cast("Asked", MeParameter.of(("has_role", role), sa.Boolean()) == sa.true())

    def claim(self, *path: str) -> Asked:
        """A verified claim of the token; several keys walk into nested objects.

        Raises:
            ConfigError: BST-E021, for claims that the account's owner may edit (``user_metadata``).
        """
        if not path or not all(isinstance(key, str) for key in path):
            raise ConfigError(
                "BST-E023",
                f"{place_here()}: me.claim() takes the names that lead to a claim, as texts",
                hint='For example me.claim("org", "id").',
            )
        if not _EDITABLE_CLAIMS.isdisjoint(key.partition(".")[0] for key in path):
            raise ConfigError(
                "BST-E021",
                f"{place_here()}: a policy cannot rely on the claim {'.'.join(path)!r}: its owner may edit it",
                hint="Use app_metadata, or a role assigned in the database.",
            )
        # The id by its other name: rules that mention it are not for callers without one.
        return self.id if path == ("sub",) else MeParameter.of(("claim", *path))


class Caller(Me):
    """The concrete caller that a `function` receives: the same names, plain values."""

    __slots__ = ("principal",)

    principal: Principal

    def __init__(self, principal: Principal) -> None:
        self.principal = principal

    @property
    def id(self) -> Any:
        """A ``UUID`` where the id is one, else the text of the token's ``sub``.

        Raises:
            Forbidden: 42501, for a caller without an account; ask `is_anonymous` first where that is fine.
        """
        if self.principal.id is None:
            raise Forbidden("42501", "an account is needed", hint="Sign in, and send the access token.")
        try:
            return UUID(self.principal.id)
        except ValueError:
            return self.principal.id

    @property
    def is_anonymous(self) -> bool:
        """Whether the caller has no account."""
        return self.principal.id is None

    @property
    def role(self) -> Any:
        return self.principal.role

    @property
    def aal(self) -> Any:
        return self.principal.aal

    def has_role(self, role: str) -> Any:
        return fact_of(("has_role", role))(self.principal)

    def claim(self, *path: str) -> Any:
        return _claim(self.principal.claims, path)


Fact: TypeAlias = Callable[[Principal], Any]


def fact_of(source: Source) -> Fact:
    """A function from the caller to its value for *source*: ``None`` where it has none.

    >>> fact_of(("claim", "org", "id"))(Principal(id="7", claims={"org": {"id": 3}}))
    3
    >>> fact_of(("has_role", "editor"))(Principal(role="editor"))
    True
    """
    match source:
        case ("id",):
            return _id
        case ("role",):
            return lambda principal: principal.role
        case ("aal",):
            return lambda principal: principal.aal
        case ("has_role", role):
            return lambda principal: role == principal.role or role in principal.roles
        case _:
            return lambda principal: _claim(principal.claims, source[1:])


def _id(principal: Principal) -> str | None:
    return principal.id


def _claim(claims: Any, path: Source) -> Any:
    value = claims
    for key in path:
        value = value.get(key) if hasattr(value, "get") else None
    return value
