"""Every route of the accounts API."""

from __future__ import annotations

from typing import Final

from backstay.auth import (
    about,
    account,
    enrolment,
    logout,
    mailing,
    mfa,
    passkey,
    recovery,
    signin,
    signup,
    verify,
)
from backstay.auth.route import Route

ROUTES: Final[tuple[Route, ...]] = (
    *signup.ROUTES,
    *signin.ROUTES,
    *account.ROUTES,
    *logout.ROUTES,
    *mailing.ROUTES,
    *verify.ROUTES,
    *enrolment.ROUTES,
    *mfa.ROUTES,
    *recovery.ROUTES,
    *passkey.ROUTES,
    *about.ROUTES,
)
