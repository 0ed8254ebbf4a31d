"""No request takes the loop (S5, S7, S11): 200 hostile requests that a search has found, and the search itself.

The requests stand in ``corpus.txt``.  Every run sends a part of them; ``make proof`` sends all, looks at memory too, and
searches on.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings, target
from hypothesis import strategies as st

from tests.http.api import Api, opened, quick_folder
from tests.watchdog.arena import ROWS, arena
from tests.watchdog.hostile import BATCHES, READS, WRITES, Hostile
from tests.watchdog.meter import LOOP_SECONDS, MEMORY_BYTES, cost, peak

#: Whether there is time for all of it.
PROOF: Final = bool(os.environ.get("BACKSTAY_PROOF"))
CORPUS: Final = [Hostile.read(line) for line in (Path(__file__).parent / "corpus.txt").read_text().splitlines() if line]
#: What is sent in every run: each twenty-fourth of them.
SENT: Final = CORPUS if PROOF else CORPUS[::24]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def open_arena(request: pytest.FixtureRequest) -> Iterator[Api]:
    with quick_folder() as folder, opened(request.param, folder, arena, ROWS, "arena") as api:
        yield api


def test_there_are_two_hundred() -> None:
    """S5, S7, S11: the requests that are kept are as many as promised, and no two are the same."""
    assert len(CORPUS) == len({str(hostile) for hostile in CORPUS}) >= 200


@pytest.mark.parametrize("hostile", SENT, ids=str)
def test_no_request_takes_the_loop(open_arena: Api, hostile: Hostile) -> None:
    """S5, S7, S11, LM10: none takes more than 100 ms of the loop's thread, and none is the server's fault but by its time."""
    found = cost(open_arena, hostile, tries=3)
    assert found.seconds < LOOP_SECONDS
    assert found.reply.status < 500 or found.reply.code in ("57014", "BST503", "PGRST003", "54000")


@pytest.mark.skipif(not PROOF, reason="watching memory is slow: make proof does it")
@pytest.mark.parametrize("hostile", CORPUS, ids=str)
def test_no_request_takes_the_memory(open_arena: Api, hostile: Hostile) -> None:
    """S5, S11: none holds more than 64 MB."""
    assert peak(open_arena, hostile) < MEMORY_BYTES


SIZES: Final = st.integers(1, 1000)
READ: Final = st.lists(
    st.tuples(st.sampled_from(sorted(READS)), SIZES), min_size=1, max_size=4, unique_by=lambda p: p[0]
)
WRITE: Final = st.tuples(st.tuples(st.sampled_from(sorted(WRITES)), SIZES))
BATCH: Final = st.tuples(st.tuples(st.sampled_from(sorted(BATCHES)), SIZES))
HOSTILE: Final = st.one_of(
    st.builds(Hostile, st.just("GET"), st.just("pages"), READ.map(tuple)),
    st.builds(Hostile, st.just("POST"), st.sampled_from(["pages", "wide"]), WRITE),
    st.builds(Hostile, st.just("PATCH"), st.just("pages"), WRITE),
    st.builds(Hostile, st.just("POST"), st.just("batch"), BATCH),
)


#: Explaining a failure traces every line, and the loop would pay for it.
PHASES: Final = (Phase.generate, Phase.target)


@pytest.mark.skipif(not PROOF, reason="the search takes minutes: make proof does it")
def test_the_search_finds_nothing(open_arena: Api) -> None:
    """S5, S7, S11: whatever the search puts together, led by what the loop pays, stays below 100 ms.

    ``BACKSTAY_PROOF_CORPUS`` names a file that the dearest are added to, dearest first.
    """
    seen: dict[str, float] = {}

    @settings(
        max_examples=int(os.environ.get("BACKSTAY_PROOF_EXAMPLES", "1000")),
        deadline=None,
        phases=PHASES,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(HOSTILE)
    def search(hostile: Hostile) -> None:
        found = cost(open_arena, hostile, tries=3)
        seen[str(hostile)] = found.seconds
        target(found.seconds)
        assert found.seconds < LOOP_SECONDS
        assert found.reply.status < 500 or found.reply.code in ("57014", "BST503", "PGRST003", "54000")

    try:
        search()
    finally:
        if kept := os.environ.get("BACKSTAY_PROOF_CORPUS"):
            with Path(kept).open("a") as file:
                file.writelines(
                    f"{seconds:.4f} {text}\n" for text, seconds in sorted(seen.items(), key=lambda p: -p[1])
                )
