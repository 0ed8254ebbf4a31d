"""``/admin/…``: accounts administered by the service role, or by an account with the permission and a second factor."""

from __future__ import annotations

from typing import Final

from backstay.auth.admin import apikeys, change, create, factors, links, log, remove, roles, sessions, users
from backstay.auth.route import Route

ROUTES: Final[tuple[Route, ...]] = (
    *users.ROUTES,
    *create.ROUTES,
    *change.ROUTES,
    *remove.ROUTES,
    *links.ROUTES,
    *roles.ROUTES,
    *sessions.ROUTES,
    *factors.ROUTES,
    *apikeys.ROUTES,
    *log.ROUTES,
)

__all__ = ["ROUTES"]
