"""``sqlite+apsw`` as SQLAlchemy and Alembic use it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    Engine,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    UniqueConstraint,
    Uuid,
    create_engine,
    delete,
    exc,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

import backstay.adapters.sqlite  # noqa: F401 - names the dialect


class Model(DeclarativeBase):
    pass


class Author(Model):
    __tablename__ = "authors"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(30), unique=True)
    posts: Mapped[list[Post]] = relationship(back_populates="author", lazy="selectin")


class Post(Model):
    __tablename__ = "posts"
    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))
    author: Mapped[Author] = relationship(back_populates="posts")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite+apsw:///{tmp_path}/app.db"


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = create_engine(url)
    Model.metadata.create_all(engine)
    yield engine
    engine.dispose()


def test_orm(engine: Engine) -> None:
    """A Session writes, flushes keys, follows relationships, updates and deletes."""
    with Session(engine) as session:
        session.add_all([Author(name="ann", posts=[Post(), Post()]), Author(name="bob")])
        session.commit()
        ann = session.scalars(select(Author).where(Author.name == "ann")).one()
        ann.name = "anna"
        session.delete(ann.posts[0])
        session.commit()
    with Session(engine) as session:
        assert [(a.name, len(a.posts)) for a in session.scalars(select(Author).order_by(Author.id))] == [
            ("anna", 1),
            ("bob", 0),
        ]


def test_row_counts(engine: Engine) -> None:
    """Optimistic locking rests on them."""
    with engine.begin() as connection:
        names = connection.execute(insert(Author).returning(Author.id), [{"name": "a"}, {"name": "b"}, {"name": "c"}])
        counts = (
            len(names.all()),
            connection.execute(update(Author).values(name=Author.name + "!").where(Author.id < 3)).rowcount,
            connection.execute(delete(Author).where(Author.id == 99)).rowcount,
            connection.execute(delete(Author)).rowcount,
        )
    assert counts == (3, 2, 0, 3)


def test_empty_results_have_columns(engine: Engine) -> None:
    """apsw forgets them; the cursor does not."""
    with engine.connect() as connection:
        assert list(connection.execute(select(Author)).keys()) == ["id", "name"]


def test_ddl_is_transactional(engine: Engine) -> None:
    """A migration that fails leaves the schema as it was."""
    with pytest.raises(ZeroDivisionError), engine.begin() as connection:
        connection.execute(text("CREATE TABLE half (x)"))
        raise ZeroDivisionError
    assert "half" not in inspect(engine).get_table_names()


def test_savepoints(engine: Engine) -> None:
    """Also as the first statement of a transaction."""
    with Session(engine) as session:
        with pytest.raises(exc.IntegrityError), session.begin_nested():
            session.add_all([Author(id=1, name="a"), Author(id=2, name="a")])
            session.flush()
        session.add(Author(name="b"))
        session.commit()
        assert session.scalars(select(Author.name)).all() == ["b"]


def test_errors_are_of_the_pep(engine: Engine) -> None:
    """SQLAlchemy's classes, with SQLite's extended code on the original."""
    with engine.connect() as connection:
        with pytest.raises(exc.IntegrityError) as broken:
            connection.execute(insert(Post).values(author_id=99))
        with pytest.raises(exc.OperationalError):
            connection.execute(text("SELECT * FROM nowhere"))
        with pytest.raises(exc.DataError):
            connection.execute(text("SELECT :n"), {"n": 1 << 70})
        with pytest.raises(exc.ProgrammingError):
            connection.exec_driver_sql("SELECT ?", (object(),))
    assert getattr(broken.value.orig, "extendedresult", None) == 787


def test_autocommit(engine: Engine) -> None:
    """Each statement stands by itself; settings that refuse a transaction work."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(insert(Author).values(name="a"))
        connection.rollback()
        connection.execute(text("VACUUM"))
    with engine.connect() as connection:
        assert connection.execute(select(Author.name)).scalars().all() == ["a"]


def test_pragmas_stay_outside_transactions(engine: Engine) -> None:
    """SQLite ignores ``foreign_keys`` inside one, silently."""
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        assert connection.exec_driver_sql("/* why */ PRAGMA foreign_keys").scalar() == 0
        connection.exec_driver_sql("PRAGMA foreign_keys = ON")


