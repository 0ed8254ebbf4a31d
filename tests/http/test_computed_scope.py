"""S3: a computed field that looks at other rows, in whatever form, is for those who may read all of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, aliased, column_property, mapped_column, relationship

from backstay import Backstay, Settings, allow
from tests.http.api import Api, opened, quick_folder
from tests.http.shop_app import SECRET


class Base(DeclarativeBase):
    pass


class Firm(Base):
    __tablename__ = "firms"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    workers: Mapped[list[Worker]] = relationship(back_populates="firm")


class Worker(Base):
    __tablename__ = "workers"
    id: Mapped[int] = mapped_column(primary_key=True)
    firm_id: Mapped[int] = mapped_column(sa.ForeignKey("firms.id"))
    owner: Mapped[int]
    salary: Mapped[int]
    firm: Mapped[Firm] = relationship(back_populates="workers")

    @hybrid_property
    def doubled(self) -> int:
        return self.salary * 2

    @hybrid_property
    def beside(self) -> int:
        return self.id

    @beside.inplace.expression
    @classmethod
    def _beside(cls) -> Any:
        other = aliased(Worker)
        count = sa.select(sa.func.count(other.id)).where(other.firm_id == cls.firm_id)
        return count.correlate(cls).scalar_subquery()

    @hybrid_property
    def employs(self) -> bool:
        return False

    @employs.inplace.expression
    @classmethod
    def _employs(cls) -> Any:
        return cls.firm.has(Firm.workers.any(Worker.salary > 80))


def _top(column: Any) -> Any:
    return sa.select(sa.func.max(column))


_T = Worker.__table__
Worker.plain_top = column_property(_top(Worker.salary).correlate(None).scalar_subquery())  # type: ignore[attr-defined]
Worker.core_top = column_property(_top(_T.c.salary).correlate(None).scalar_subquery())  # type: ignore[attr-defined]
Worker.except_top = column_property(_top(Worker.salary).correlate_except(Worker).scalar_subquery())  # type: ignore[attr-defined]
Worker.alias_top = column_property(_top(_T.alias().c.salary).scalar_subquery())  # type: ignore[attr-defined]
Worker.cte_top = column_property(  # type: ignore[attr-defined]
    _top(sa.select(Worker.salary).cte().c.salary).scalar_subquery()
)
Worker.derived_top = column_property(  # type: ignore[attr-defined]
    _top(sa.select(_T.c.salary).subquery().c.salary).scalar_subquery()
)
Worker.union_top = column_property(  # type: ignore[attr-defined]
    _top(sa.union_all(sa.select(_T.c.salary), sa.select(_T.c.id)).subquery().c.salary).scalar_subquery()
)
Worker.counted = column_property(  # type: ignore[attr-defined]
    sa.select(sa.func.count()).select_from(_T).correlate(None).scalar_subquery()
)
Worker.unlabelled = column_property(  # type: ignore[attr-defined]
    sa.case((sa.exists(sa.select(_T.c.id).where(_T.c.salary > 80).correlate(None)), 1), else_=0)
)
# Nobody can tell which rows these look at.
Worker.windowed = column_property(sa.func.max(Worker.salary).over())  # type: ignore[attr-defined]
Worker.bare = column_property(sa.func.max(Worker.salary))  # type: ignore[attr-defined]
Worker.told = column_property(sa.literal_column("(select max(salary) from workers)", sa.Integer()))  # type: ignore[attr-defined]
Worker.textual = column_property(sa.type_coerce(sa.text("salary"), sa.Integer))  # type: ignore[attr-defined]
Worker.nameless = column_property(sa.column("salary", sa.Integer) + 0)  # type: ignore[attr-defined]
Worker.nested = column_property(sa.func.coalesce(sa.column("salary"), 0))  # type: ignore[attr-defined]
Worker.operated = column_property(_T.c.id.op("+ (select max(salary) from workers) +")(0))  # type: ignore[attr-defined]
Worker.mixed = column_property(sa.and_(_T.c.id > 1, _T.c.salary))  # type: ignore[attr-defined]
Worker.outer = column_property(_top(_T.c.salary).correlate(_T).scalar_subquery())  # type: ignore[attr-defined]
Worker.third = column_property(sa.type_coerce(_T.c.id + Firm.__table__.c.id, sa.Integer))  # type: ignore[attr-defined]

ELSEWHERE: Final = [
    "plain_top",
    "core_top",
    "except_top",
    "alias_top",
    "cte_top",
    "derived_top",
    "union_top",
    "counted",
    "unlabelled",
    "beside",
    "employs",
]
UNTOLD: Final = ["windowed", "bare", "told", "textual", "third", "nameless", "nested", "operated", "mixed", "outer"]

ROWS: Final = {
    "firms": [{"id": 1, "name": "one"}, {"id": 2, "name": "two"}],
    "workers": [
        {"id": 1, "firm_id": 1, "owner": 1, "salary": 90},
        {"id": 2, "firm_id": 1, "owner": 2, "salary": 10},
        {"id": 3, "firm_id": 2, "owner": 2, "salary": 20},
    ],
}


@allow("read", Worker)
def own(me: Any) -> Any:
    return Worker.owner == me.id


@allow("read", Worker, Firm, to="staff")
@allow("read", Firm)
def everything(me: Any) -> Any:
    return True


def works(url: str) -> Backstay:
    settings = Settings(database=url, jwt_secret=SECRET)
    return Backstay(models=[Firm, Worker], policies=[own, everything], settings=settings)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def api(request: pytest.FixtureRequest) -> Iterator[Api]:
    with quick_folder() as folder, opened(request.param, folder, works, ROWS, "works") as api:
        yield api


@pytest.mark.parametrize("field", ELSEWHERE)
@pytest.mark.parametrize(
    "query",
    ["workers?select={}", "workers?{}=gt.0", "workers?order={}", 
     "firms?select=id,workers({})", "firms?select=id,workers!inner(id)&workers.{}=gt.0"],
)  # fmt: skip
def test_hidden_rows_do_not_count(api: Api, field: str, query: str) -> None:
    """S3: who may not read every row has no field that looks at them, wherever it is named."""
    reply = api.get(query.format(field), as_="bob")
    assert (400, "42703") == (reply.status, reply.code)


@pytest.mark.parametrize(
    ("field", "expected"),
    [("beside", [2, 2, 1]), ("employs", [True, True, False]), ("unlabelled", [1, 1, 1]), ("counted", [3, 3, 3])]
    + [(field, [90, 90, 90]) for field in ELSEWHERE if field.endswith("_top")],
)
def test_everybody_else_gets_the_right_value(api: Api, field: str, expected: list[Any]) -> None:
    """S3: the row's own columns are the row's, and a subquery's are the table's, on an alias and in an embed."""
    rows = api.get(f"workers?select={field}&order=id", as_="dee").json
    assert expected == [row[field] for row in rows]
    firms = api.get(f"firms?select=workers({field})&order=id&workers.order=id", as_="dee").json
    assert expected == [row[field] for firm in firms for row in firm["workers"]]


@pytest.mark.parametrize("field", UNTOLD)
@pytest.mark.parametrize("who", ["bob", "dee", "svc"])
def test_what_cannot_be_told_is_not_served(api: Api, field: str, who: str) -> None:
    """S3: windows, bare aggregates, texts and rows of a third table are no field for anybody."""
    assert "42703" == api.get(f"workers?select={field}", as_=who).code


def test_the_rows_own_columns(api: Api) -> None:
    """S3: a field of its own row's columns alone stays everybody's."""
    assert [{"doubled": 20}, {"doubled": 40}] == api.get("workers?select=doubled&order=id", as_="bob").json
