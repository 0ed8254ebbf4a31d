"""Every route of the accounts API."""

from __future__ import annotations

from typing import Final

from backstay.auth import (
    about,
    account,
    admin,
    enrolment,
    logout,
    mailing,
    mfa,
    passkey,
    recovery,
    sessionlist,
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
    *sessionlist.ROUTES,
    *mailing.ROUTES,
    *verify.ROUTES,
    *enrolment.ROUTES,
    *mfa.ROUTES,
    *recovery.ROUTES,
    *passkey.ROUTES,
    *about.ROUTES,
    *admin.ROUTES,
)
