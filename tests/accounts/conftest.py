"""An app with accounts, on SQLite and on PostgreSQL, with a clock that tests turn."""

from tests.accounts.house import accounts_url, house

__all__ = ["accounts_url", "house"]