def test_reflection(engine: Engine) -> None:
    """What is created is found again: columns, types, keys, constraints, indexes."""
    made = MetaData()
    Table("parents", made, Column("id", Uuid, primary_key=True))
    Table(
        "children",
        made,
        Column("id", Integer, primary_key=True),
        Column("parent_id", Uuid, ForeignKey("parents.id", name="fk_parent", ondelete="CASCADE"), nullable=False),
        Column("at", DateTime(timezone=True)),
        Column("price", Numeric(38, 4)),
        UniqueConstraint("parent_id", "at", name="once"),
        CheckConstraint("price > 0", name="positive"),
        Index("by_price", "price"),
    )
    made.create_all(engine)
    found = MetaData()
    found.reflect(engine, only=["children", "parents"])
    table = found.tables["children"]
    types = {column.name: repr(column.type) for column in table.columns}
    assert types == {
        "id": "INTEGER()",
        "parent_id": "Uuid()",
        "at": "TIMESTAMP(timezone=True)",
        "price": "Numeric(precision=38, scale=4)",
    }
    (key,) = table.foreign_keys
    named = {str(constraint.name) for constraint in table.constraints if constraint.name}
    assert (key.target_fullname, key.ondelete, table.c.parent_id.nullable) == ("parents.id", "CASCADE", False)
    assert (named, {index.name for index in table.indexes}) == ({"once", "positive", "fk_parent"}, {"by_price"})


def test_alembic(engine: Engine) -> None:
    """A migration with a batch rewrite, which is how SQLite changes a table."""
    with engine.begin() as connection:
        connection.execute(insert(Author).values(name="a"))
        operations = Operations(MigrationContext.configure(connection))
        with operations.batch_alter_table("authors") as batch:
            batch.add_column(Column("age", Integer))
            batch.alter_column("name", type_=String(60))
        operations.create_table("extra", Column("id", Integer, primary_key=True))
    columns = {column["name"]: str(column["type"]) for column in inspect(engine).get_columns("authors")}
    assert columns == {"id": "INTEGER", "name": "VARCHAR(60)", "age": "INTEGER"}
    with engine.connect() as connection:
        assert connection.execute(select(Author.name)).scalars().all() == ["a"]


def test_memory_engine() -> None:
    """One thread's engine in memory is one database."""
    engine = create_engine("sqlite+apsw://")
    Model.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Author(name="a"))
        session.commit()
        assert session.scalars(select(Author.name)).all() == ["a"]
    engine.dispose()


@pytest.mark.parametrize("bad", ["sqlite+apsw://host/app.db", "sqlite+apsw://user:secret@/app.db"])
def test_bad_urls(bad: str) -> None:
    """A host has no meaning here."""
    with pytest.raises(exc.ArgumentError):
        create_engine(bad).connect()


async def test_async_engine(url: str) -> None:
    """The same through ``create_async_engine``, in memory too."""
    for one in (url, "sqlite+apsw://"):
        engine = create_async_engine(one)
        async with engine.begin() as connection:
            await connection.run_sync(Model.metadata.create_all)
        async with AsyncSession(engine) as session:
            session.add(Author(name="a", posts=[Post()]))
            await session.commit()
            authors = (await session.scalars(select(Author))).all()
            assert [(author.name, len(author.posts)) for author in authors] == [("a", 1)]
        async with engine.connect() as connection:
            names = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
            streamed = [row.name async for row in await connection.stream(select(Author.name))]
        assert (sorted(names), streamed) == (["authors", "posts"], ["a"])
        await engine.dispose()


async def test_async_connections_run_beside_each_other(url: str) -> None:
    """A long statement on one connection keeps neither the loop nor another connection waiting."""
    engine = create_async_engine(url)
    long = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 3000000) SELECT count(*) FROM c"

    async def run(sql: str) -> int:
        async with engine.connect() as connection:
            return int((await connection.execute(text(sql))).scalar_one())

    order: list[int] = []
    slow = asyncio.create_task(run(long))
    slow.add_done_callback(lambda task: order.append(task.result()))
    await asyncio.sleep(0)
    order.append(await run("SELECT 1"))
    await slow
    assert order == [1, 3_000_000]
    await engine.dispose()


async def test_a_cancelled_statement_stops(url: str) -> None:
    """Nobody waits for an endless statement: it is interrupted and its transaction undone."""
    engine = create_async_engine(url, pool_size=1, max_overflow=0)
    endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2), engine.begin() as connection:
            await connection.execute(text("CREATE TABLE half (x)"))
            await connection.execute(text(endless))
    async with asyncio.timeout(60), engine.connect() as connection:
        tables = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    assert tables == []
    await engine.dispose()


def test_the_standard_module_stays_out() -> None:
    """Two SQLite libraries on one file break its locks."""
    code = (
        "import sys, asyncio, sqlalchemy\n"
        "from backstay.adapters.load import open_database\n"
        "async def main():\n"
        "    database = open_database('sqlite://')\n"
        "    await database.open()\n"
        "    await database.create_tables(sqlalchemy.MetaData())\n"
        "    async with database.session() as session:\n"
        "        await session.execute(sqlalchemy.text('SELECT 1'))\n"
        "    await database.close()\n"
        "asyncio.run(main())\n"
        "print('sqlite3' in sys.modules, '_sqlite3' in sys.modules)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "False False\n"
