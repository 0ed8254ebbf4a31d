"""Every route of the accounts API."""

from __future__ import annotations

from typing import Final

from backstay.auth import (
    about,
    account,
    admin,
    enrolment,
    grants,
    logout,
    mailing,
    mfa,
    passkey,
    recovery,
    sessionlist,
    signup,
    verify,
)
from backstay.auth.oauth import authorize, callback, identities
from backstay.auth.openapi import described
from backstay.auth.route import Route

_ROUTES: Final[tuple[Route, ...]] = (
    *signup.ROUTES,
    *grants.ROUTES,
    *account.ROUTES,
    *logout.ROUTES,
    *sessionlist.ROUTES,
    *mailing.ROUTES,
    *verify.ROUTES,
    *authorize.ROUTES,
    *callback.ROUTES,
    *identities.ROUTES,
    *enrolment.ROUTES,
    *mfa.ROUTES,
    *recovery.ROUTES,
    *passkey.ROUTES,
    *about.ROUTES,
    *admin.ROUTES,
)

#: With the one that describes them.
ROUTES: Final[tuple[Route, ...]] = (*_ROUTES, described(_ROUTES))
