"""The chain shows every way to spoil it."""

from __future__ import annotations

import pytest

from backstay.audit import AuditKeys, Verdict, verify
from backstay.audit.anchor import Anchor
from backstay.audit.read import head, page
from backstay.db.store import Store
from tests.audit.chains import AT, KEYS, event, filled, spoil, write

_COPY = "SELECT {seq}, at, event, actor_kind, actor_id, subject, ip, request_id, details, key_id, previous, hash"


async def test_an_empty_log_holds(store: Store) -> None:
    """There is nothing to doubt."""
    assert Verdict(0) == await verify(store, KEYS)


async def test_an_honest_chain_holds(store: Store) -> None:
    """AU2: also over several pages, with details of every type, and with the anchors of it."""
    await filled(store, 7)
    awkward = {"reason": 'é"\\\x07\ud800\0', "user_agent": "\u2028", "session_id": None, "aal": "aal1"}
    await write(store, event("login", details=awkward), event("user_modified", details={"fields": ("b", "a")}))
    await write(store, event("logout", details={"sessions": 2**63 - 1}), event("user_deleted", details={"soft": True}))
    end = await store.one(head())
    assert Verdict(11) == await verify(store, KEYS, [Anchor(end.seq, end.hash, AT)], page_rows=3)


async def test_rows_of_an_older_key_hold(store: Store) -> None:
    """After a rotation the old key still verifies, and without it the row is named."""
    await filled(store, 2)
    both = AuditKeys("k2", {"k2": b"2" * 32, "k1": b"1" * 32})
    await write(store, event("logout"), keys=both)
    assert Verdict(3) == await verify(store, both)
    missing = await verify(store, KEYS)
    assert (2, 3) == (missing.rows, missing.seq)
    assert "'k2'" in (missing.fault or "")


@pytest.mark.parametrize(
    "change",
    [
        "at = '2026-11-21 12:30:02'",
        "event = 'logout'",
        "actor_kind = 'admin'",
        "actor_id = NULL",
        "subject = 'bob'",
        "subject = NULL",
        "ip = '192.0.2.8'",
        "request_id = NULL",
        'details = \'{"method": "otp"}\'',
        "key_id = 'k9'",
        "hash = previous",
        "previous = hash",
    ],
)
async def test_an_edit_is_found(store: Store, change: str) -> None:
    """AU2: whichever column it is in, and the rows before it still count."""
    await filled(store, 5)
    await spoil(store, f"UPDATE backstay_audit SET {change} WHERE seq = 3")
    found = await verify(store, KEYS)
    assert (2, 3, False) == (found.rows, found.seq, found.holds)


async def test_reordered_rows_are_found(store: Store) -> None:
    """AU2: two rows that change places."""
    await filled(store, 5)
    await spoil(
        store,
        "UPDATE backstay_audit SET seq = 99 WHERE seq = 3",
        "UPDATE backstay_audit SET seq = 3 WHERE seq = 4",
        "UPDATE backstay_audit SET seq = 4 WHERE seq = 99",
    )
    assert Verdict(2, 3, "does not follow the row before it") == await verify(store, KEYS)


@pytest.mark.parametrize(("seq", "rows"), [(1, 0), (3, 2)])
async def test_a_deleted_row_is_found(store: Store, seq: int, rows: int) -> None:
    """AU2: the first one too."""
    await filled(store, 5)
    await spoil(store, f"DELETE FROM backstay_audit WHERE seq = {seq}")
    assert Verdict(rows, seq, "is missing") == await verify(store, KEYS)


async def test_a_deleted_row_is_found_when_the_others_move_up(store: Store) -> None:
    """AU2: the number is part of what the hash covers."""
    await filled(store, 3)
    await spoil(store, "DELETE FROM backstay_audit WHERE seq = 2", "UPDATE backstay_audit SET seq = 2 WHERE seq = 3")
    assert (1, 2) == ((found := await verify(store, KEYS)).rows, found.seq)


