"""The shop, once for each database; the kernel runs on asyncio, as both servers do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.http.api import Api, opened, quick_folder
from tests.http.clinic_app import WARDS, clinic
from tests.http.desk_app import DESK, desk
from tests.http.library_app import ROWS as BOOKS
from tests.http.library_app import library as make_library
from tests.http.shop_app import ROWS, shop


@pytest.fixture
def anyio_backend() -> str:
    """Run asynchronous tests on asyncio only."""
    return "asyncio"


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def opened_shop(request: pytest.FixtureRequest) -> Iterator[Api]:
    with quick_folder() as folder, opened(request.param, folder, shop, ROWS, "shop") as api:
        yield api


@pytest.fixture
def api(opened_shop: Api) -> Api:
    """The shop with its first rows, on SQLite and on PostgreSQL."""
    return opened_shop.clean()


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def opened_desk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with opened(request.param, tmp_path_factory.mktemp("desk"), desk, DESK, "desk") as api:
        yield api


@pytest.fixture
def notes(opened_desk: Api) -> Api:
    """The desk with its first rows, on SQLite and on PostgreSQL."""
    return opened_desk.clean()


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def opened_library(request: pytest.FixtureRequest) -> Iterator[Api]:
    with quick_folder() as folder, opened(request.param, folder, make_library, BOOKS, "library") as api:
        yield api


@pytest.fixture
def library(opened_library: Api) -> Api:
    """The library with its first rows, on SQLite and on PostgreSQL."""
    return opened_library.clean()


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def opened_clinic(request: pytest.FixtureRequest) -> Iterator[Api]:
    with quick_folder() as folder, opened(request.param, folder, clinic, WARDS, "clinic") as api:
        yield api


@pytest.fixture
def ward(opened_clinic: Api) -> Api:
    """The clinic without people, on SQLite and on PostgreSQL."""
    return opened_clinic.clean()
