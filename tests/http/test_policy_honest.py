"""Policies of plain Python that mean what they read: they start, and say the same in SQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.http.api import Api, opened, quick_folder
from tests.http.honest_app import HONEST, MARKS, ROWS, SHELVES, Honest, app

CALLERS = [(None, None, "anon"), ("ann", 1, "authenticated"), ("bob", 2, "authenticated")]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def api(request: pytest.FixtureRequest) -> Iterator[Api]:
    with quick_folder() as folder:
        rows = {"shelves": SHELVES, "marks": MARKS} | {each.name: ROWS for each in HONEST}
        with opened(request.param, folder, app, rows, "honest") as found:
            yield found


@pytest.mark.parametrize("each", HONEST, ids=[each.name for each in HONEST])
def test_it_says_what_it_reads(api: Api, each: Honest) -> None:
    """P1, F6: the guard refuses no honest policy, and each row is shown to whom plain Python shows it."""
    for name, who, role in CALLERS:
        marks = frozenset(mark["row"] for mark in MARKS if mark["who"] == who)
        expected = [row["id"] for row in ROWS if each.judge(row, who, role, marks)]
        reply = api.get(f"{each.name}?select=id&order=id", as_=name)
        found = [] if reply.status == 404 else reply.ids
        assert (name, expected) == (name, found)
