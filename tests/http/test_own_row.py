"""AC6, S2: the row that a write is about is in nobody's way, so it is not named where a hidden one is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from backstay import Backstay, Me, Settings, allow
from tests.http.api import Api, Reply, opened, quick_folder
from tests.http.shop_app import SECRET


class Model(DeclarativeBase):
    pass


class Page(Model):
    __tablename__ = "pages"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    site: Mapped[int]
    slug: Mapped[str]
    shown: Mapped[bool]
    __table_args__ = (sa.UniqueConstraint("site", "slug"),)


ROWS: dict[str, list[dict[str, Any]]] = {
    "pages": [
        {"id": 1, "site": 1, "slug": "a", "shown": True},
        {"id": 2, "site": 1, "slug": "b", "shown": True},
        {"id": 9, "site": 2, "slug": "x", "shown": False},
    ]
}


@allow("read", Page)
def shown(me: Me) -> Any:
    return Page.shown


@allow("create", "update", Page)
def anything(me: Me) -> Any:
    return True


def site(url: str) -> Backstay:
    return Backstay(models=Model, policies=[shown, anything], settings=Settings(database=url, jwt_secret=SECRET))


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def opened_site(request: pytest.FixtureRequest) -> Iterator[Api]:
    with quick_folder() as folder, opened(request.param, folder, site, ROWS, "own") as api:
        yield api


@pytest.fixture
def pages(opened_site: Api) -> Api:
    return opened_site.clean()


BARE = (409, "23505", "duplicate key value violates unique constraint", None)
MERGE = "resolution=merge-duplicates"


def told(reply: Reply) -> tuple[int, str | None, str, Any]:
    return reply.status, reply.code, reply.json["message"], reply.json["details"]


def moved(**values: Any) -> dict[str, Any]:
    return {"id": 1, "site": 2, "slug": "x", "shown": True, **values}


def test_an_upsert(pages: Api) -> None:
    """By its key, by PUT, and by another constraint: the row that it finds is the one that it changes."""
    assert BARE == told(pages.post("pages", moved(), as_="ann", prefer=MERGE))
    assert BARE == told(pages.put("pages?id=eq.1", moved(), as_="ann"))
    by_slug = {"id": 9, "site": 1, "slug": "a", "shown": True}
    assert BARE == told(pages.post("pages?on_conflict=site,slug", by_slug, as_="ann", prefer=MERGE))


@pytest.mark.parametrize("asked", ["id=eq.1", "slug=eq.a", "id=lt.2&shown=is.true", "id=eq.1&select=slug"])
def test_a_patch(pages: Api, asked: str) -> None:
    """However the URL finds it."""
    assert BARE == told(pages.patch(f"pages?{asked}", moved(), as_="ann"))


def test_what_is_seen_is_still_named(pages: Api) -> None:
    """AC6: another row that the caller sees."""
    taken = moved(site=1, slug="b")
    for reply in (
        pages.post("pages", taken, as_="ann", prefer=MERGE),
        pages.put("pages?id=eq.1", taken, as_="ann"),
        pages.patch("pages?id=eq.1", taken, as_="ann"),
        pages.patch("pages?id=eq.1", {"id": 2}, as_="ann"),
    ):
        assert (409, "23505") == (reply.status, reply.code)
        assert "Key (" in reply.json["details"]
