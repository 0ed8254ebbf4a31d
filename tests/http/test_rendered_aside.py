"""S7, S11: what a function returned is checked and made into its form in a thread, where it is large."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from backstay.pipeline import call
from tests.http.api import Api

LARGE, SMALL = 20_000, 2


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Where answers of functions are checked, opened and rendered."""
    found: list[str] = []

    def watched(function: Callable[..., Any]) -> Callable[..., Any]:
        def watching(*args: Any, **named: Any) -> Any:
            found.append(threading.current_thread().name)
            return function(*args, **named)

        return watching

    for name in ("check_result", "_reply"):
        monkeypatch.setattr(call, name, watched(getattr(call, name)))
    return found


@pytest.mark.parametrize("accept", ["application/json", "text/csv", "application/vnd.pgrst.array+json;nulls=stripped"])
def test_a_large_answer_of_a_function_is_made_in_a_thread(notes: Api, threads: list[str], accept: str) -> None:
    """S11: a list, and rows of a model in a session; in a batch too, whose functions wait for more than the database."""
    here = threading.current_thread().name
    assert 200 == notes.post("rpc/words", {"number": SMALL}, as_="ann", accept=accept).status
    assert {here} == set(threads)
    threads.clear()
    assert 200 == notes.post("rpc/words", {"number": LARGE}, as_="ann", accept=accept).status
    assert here not in threads
    assert 2 == len(threads)
    threads.clear()
    notes.post("notes", [{"owner_id": 1, "title": "a" * 20}] * 900, as_="ann")
    assert 200 == notes.post("rpc/all_notes", {}, as_="ann", accept=accept).status
    operation = {"method": "POST", "path": "rpc/all_notes", "body": {}, "headers": {"accept": accept}}
    assert 200 == notes.post("batch", [operation], as_="ann").status
    assert (False, 2) == (here in threads, len(threads))