@pytest.mark.parametrize("seq", [-5, 0, 6])
async def test_an_invented_row_is_found(store: Store, seq: int) -> None:
    """AU2: before the first, and after the last, even with the head moved on."""
    await filled(store, 5)
    values = _COPY.format(seq=seq)
    await spoil(
        store,
        f"INSERT INTO backstay_audit {values} FROM backstay_audit WHERE seq = 5",
        "UPDATE backstay_audit_head SET seq = 6",
    )
    found = await verify(store, KEYS)
    assert (5, 6) == (found.rows, found.seq) if seq == 6 else (0, seq) == (found.rows, found.seq)


async def test_a_lost_end_is_found_by_the_head(store: Store) -> None:
    """AU2: whoever forgets the head is found without an anchor."""
    await filled(store, 5)
    await spoil(store, "DELETE FROM backstay_audit WHERE seq > 3")
    assert Verdict(3, 4, "should be the next, but the head of the chain is row 5") == await verify(store, KEYS)


async def test_a_lost_head_is_found(store: Store) -> None:
    """The rows alone are not the whole log."""
    await filled(store, 2)
    await spoil(store, "DELETE FROM backstay_audit_head")
    assert Verdict(2, 3, "should be the next, but the head of the chain is missing") == await verify(store, KEYS)


@pytest.mark.parametrize("kept", [0, 3])
async def test_a_lost_end_is_found_by_an_anchor(store: Store, kept: int) -> None:
    """AU2: with the head set back it all looks right from inside, and the anchor knows better."""
    await filled(store, 5)
    end = await store.one(head())
    rows = await store.all(page(0, 10))
    await spoil(store, f"DELETE FROM backstay_audit WHERE seq > {kept}", f"UPDATE backstay_audit_head SET seq = {kept}")
    hex = rows[kept - 1].hash.hex() if kept else "00" * 32
    literal = f"'\\x{hex}'::bytea" if store.database.name == "postgresql" else f"x'{hex}'"
    await spoil(store, f"UPDATE backstay_audit_head SET hash = {literal}")
    assert Verdict(kept) == await verify(store, KEYS)
    found = await verify(store, KEYS, [Anchor(end.seq, end.hash, AT)])
    assert Verdict(kept, kept + 1, "is missing, and an anchor says that it was there") == found


async def test_a_log_that_was_written_again_is_found_by_an_anchor(store: Store) -> None:
    """AU2: the key alone is not enough to rewrite history behind an anchor."""
    await filled(store, 3)
    old = await store.one(head())
    await spoil(store, "DELETE FROM backstay_audit", "DELETE FROM backstay_audit_head")
    await write(store, event(), event("logout"), event("user_deleted"))
    new = await store.one(head())
    assert Verdict(3) == await verify(store, KEYS)
    found = await verify(store, KEYS, [Anchor(3, old.hash, AT)])
    assert Verdict(2, 3, "is not the row that was there when its anchor was written") == found
    twice = await verify(store, KEYS, [Anchor(3, old.hash, AT), Anchor(3, new.hash, AT)])
    assert 3 == twice.seq
    assert "two different anchors" in (twice.fault or "")


async def test_another_key_makes_another_chain(store: Store) -> None:
    """AU2: without the key nobody makes a row that holds."""
    await write(store, event(), keys=AuditKeys("k1", {"k1": b"x" * 32}))
    assert Verdict(0, 1, "was altered") == await verify(store, KEYS)


@pytest.mark.parametrize(
    "change", ["at = 'yesterday'", "actor_id = 7", "details = '{'", "hash = 'text'", "details = '[1e999]'"]
)
async def test_a_value_of_another_type_is_an_answer_not_a_crash(store: Store, change: str) -> None:
    """SQLite keeps what it is given in any column."""
    if store.database.name == "postgresql":
        return
    await filled(store, 3)
    await spoil(store, f"UPDATE backstay_audit SET {change} WHERE seq = 2")
    found = await verify(store, KEYS)
    assert (1, 2, False) == (found.rows, found.seq, found.holds)
