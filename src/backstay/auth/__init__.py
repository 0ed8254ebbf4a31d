"""Accounts and tokens: who asks, and how we know."""

from backstay.auth.credentials import Credentials
from backstay.auth.token import TokenVerifier

__all__ = ["Credentials", "TokenVerifier"]
