"""What the key behind every order costs on SQLite: the plans, which do not depend on the machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from backstay import Backstay, Me, Settings, allow
from backstay import Model as Base
from tests.http.api import Api, opened, quick_folder
from tests.http.shop_app import SECRET


class Model(DeclarativeBase):
    """A base of its own, so that other apps of the tests do not share its tables."""

    metadata = sa.MetaData(naming_convention=Base.metadata.naming_convention)
    type_annotation_map = Base.type_annotation_map


class Post(Model):
    __tablename__ = "posts"
    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("posts.id"), index=True)
    kind: Mapped[str] = mapped_column(index=True)
    posted_at: Mapped[int] = mapped_column(index=True)
    text: Mapped[str]


@allow("read", Post)
def posts(me: Me) -> Any:
    """Anyone reads."""
    return True


def blog(url: str) -> Backstay:
    given = Settings(database=url, jwt_secret=SECRET, plan_enabled=True)
    return Backstay(models=Model, policies=[posts], settings=given)


@pytest.fixture(scope="module")
def opened_blog() -> Iterator[Api]:
    with quick_folder() as folder, opened("sqlite", folder, blog, {"posts": []}, "blog") as api:
        yield api


@pytest.mark.parametrize(
    ("path", "step"),
    [
        ("posts?limit=20", "SCAN t1"),
        ("posts?order=id.desc&limit=20", "SCAN t1"),
        ("posts?kind=eq.a&limit=20", "SEARCH t1 USING INDEX posts_kind_idx (kind=?)"),
        ("posts?kind=eq.a&order=id.desc&limit=20", "SEARCH t1 USING INDEX posts_kind_idx (kind=?)"),
        ("posts?id=eq.5", "SEARCH t1 USING INTEGER PRIMARY KEY (rowid=?)"),
        ("posts?order=posted_at.desc&limit=20", "SCAN t1 USING INDEX posts_posted_at_idx"),
        ("posts?order=posted_at&limit=20", "SCAN t1 USING INDEX posts_posted_at_idx"),
        (
            "posts?posted_at=gt.5&order=posted_at.desc&limit=20",
            "SEARCH t1 USING INDEX posts_posted_at_idx (posted_at>?)",
        ),
        ("posts?order=kind.desc&limit=20", "SCAN t1 USING INDEX posts_kind_idx"),
        (
            "posts?select=id,posts!parent_id(id)&limit=20",
            "SEARCH t2 USING COVERING INDEX posts_parent_id_idx (parent_id=?)",
        ),
    ],
)
def test_nothing_is_sorted_that_lies_in_order(opened_blog: Api, path: str, step: str) -> None:
    """S2: the key behind the order is what an index ends with: filters still search it, and nothing is sorted."""
    reply = opened_blog.get(path, as_="svc", accept="application/vnd.pgrst.plan+json")
    steps = [one["detail"] for one in reply.json]
    assert step in steps
    assert not [one for one in steps if "TEMP B-TREE" in one]
