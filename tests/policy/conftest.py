"""Each test is an app of its own: what others asked Python is not its."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from backstay.catalog.noted import forget_asked


@pytest.fixture(autouse=True)
def nothing_was_asked() -> Iterator[None]:
    forget_asked()
    yield
    forget_asked()
