"""S7, S11, LM10: a short body of many values is made ready in a thread: its rows may be wide, its lists long."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from backstay.pipeline import plane, write
from tests.http.api import Api, opened, quick_folder
from tests.watchdog.arena import ROWS, arena

COLUMNS = ",".join(f"c{n}" for n in range(100))
WIDE = f"wide?columns=id,{COLUMNS}"
MANY, FEW = 900, 20


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def api(request: pytest.FixtureRequest) -> Iterator[Api]:
    rows = {table: listed[:7] for table, listed in ROWS.items()}
    with quick_folder() as folder, opened(request.param, folder, arena, rows, "ready") as found:
        yield found


@pytest.fixture
def loops(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether what a body brings was made ready on the event loop, each time that it was."""
    found: list[bool] = []
    here = threading.current_thread()

    def watched(make: Callable[..., Any]) -> Callable[..., Any]:
        def watching(*args: Any, **named: Any) -> Any:
            made = make(*args, **named)
            # What cannot be made there, for want of a plan, goes to a thread before its values are looked at.
            found.append(threading.current_thread() is here)
            return made

        return watching

    monkeypatch.setattr(write.Writes, "_work", watched(write.Writes._work))
    monkeypatch.setattr(plane, "parse_batch", watched(plane.parse_batch))
    return found


def rows(number: int, first: int) -> list[dict[str, Any]]:
    return [{"id": first + n} for n in range(number)]


WAYS: dict[str, Callable[[Api, int, int], int]] = {
    "wide rows": lambda api, n, at: api.post(WIDE, rows(n, at)).status,
    "a batch of them": lambda api, n, at: (
        api.post("batch", [{"method": "POST", "path": WIDE, "body": rows(n, at)}]).status
    ),
    "a list": lambda api, n, at: api.patch("pages?id=eq.7", {"tags": [""] * n}).status,
    "a value": lambda api, n, at: api.patch("pages?id=eq.7", {"data": [{}] * n}).status,
}


@pytest.mark.parametrize("way", WAYS)
def test_many_values_are_made_ready_in_a_thread(api: Api, loops: list[bool], way: str) -> None:
    """S7: the second time too, when the plan is known; a few are made ready where they are."""
    at = 10_000 + 10_000 * list(WAYS).index(way)
    assert WAYS[way](api, FEW, at) in (200, 201, 204)
    loops.clear()
    assert WAYS[way](api, FEW, at + 1000) in (200, 201, 204)
    assert loops[0]
    loops.clear()
    assert WAYS[way](api, MANY, at + 2000) in (200, 201, 204)
    assert loops
    assert not any(loops)
