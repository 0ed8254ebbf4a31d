"""An app with accounts, on SQLite and on PostgreSQL, with a clock that tests turn."""

import pytest

from tests.accounts.house import accounts_url, house

__all__ = ["accounts_url", "house"]


@pytest.fixture
def anyio_backend() -> str:
    """Asynchronous tests run on asyncio only."""
    return "asyncio"
