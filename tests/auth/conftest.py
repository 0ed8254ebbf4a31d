"""Async tests run on asyncio, the only loop that Backstay runs on; *store* is both databases in turn."""

import pytest

from tests.stores import store, store_url

__all__ = ["store", "store_url"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
