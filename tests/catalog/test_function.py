"""Functions that could not be called, or whose answers could not be read, do not start."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NewType, TypedDict

import msgspec
import pydantic
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column

from backstay import Backstay
from backstay.catalog import function
from backstay.errors import ConfigError


class Base(DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)


class Plain(MappedAsDataclass, Base):
    __tablename__ = "plain"
    id: Mapped[int] = mapped_column(primary_key=True)


class Strange:
    """Nothing that JSON knows."""


class Mood(enum.Enum):
    glad = "glad"


@dataclass
class Quote:
    total: Decimal
    tags: list[str] = field(default_factory=list)
    follow: Quote | None = None


@dataclass
class Holding:
    strange: Strange


class Named(TypedDict):
    name: str


class Box(pydantic.BaseModel):
    side: int


class Struct(msgspec.Struct):
    side: int


UserId = NewType("UserId", int)

WRONG: list[tuple[str, str, str]] = [
    ("def f(a) -> int: ...", "does not say what a is", "a: int"),
    ("def f(a=1) -> int: ...", "does not say what a is", "a: int"),
    ("def f(a: int): ...", "does not say what it returns", "-> None"),
    ("async def f(): ...", "does not say what it returns", "-> None"),
    ("def f(*a: int) -> int: ...", "takes *a", "Name every argument"),
    ("def f(**a: int) -> int: ...", "takes **a", "Name every argument"),
    ("def f(a: int, /) -> int: ...", "which has no name", "Name every argument"),
    ("def f(a: Strange) -> int: ...", "JSON has no Strange", "dataclasses"),
    ("def f(a: list[Strange]) -> int: ...", "JSON has no Strange", "dataclasses"),
    ("def f(a: dict[str, Strange | None]) -> int: ...", "JSON has no Strange", "dataclasses"),
    ("def f(a: Holding) -> int: ...", "JSON has no Strange", "dataclasses"),
    ("def f(a: complex) -> int: ...", "JSON has no complex", "dataclasses"),
    ("def f(a: object) -> int: ...", "JSON has no object", "dataclasses"),
    ("def f(a: Callable[[], int]) -> int: ...", "JSON has no Callable", "dataclasses"),
    ("def f(a: Iterator[int]) -> int: ...", "JSON has no Iterator", "dataclasses"),
    ("def f(a: Quote | Named) -> int: ...", "may not contain more than one dict-like", "dataclasses"),
    ("def f(a: Note) -> int: ...", "Note is a model", "load the row"),
    ("def f(a: list[Plain]) -> int: ...", "Plain is a model", "load the row"),
    ("def f(a: 'Missing') -> int: ...", "annotations that cannot be read", "Import the names"),
    ("def f(a: sa.Missing) -> int: ...", "annotations that cannot be read", "Import the names"),
    ("def f(a: int = 'x') -> int: ...", "the default 'x' is not of its type", "annotated int"),
    ("def f(a: int = None) -> int: ...", "None is not of its type", "int | None"),
    ("def f(a: int = 1.5) -> int: ...", "the default 1.5 is not of its type", "annotated int"),
    ("def f(a: int = True) -> int: ...", "the default True is not of its type", "annotated int"),
    ("def f(a: list[int] = ['x']) -> int: ...", "is not of its type", "annotated list[int]"),
    ("def f(a: Literal['x', 'y'] = 'z') -> int: ...", "the default 'z' is not of its type", "Literal"),
    ("def f(a: Annotated[int, msgspec.Meta(ge=1)] = 0) -> int: ...", "the default 0", "annotated"),
    ("def f() -> Strange: ...", "JSON has no Strange", "dataclasses"),
    ("def f() -> list[Strange]: ...", "JSON has no Strange", "dataclasses"),
    ("def f() -> Strange | None: ...", "JSON has no Strange", "dataclasses"),
    ("def f() -> Iterator[int]: ...", "JSON has no Iterator", "Return a list"),
    ("def f() -> Iterable[int]: ...", "JSON has no Iterable", "Return a list"),
    ("def f() -> Generator[int, None, None]: ...", "JSON has no Generator", "Return a list"),
    ("def f() -> dict[str, Note]: ...", "rows of Note are shown by policies", "list[Note]"),
    ("def f() -> tuple[Plain, int]: ...", "rows of Plain are shown by policies", "list[Plain]"),
    ("def f() -> Note | Quote: ...", "rows of Note are shown by policies", "list[Note]"),
    ("def f() -> Iterator[int]:\n    yield 1", "yields", "Return a list"),
    ("async def f() -> AsyncIterator[int]:\n    yield 1", "yields", "Return a list"),
    ("def f(db: AsyncSession) -> int: ...", "is not async", "Session"),
    ("class f: ...", "is no function", "above def"),
]


HEAD = """
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from backstay import Me
"""


def made(text: str) -> Any:
    space = dict(globals())
    exec(HEAD, space)
    exec(compile(text, "functions.py", "exec"), space)
    return function(space["f"])


@pytest.mark.parametrize(("text", "seen", "advice"), WRONG, ids=[text for text, *_ in WRONG])
def test_what_could_not_be_called_is_refused(text: str, seen: str, advice: str) -> None:
    """P3: BST-E030, with file and line, what was seen and what to write."""
    with pytest.raises(ConfigError) as refused:
        made(text)
    fault = refused.value
    assert ("BST-E030", True, True) == (fault.code, seen in fault.message, advice in (fault.hint or "")), (
        fault.message,
        fault.hint,
    )
    assert "is no function" in seen or fault.message.startswith("functions.py:1: f ")


RIGHT = [
    "def f() -> None: ...",
    "def f() -> Any: ...",
    "def f(me: Me, a: Any, b: Any = object()) -> int: ...",
    "def f(a: int | None = None, b: float = 1, c: Decimal = Decimal('1.5'), d: str = '') -> str | None: ...",
    "def f(a: date = date(2026, 1, 1), b: UUID | None = None, c: timedelta = timedelta(1)) -> date: ...",
    "def f(a: Mood = Mood.glad, b: Literal['x', 1, None] = None) -> Mood: ...",
    "def f(a: Quote = Quote(Decimal(1)), b: list[Quote] = [], c: Named = {'name': 'x'}) -> Quote: ...",
    "def f(a: Box, b: list[Box], c: Box | None = None, d: Box = Box(side=1)) -> list[Box]: ...",
    "def f(a: Struct, b: set[int] = {1}, c: tuple[int, ...] = (1,), d: dict[str, int] = {}) -> Struct: ...",
    "def f(a: UserId, b: Annotated[int, msgspec.Meta(ge=1)] = 1, c: Sequence[int] = ()) -> UserId: ...",
    "def f(a: int | msgspec.UnsetType = msgspec.UNSET) -> Quote | Named: ...",
    "def f() -> Note: ...",
    "def f() -> Note | None: ...",
    "def f() -> list[Note]: ...",
    "def f() -> Iterable[Note]: ...",
    "def f() -> list[dict[str, Any]]: ...",
    "def f() -> list[sa.Row]: ...",
    "async def f(db: AsyncSession, me: Me) -> bytes: ...",
]


@pytest.mark.parametrize("text", RIGHT)
def test_what_can_be_called_starts(text: str) -> None:
    """P3: every type that JSON can bring and take, and defaults of these."""
    assert "f" == made(text).name


@pytest.mark.parametrize("to", [(), "", " anon", ["anon", None]])
def test_a_function_for_nobody_is_refused(to: Any) -> None:
    """P3: BST-E030, when ``to`` names no role."""

    def f() -> int:
        return 1

    with pytest.raises(ConfigError, match="names no role") as refused:
        function(to=to)(f)
    assert "BST-E030" == refused.value.code


def test_rows_that_the_app_does_not_serve_are_refused() -> None:
    """P3: BST-E033, when the app is made, and not at each call."""

    @function
    def stranger() -> list[Note]:
        return []

    with pytest.raises(ConfigError, match=r"test_function\.py:\d+: stranger returns rows of Note") as refused:
        Backstay(models=sa.MetaData(), functions=[stranger])
    assert "BST-E033" == refused.value.code
