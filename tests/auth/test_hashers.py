"""The pool bounds what hashing takes, and the loop goes on meanwhile."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import bcrypt
import pytest

from backstay.auth import hashers
from backstay.auth.hashers import HashPool, Verified
from backstay.auth.hashing import HashCost, hash_password, verify_password
from backstay.db.caller import CALLER, Caller
from backstay.errors import BackstayError

COST = HashCost()


class Gate:
    """Holds hashing threads until it is opened, and says how many are inside."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.entered = threading.Semaphore(0)
        self.inside = 0
        self.most = 0
        self._lock = threading.Lock()

    def __call__(self, password: bytes, cost: HashCost) -> str:
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.entered.release()
        assert self.open.wait(30)
        with self._lock:
            self.inside -= 1
        return f"hash of {password.decode()}"

    async def entry(self) -> None:
        assert await asyncio.to_thread(self.entered.acquire, timeout=30)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    made = Gate()
    monkeypatch.setattr(hashers, "hash_password", made)
    return made


@pytest.fixture
async def pool() -> Iterator[HashPool]:  # type: ignore[misc]
    made = HashPool(COST)
    made._turns._seconds = 600  # a busy machine takes its time
    yield made
    made.close()


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def idle(pool: HashPool) -> None:
    """Until the last worker has said that it is free."""
    async with asyncio.timeout(60):
        while pool.busy:
            await asyncio.sleep(0.001)


async def test_hash_and_verify(pool: HashPool) -> None:
    """PW1: a hash made here fits its password, and needs no other."""
    encoded = await pool.hash("correct horse")
    assert Verified(True, None) == await pool.verify(encoded, "correct horse")
    assert Verified(False, None) == await pool.verify(encoded, "correct horsf")


async def test_an_old_hash_is_replaced_when_its_password_came(pool: HashPool) -> None:
    """PW2: of bcrypt comes argon2id, and only with the right password."""
    old = bcrypt.hashpw(b"correct horse", bcrypt.gensalt(4)).decode()
    assert Verified(False, None) == await pool.verify(old, "wrong")
    fitting = await pool.verify(old, "correct horse")
    assert fitting.ok
    assert fitting.upgraded_hash is not None
    assert fitting.upgraded_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert verify_password(fitting.upgraded_hash, b"correct horse")
    assert Verified(True, None) == await pool.verify(fitting.upgraded_hash, "correct horse")


async def test_another_cost_is_taken_at_the_next_sign_in() -> None:
    """PW2: the operator raised the cost."""
    pool = HashPool(HashCost(12_288, 3))
    fitting = await pool.verify(hash_password(b"x", COST), "x")
    pool.close()
    assert fitting.upgraded_hash is not None
    assert "$m=12288,t=3,p=1$" in fitting.upgraded_hash


@pytest.mark.parametrize("encoded", [None, "", "md5$x$y"])
async def test_no_account_does_the_work_of_one(
    pool: HashPool, monkeypatch: pytest.MonkeyPatch, encoded: str | None
) -> None:
    """TH5: without a hash that can be read the dummy, of the same cost, is checked."""
    await pool.prepare()
    checked: list[str] = []

    def spy(encoded: str, password: bytes) -> bool:
        checked.append(encoded)
        return verify_password(encoded, password)

    monkeypatch.setattr(hashers, "verify_password", spy)
    assert Verified(False, None) == await pool.verify(encoded, "anything")
    assert ["$argon2id$v=19$m=19456,t=2,p=1$"] == [hash[:31] for hash in checked]


async def test_a_password_too_long_is_not_hashed(pool: HashPool, gate: Gate) -> None:
    """PW3: a megabyte costs no hash."""
    for call in (pool.hash("x" * 1_000_000), pool.verify(None, "x" * 1025)):
        with pytest.raises(BackstayError) as refused:
            await call
        assert 422 == refused.value.status
    assert (0, 0) == (pool.busy, gate.most)


async def test_two_hash_and_32_wait_and_no_more(pool: HashPool, gate: Gate) -> None:
    """PW7: the 35th at one moment is told to come back, at once; memory is that of two hashes."""
    calls = [asyncio.create_task(pool.hash(str(n))) for n in range(200)]
    await gate.entry()
    await gate.entry()
    await turns()
    assert (2, 32) == (pool.busy, pool.waiting)
    refused = [call for call in calls if call.done()]
    assert 166 == len(refused)
    error = refused[0].exception()
    assert isinstance(error, BackstayError)
    assert ("BST503", 503, (("Retry-After", "1"),)) == (error.code, error.status, error.headers)
    gate.open.set()
    done = await asyncio.gather(*calls, return_exceptions=True)
    assert [f"hash of {n}" for n in range(34)] == done[:34]
    assert all(isinstance(outcome, BackstayError) for outcome in done[34:])
    await idle(pool)
    assert (0, 0, 2) == (pool.busy, pool.waiting, gate.most)


