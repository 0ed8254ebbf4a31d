"""What an operator chose for accounts: the part of the settings that this room uses."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from backstay.budget import DEFAULT_BUDGET


@dataclass(frozen=True, slots=True)
class AuthOptions:
    """Defaults are those of a new app on a desk."""

    #: Where the API is reached, without a ``/`` at the end: links in mails begin with it.
    public_url: str = "http://127.0.0.1:8000"
    #: Where the app is reached: people are sent back there.
    site_url: str = "http://127.0.0.1:8000"
    #: Where people may be sent back to besides; exact URLs, or patterns with ``*`` (no ``.`` or ``/``) and ``**``.
    redirect_urls: tuple[str, ...] = ()
    #: What the app calls itself in mails and authenticators.
    site_name: str = "Backstay"
    #: The domain that passkeys belong to, and the pages that may use them; from the URLs where they are left out.
    webauthn_rp_id: str | None = None
    webauthn_origins: tuple[str, ...] = ()
    signup: bool = True
    #: Whether an address counts as confirmed when it is given (GoTrue's ``mailer_autoconfirm``).
    autoconfirm: bool = True
    anonymous_sign_ins: bool = False
    manual_linking: bool = True
    min_password_chars: int = 8
    access_seconds: int = 3600
    #: A superseded refresh token is forgiven for so long: its answer may have been lost (TK2).
    reuse_seconds: int = 10
    session_idle: timedelta = field(default=timedelta(days=7))
    session_lifetime: timedelta = field(default=timedelta(days=30))
    #: How recent a sign-in must be to change what signs in (PW8, MF7).
    recent: timedelta = field(default=timedelta(minutes=5))
    #: How long links and codes in mails are good (TH6).
    otp_seconds: int = 600
    #: Most bytes of one list.
    answer_bytes: int = DEFAULT_BUDGET.answer_bytes

    @property
    def issuer(self) -> str:
        """The ``iss`` of access tokens."""
        return f"{self.public_url}/auth/v1"
