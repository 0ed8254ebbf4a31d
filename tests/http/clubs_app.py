"""Tables whose rules look at their own rows, each form of rule on a table of its own, with its oracle in plain Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, aliased, mapped_column, relationship

from backstay import Backstay, Settings, allow
from tests.http.shop_app import SECRET

Row = Mapping[str, Any]
Judge = Callable[[Row, Sequence[Row], Sequence[Row]], bool]

#: The caller of all tests.
BOB: Final = 2


class Base(DeclarativeBase):
    pass


class Club(Base):
    __tablename__ = "clubs"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[int]


@dataclass(frozen=True)
class Form:
    """A rule in SQL, for the model, and the same in Python, for (row, rows before, clubs before)."""

    name: str
    sql: Callable[[Any, Any], Any]
    judge: Judge

    def negated(self) -> Form:
        return Form(f"not_{self.name}", lambda m, me: ~self.sql(m, me), lambda *now: not self.judge(*now))

    def beside(self, other: Form) -> Form:
        return Form(
            f"{self.name}_and_{other.name}",
            lambda m, me: self.sql(m, me) & other.sql(m, me),
            lambda *now: self.judge(*now) and other.judge(*now),
        )

    def either(self, other: Form) -> Form:
        return Form(
            f"{self.name}_or_{other.name}",
            lambda m, me: self.sql(m, me) | other.sql(m, me),
            lambda *now: self.judge(*now) or other.judge(*now),
        )


def _aliased_exists(m: Any, me: Any) -> Any:
    x = aliased(m)
    return sa.exists().where(x.club == m.club, x.who == me.id)


def _aliased_in(m: Any, me: Any) -> Any:
    x = aliased(m)
    return m.club.in_(sa.select(x.club).where(x.who == me.id))


def _aliased_count(m: Any, me: Any) -> Any:
    x = aliased(m)
    return sa.select(sa.func.count()).select_from(x).where(x.club == m.club).scalar_subquery() < 2


def _two_aliases(m: Any, me: Any) -> Any:
    x, y = aliased(m), aliased(m)
    inner = sa.exists().where(y.club == x.club, y.who == me.id)
    return sa.exists().where(x.club == m.club, x.rank > m.rank, inner)


def _derived(m: Any, me: Any) -> Any:
    mine = sa.select(m.club.label("club")).where(m.who == me.id).subquery()
    return sa.exists().where(mine.c.club == m.club)


def _mine(row: Row, rows: Sequence[Row], clubs: Sequence[Row]) -> bool:
    return row["who"] == BOB


def _member(row: Row, rows: Sequence[Row], clubs: Sequence[Row]) -> bool:
    return any(other["club"] == row["club"] and other["who"] == BOB for other in rows)


OWN: Final = Form("own", lambda m, me: m.who == me.id, _mine)
LOW: Final = Form("low", lambda m, me: m.rank < 3, lambda row, rows, clubs: row["rank"] < 3)

ATOMS: Final = (
    Form("aliased_exists", _aliased_exists, _member),
    Form("aliased_in", _aliased_in, _member),
    Form("plain_in", lambda m, me: m.club.in_(sa.select(m.club).where(m.who == me.id)), _member),
    Form("core_in", lambda m, me: m.club.in_(sa.select(m.__table__.c.club).where(m.__table__.c.who == me.id)), _member),
    Form("common_table", lambda m, me: m.club.in_(sa.select(sa.select(m.club).where(m.who == me.id).cte().c.club)), _member),
    Form("derived", _derived, _member),
    Form(
        "union",
        lambda m, me: m.club.in_(
            sa.union(sa.select(m.club).where(m.who == me.id), sa.select(Club.id).where(Club.owner == me.id))
        ),
        lambda row, rows, clubs: _member(row, rows, clubs)
        or any(club["id"] == row["club"] and club["owner"] == BOB for club in clubs),
    ),
    Form(
        "plain_exists",
        lambda m, me: sa.exists(sa.select(m.id).where(m.who == me.id, m.rank > 1)),
        lambda row, rows, clubs: any(other["who"] == BOB and other["rank"] > 1 for other in rows),
    ),
    Form(
        "plain_count",
        lambda m, me: sa.select(sa.func.count(m.id)).where(m.who == me.id).correlate(None).scalar_subquery() < 2,
        lambda row, rows, clubs: sum(other["who"] == BOB for other in rows) < 2,
    ),
    Form(
        "aliased_count",
        _aliased_count,
        lambda row, rows, clubs: sum(other["club"] == row["club"] for other in rows) < 2,
    ),
    Form(
        "highest",
        lambda m, me: m.rank <= sa.func.coalesce(sa.select(sa.func.max(m.rank)).correlate(None).scalar_subquery(), 2),
        lambda row, rows, clubs: row["rank"] <= max((other["rank"] for other in rows), default=2),
    ),
    Form(
        "two_levels",
        lambda m, me: m.club.in_(sa.select(Club.id).where(Club.id.in_(sa.select(m.club).where(m.who == me.id)))),
        _member,
    ),
    Form(
        "two_aliases",
        _two_aliases,
        lambda row, rows, clubs: any(
            other["club"] == row["club"] and other["rank"] > row["rank"] and _member(other, rows, clubs)
            for other in rows
        ),
    ),
    Form(
        "through_clubs",
        lambda m, me: m.club.in_(sa.select(Club.id).where(Club.owner == me.id)),
        lambda row, rows, clubs: any(club["id"] == row["club"] and club["owner"] == BOB for club in clubs),
    ),
    Form(
        "relationships",
        lambda m, me: m.of.has(getattr(Club, m.__tablename__).any(m.who == me.id)),
        _member,
    ),
    Form(
        "models",
        lambda m, me: m.club.in_(sa.select(Club.id).join(getattr(Club, m.__tablename__)).where(m.who == me.id)),
        _member,
    ),
)  # fmt: skip

FORMS: Final = {
    f"m_{form.name}": form
    for atom in ATOMS
    for form in (atom, atom.negated(), atom.beside(OWN), atom.either(OWN), atom.negated().beside(LOW))
}


def _model(name: str) -> Any:
    return type(
        name.title().replace("_", ""),
        (Base,),
        {
            "__tablename__": name,
            "__annotations__": {"id": Mapped[int], "club": Mapped[int], "who": Mapped[int], "rank": Mapped[int]},
            "id": mapped_column(primary_key=True),
            "club": mapped_column(sa.ForeignKey("clubs.id")),
            # Only the database knows it: what is judged is not all of what is sent.
            "rank": mapped_column(server_default=sa.text("2")),
            "of": relationship(Club, backref=name),
        },
    )


MODELS: Final = {name: _model(name) for name in FORMS}
sa.orm.configure_mappers()


def _policies() -> list[Any]:
    @allow("read", "create", "update", "delete", Club)
    def clubs(me: Any) -> Any:
        return True

    @allow("read", *MODELS.values())
    def seen(me: Any) -> Any:
        return True

    made = [clubs, seen]
    for name, form in FORMS.items():

        def rule(me: Any, *, _model: Any = MODELS[name], _form: Form = form) -> Any:
            return _form.sql(_model, me)

        rule.__name__ = f"rule_{name}"
        made.append(allow("create", "update", "delete", MODELS[name], to="authenticated")(rule))
    return made


def clubs(url: str) -> Backstay:
    return Backstay(
        models=[Club, *MODELS.values()], policies=_policies(), settings=Settings(jwt_secret=SECRET, database=url)
    )
