"""What is audited (AU3): every kind of event, and what may be said about one.

Rules of this file:

1. An event says only what its kind lists, so that no secret gets into a log that nobody can clean.
2. People are named by their account's id; their addresses are looked up when the log is read, and so leave it with the
   account.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, TypeAlias
from uuid import UUID

from backstay.observe import redact

ActorKind: TypeAlias = Literal["anon", "user", "service", "admin", "system"]
Detail: TypeAlias = str | int | bool | tuple[str, ...] | None

#: Characters of one text; the rest is cut.
MAX_TEXT: Final = 500
#: Items of one list; the rest is cut.
MAX_ITEMS: Final = 50
_LARGEST: Final = 2**63


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of event: GoTrue's name and type of it, and the keys that its details may have."""

    action: str
    log_type: str
    details: frozenset[str] = frozenset()


def _kinds() -> dict[str, Kind]:
    session = ("session_id", "method", "aal", "provider", "user_agent", "reason")
    table: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
        # name, GoTrue's action, GoTrue's log type, keys
        ("login", "login", "account", session),
        ("login_failed", "login_failed", "account", session),
        ("logout", "logout", "account", ("session_id", "scope", "sessions")),
        ("user_signedup", "user_signedup", "team", ("method", "provider")),
        ("user_repeated_signup", "user_repeated_signup", "user", ("provider",)),
        ("user_invited", "user_invited", "team", ()),
        ("account_emptied", "user_modified", "user", ("method", "fields")),
        ("invite_accepted", "invite_accepted", "account", ()),
        ("user_deleted", "user_deleted", "team", ("soft",)),
        ("user_banned", "user_modified", "user", ("until", "reason")),
        ("user_unbanned", "user_modified", "user", ("reason",)),
        ("user_modified", "user_modified", "user", ("fields",)),
        ("user_updated_password", "user_updated_password", "user", ("method", "sessions")),
        ("user_confirmation_requested", "user_confirmation_requested", "user", ("method",)),
        ("user_recovery_requested", "user_recovery_requested", "user", ("method",)),
        ("user_reauthenticate_requested", "user_reauthenticate_requested", "user", ("method",)),
        ("token_refreshed", "token_refreshed", "token", ("session_id",)),
        ("token_revoked", "token_revoked", "token", ("session_id", "sessions", "reason")),
        ("token_reuse_detected", "token_revoked", "token", ("session_id", "sessions")),
        ("factor_enrolled", "factor_in_progress", "factor", ("factor_id", "factor_type")),
        ("factor_verified", "verification_attempted", "factor", ("factor_id", "factor_type", "aal")),
        ("factor_failed", "verification_attempted", "factor", ("factor_id", "factor_type", "reason")),
        ("factor_deleted", "factor_deleted", "factor", ("factor_id", "factor_type", "sessions")),
        ("challenge_created", "challenge_created", "factor", ("factor_id", "factor_type")),
        ("recovery_codes_generated", "generate_recovery_codes", "user", ("count",)),
        ("recovery_codes_used", "mfa_code_login", "factor", ("left",)),
        ("identity_linked", "identity_linked", "user", ("provider", "identity_id")),
        ("identity_unlinked", "identity_unlinked", "user", ("provider", "identity_id")),
        ("passkey_added", "passkey_created", "user", ("passkey_id",)),
        ("passkey_updated", "passkey_updated", "user", ("passkey_id",)),
        ("passkey_removed", "passkey_deleted", "user", ("passkey_id", "ways_left")),
        ("passkey_sign_count_regressed", "passkey_updated", "user", ("passkey_id",)),
        ("role_granted", "role_granted", "user", ("role",)),
        ("role_revoked", "role_revoked", "user", ("role",)),
        ("api_key_created", "api_key_created", "account", ("key_id", "role", "scopes", "expires_at")),
        ("api_key_revoked", "api_key_revoked", "account", ("key_id", "role", "reason")),
        ("signing_key_rotated", "signing_key_rotated", "account", ("kid", "state")),
        ("encryption_key_rotated", "encryption_key_rotated", "account", ("key_id",)),
        ("admin_read_user", "admin_read_user", "account", ("fields", "count")),
        ("impersonation_started", "impersonation_started", "account", ("until", "reason")),
        ("impersonation_ended", "impersonation_ended", "account", ()),
        ("authz_denied", "authz_denied", "account", ("action", "table", "rule", "reason")),
        ("policy_changed", "policy_changed", "account", ("fingerprint", "before", "rules")),
        ("value_unreadable", "value_unreadable", "account", ("column", "reason", "count")),
        ("settings_changed", "settings_changed", "account", ("fields",)),
    )
    return {name: Kind(action, log_type, frozenset(keys)) for name, action, log_type, keys in table}


#: Every kind by its name.
EVENTS: Final[Mapping[str, Kind]] = _kinds()


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it, and from where.  One for each request."""

    kind: ActorKind
    id: UUID | None = None
    ip: str | None = None
    request_id: str | None = None


#: Backstay itself: at a start, or on a schedule.
SYSTEM: Final = Actor("system")


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    Args:
        name: one of `EVENTS`.
        at: when; with a time zone.
        actor: who did it.
        subject: what it was done to: the id of an account, a key, a table.  Never an address or a name of a person.
        details: what else is worth knowing; the kind lists the keys.  Texts lose what looks like a secret.

    Raises:
        ValueError: the name, a key or a value is not one that an event may have, or *at* has no time zone.
    """

    name: str
    at: datetime
    actor: Actor
    subject: str | None = None
    details: Mapping[str, Detail] = field(default_factory=dict)

    def __post_init__(self) -> None:
        kind = EVENTS.get(self.name)
        if kind is None:
            raise ValueError(f"no event is called {self.name!r}")
        if self.at.tzinfo is None:
            raise ValueError("an event's time needs a time zone")
        strange = sorted(set(self.details) - kind.details)
        if strange:
            raise ValueError(
                f"{self.name} has no detail {', '.join(strange)}; it has {', '.join(sorted(kind.details))}"
            )
        # Frozen, and yet it keeps what may be kept: nobody ever sees the uncleaned texts.
        object.__setattr__(self, "details", {key: _kept(value) for key, value in self.details.items()})
        object.__setattr__(self, "subject", None if self.subject is None else _text(self.subject))


def _kept(value: Detail) -> Detail:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if not -_LARGEST <= value < _LARGEST:
            raise ValueError("a number in an event is larger than 64 bits")
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, tuple) and all(isinstance(item, str) for item in value):
        return tuple(_text(item) for item in value[:MAX_ITEMS])
    raise ValueError(f"an event cannot hold a {type(value).__name__}")


def _text(text: str) -> str:
    """Without secrets, and without what PostgreSQL's text cannot hold: NUL, and halves of surrogate pairs."""
    return redact(text[: 4 * MAX_TEXT].encode("utf-8", "replace").decode().replace("\0", "\ufffd"))[:MAX_TEXT]