async def test_passkeys_are_checked_in_the_same_places(pool: HashPool, gate: Gate) -> None:
    """PW7: two of both at once, and 32 wait; an error of the work is its caller's."""
    hashing = [asyncio.create_task(pool.hash(f"password {number}")) for number in range(34)]
    await gate.entry()
    await gate.entry()
    with pytest.raises(BackstayError, match="BST503"):
        await pool.run(threading.get_ident)
    gate.open.set()
    await asyncio.gather(*hashing)
    assert await pool.run(lambda: threading.current_thread().name.startswith("backstay-hash"))
    with pytest.raises(ZeroDivisionError):
        await pool.run(lambda: 1 // 0)


async def test_one_address_has_a_share_of_the_workers(gate: Gate) -> None:
    """S6: a flood from one address keeps a worker, and half of the queue, free for the others, and takes turns."""
    pool = HashPool(COST, share=50)
    pool._turns._seconds = 600

    async def sign_in(address: str, name: str) -> str:
        CALLER.set(Caller(f"accounts {address}", first=True))
        return await pool.hash(name)

    flood = [asyncio.create_task(sign_in("192.0.2.1", str(n))) for n in range(40)]
    await gate.entry()
    await turns()
    assert (1, 16, 23) == (pool.busy, pool.waiting, sum(call.done() for call in flood))
    other = asyncio.create_task(sign_in("192.0.2.2", "other"))
    await gate.entry()
    assert 2 == pool.busy
    gate.open.set()
    assert "hash of other" == await other
    outcomes = await asyncio.gather(*flood, return_exceptions=True)
    assert [f"hash of {n}" for n in range(17)] == outcomes[:17]
    assert {"BST503"} == {outcome.code for outcome in outcomes[17:] if isinstance(outcome, BackstayError)}
    await idle(pool)
    pool.close()


async def test_who_waits_too_long_for_a_worker_is_told_to_come_back(pool: HashPool, gate: Gate) -> None:
    """S6: nobody waits for ever, and what was not begun never is."""
    pool._turns._seconds = 0.01
    first = [asyncio.create_task(pool.hash(str(n))) for n in range(2)]
    await gate.entry()
    await gate.entry()
    with pytest.raises(BackstayError) as refused:
        await pool.hash("late")
    assert ("BST503", 0) == (refused.value.code, pool.waiting)
    gate.open.set()
    assert ["hash of 0", "hash of 1"] == await asyncio.gather(*first)


async def test_who_stops_waiting_leaves_the_queue(pool: HashPool, gate: Gate) -> None:
    """PW7: cancelled callers, running and waiting, hold no place once their work is over."""
    calls = [asyncio.create_task(pool.hash(str(n))) for n in range(34)]
    await gate.entry()
    await gate.entry()
    await turns()
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    # The two that began go on: no third may take their place in the machine.
    assert (2, 0) == (pool.busy, pool.waiting)
    late = asyncio.create_task(pool.hash("late"))
    await turns()
    assert 1 == pool.waiting
    gate.open.set()
    assert "hash of late" == await late
    await idle(pool)
    assert (0, 0, 2) == (pool.busy, pool.waiting, gate.most)


async def test_a_failing_hash_frees_its_worker(pool: HashPool, monkeypatch: pytest.MonkeyPatch) -> None:
    """PW7: the next caller finds two workers again."""

    def fail(password: bytes, cost: HashCost) -> str:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(hashers, "hash_password", fail)
        outcomes = await asyncio.gather(*(pool.hash("x") for _ in range(10)), return_exceptions=True)
    assert all(isinstance(outcome, MemoryError) for outcome in outcomes)
    assert (await pool.hash("x")).startswith("$argon2id$")


async def test_the_loop_goes_on_while_passwords_are_hashed(pool: HashPool) -> None:
    """PW7: with 200 sign-ins at once, real hashes, other work gets its turn hundreds of times."""
    encoded = await pool.hash("right")
    logins = [asyncio.create_task(pool.verify(encoded, "right" if n % 2 else "wrong")) for n in range(200)]
    count = 0
    while not all(login.done() for login in logins):
        await asyncio.sleep(0.001)
        count += 1
    outcomes = [login.exception() or login.result() for login in logins]
    served = [outcome for outcome in outcomes if isinstance(outcome, Verified)]
    assert 34 == len(served)
    assert 17 == sum(outcome.ok for outcome in served)
    # 17 rounds of at least 10 ms each.  If hashing held the interpreter there would be a handful of turns.
    assert count > 50


async def test_a_closed_pool_refuses(gate: Gate) -> None:
    """Whoever waits when the app stops is told to come back."""
    pool = HashPool(COST, workers=1)
    first = asyncio.create_task(pool.hash("first"))
    await gate.entry()
    waiting = [asyncio.create_task(pool.hash("more")) for _ in range(2)]
    await turns()
    gate.open.set()
    pool.close()
    assert "hash of first" == await first
    outcomes = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 60)
    assert ["BST503"] * 2 == [outcome.code for outcome in outcomes if isinstance(outcome, BackstayError)]
