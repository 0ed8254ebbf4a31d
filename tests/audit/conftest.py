"""A store on both databases; asynchronous tests run on asyncio."""

import pytest

import backstay.audit  # noqa: F401 - its tables are made along with the store
from tests.stores import store, store_url

__all__ = ["store", "store_url"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
