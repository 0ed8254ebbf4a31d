"""P1: a rule has a size, which is said at the start; one within it slows no request, and none is answered 500."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from backstay import Backstay, ConfigError, Settings, allow
from backstay.catalog.size import MAX_JOINED, MAX_LEVELS, MAX_PARTS
from tests.http.api import opened, quick_folder
from tests.http.shop_app import SECRET


class Base(DeclarativeBase):
    pass


class Leaf(Base):
    __tablename__ = "leaves"
    id: Mapped[int] = mapped_column(primary_key=True)
    n: Mapped[int]
    name: Mapped[str]
    seen: Mapped[bool]
    over: Mapped[int | None] = mapped_column(sa.ForeignKey("leaves.id"))
    up: Mapped[Leaf | None] = relationship(remote_side=[id], back_populates="down")
    down: Mapped[list[Leaf]] = relationship(back_populates="up")


def _chain(times: int) -> Any:
    found = Leaf.n == 0
    for at in range(times):
        found = (found & (Leaf.n < 99)) if at % 2 else (found | (Leaf.n == at))
    return found


def _sums(times: int) -> Any:
    found: Any = Leaf.n
    for at in range(times):
        found = (found + at) * 1
    return found >= 0


def _texts(times: int) -> Any:
    found: Any = Leaf.name
    for _ in range(times):
        found = sa.func.lower(found + "a")
    return found != "b"


def _over(times: int) -> Any:
    found: Any = Leaf.n >= 0
    for _ in range(times):
        found = Leaf.down.any(found)
    return found | Leaf.seen


def _doubled(times: int) -> Any:
    found: Any = Leaf.n > -1
    for _ in range(times):
        found = sa.and_(found, found)
    return found


#: A shape, how often it fits, and how often it does not.
SHAPES: dict[str, tuple[Callable[[int], Any], int, int]] = {
    "list": (lambda times: Leaf.n.in_(range(times)), MAX_PARTS - 10, 20_000),
    "rows": (
        lambda times: sa.tuple_(Leaf.n, Leaf.n).in_([(at, at) for at in range(times)]),
        MAX_PARTS // 5,
        MAX_PARTS,
    ),
    "alternatives": (lambda times: sa.or_(*(Leaf.n == at for at in range(times))), MAX_JOINED, MAX_JOINED + 1),
    "columns": (lambda times: sa.or_(*[Leaf.seen] * times), MAX_JOINED, MAX_JOINED + 1),
    "chain": (_chain, 30, 400),
    "sums": (_sums, 15, 300),
    "sum": (lambda times: sum([Leaf.n] * times) >= 0, MAX_LEVELS - 4, 500),
    "texts": (_texts, 11, 200),
    "relations": (_over, 8, 120),
    "doubled": (_doubled, 8, 14),
}


def _app(says: Callable[[], Any]) -> Callable[[str], Backstay]:
    def rule(me: Any) -> Any:
        return says()

    def leaves(url: str) -> Backstay:
        return Backstay(
            models=Base,
            policies=[allow("read", "create", "update", "delete", Leaf, to="anon")(rule)],
            settings=Settings(database=url, jwt_secret=SECRET),
        )

    return leaves


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> str:
    return str(request.param)


ROWS = [{"id": at, "n": at, "name": "x", "seen": True, "over": at - 1 or None} for at in range(1, 4)]
#: As many embeds as there may be, and as deep.
EMBEDS = "id,up(id,up(id,up(id,up(id,up(id))))),a:down(id),b:down(id),c:down(id),d:down(id),e:down(id)"


@pytest.mark.parametrize("shape", SHAPES)
def test_a_rule_at_the_bound_is_served(database: str, shape: str) -> None:
    """P1: by every action, and in embeds as deep as they may be."""
    build, fits, _ = SHAPES[shape]
    app = _app(lambda: build(fits))
    with quick_folder() as folder, opened(database, folder, app, {"leaves": ROWS}, "sized") as api:
        back = {"prefer": "return=representation"}
        told = (
            api.get(f"leaves?select={EMBEDS}&order=id").status,
            api.post(f"leaves?select={EMBEDS}", {"id": 9, "n": 6, "name": "x", "seen": True}, **back).status,
            api.patch(f"leaves?id=eq.9&select={EMBEDS}", {"n": 8}, **back).status,
            api.delete(f"leaves?id=eq.9&select={EMBEDS}", **back).status,
        )
    assert (200, 201, 200, 200) == told


@pytest.mark.parametrize("shape", SHAPES)
def test_one_past_it_ends_the_start(database: str, shape: str) -> None:
    """P1: with its place and what to write, alike on both databases, however large it is."""
    build, _, larger = SHAPES[shape]
    with (
        quick_folder() as folder,
        pytest.raises(ConfigError) as refused,
        opened(database, folder, _app(lambda: build(larger)), {}, "sized"),
    ):
        pass
    assert ("BST-E056", True) == (refused.value.code, "test_policy_size.py:" in refused.value.message)
