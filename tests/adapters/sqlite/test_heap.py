"""What SQLite may hold, by its own allocator."""

from __future__ import annotations

import threading

import apsw
import pytest

from backstay.adapters.sqlite.heap import Room
from backstay.errors import DatabaseError

#: One step that makes a text of ten mebibytes.
LONG = "SELECT length(hex(zeroblob(5242880)))"


def run(size: int) -> object:
    connection = apsw.Connection(":memory:")
    with Room(size):
        return connection.execute(LONG).fetchall()


def test_a_step_that_takes_more_fails_there() -> None:
    """S11: SQLite never holds more, and says that the statement does."""
    before = apsw.memory_used()
    apsw.memory_high_water(True)
    with pytest.raises(DatabaseError) as caught:
        run(4 << 20)
    assert ("BST413", "the statement takes too much memory") == (caught.value.code, caught.value.message)
    assert apsw.memory_high_water() - before <= 4 << 20


def test_a_step_within_its_room() -> None:
    """S11: what fits is done, and nothing is bounded afterwards."""
    assert [(10 << 20,)] == run(32 << 20)
    assert 0 == apsw.hard_heap_limit(-1)


def test_rooms_add_up() -> None:
    """S11: whoever begins beside somebody else has its room all the same; who ends takes it away again."""
    with Room(4 << 20):
        assert [(10 << 20,)] == run(32 << 20)
        bound = apsw.hard_heap_limit(-1)
    assert 4 << 20 <= bound < (4 << 20) + apsw.memory_used() + (1 << 20)


def test_beside_others_nobody_is_accused() -> None:
    """S11: SQLite's own error goes on, since it does not tell whose memory is whose."""
    begun, over = threading.Event(), threading.Event()

    def neighbour() -> None:
        with Room(1 << 20):
            begun.set()
            over.wait(10)

    thread = threading.Thread(target=neighbour)
    thread.start()
    begun.wait(10)
    try:
        with pytest.raises(apsw.NoMemError):
            run(4 << 20)
    finally:
        over.set()
        thread.join()
