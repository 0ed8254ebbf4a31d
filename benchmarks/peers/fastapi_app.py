"""The same timeline as FastAPI's and SQLAlchemy's documentation teach to write it.

Async SQLAlchemy with a session per request, pydantic response models, PyJWT in a dependency.
``BENCH_DATABASE`` is ``sqlite+aiosqlite:///…`` or ``postgresql+asyncpg://…``, ``BENCH_SECRET`` the HS256 secret.
"""

import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID, uuid4

import jwt
from fastapi import Depends, FastAPI, HTTPException, status
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import DateTime, ForeignKey, String, TypeDecorator, Uuid, event, exists, or_, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, joinedload, mapped_column, relationship

SECRET = os.environ["BENCH_SECRET"]

# As many connections as the floor has, none opened and closed under load: faster here than the default pool.
engine = create_async_engine(os.environ["BENCH_DATABASE"], pool_size=8, max_overflow=0)
new_session = async_sessionmaker(engine, expire_on_commit=False)

if engine.dialect.name == "sqlite":

    @event.listens_for(engine.sync_engine, "connect")
    def set_pragmas(connection: Any, record: Any) -> None:
        cursor = connection.cursor()
        for pragma in ("foreign_keys=ON", "journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()


class UuidText(TypeDecorator[UUID]):
    """SQLAlchemy's own ``Uuid`` stores 32 digits in SQLite; the file at hand has the usual 36 characters."""

    impl = String(36)
    cache_ok = True

    def process_bind_param(self, value: UUID | None, dialect: Any) -> str | None:
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Any) -> UUID | None:
        return None if value is None else UUID(value)


class MomentText(TypeDecorator[datetime]):
    """Likewise ``2026-01-01T12:00:00+00:00`` for ``2026-01-01 12:00:00.000000``; both are read by one C function."""

    impl = String(32)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> str | None:
        return None if value is None else value.isoformat()

    def process_result_value(self, value: str | None, dialect: Any) -> datetime | None:
        return None if value is None else datetime.fromisoformat(value)


class Base(DeclarativeBase):
    type_annotation_map: ClassVar = {
        UUID: Uuid().with_variant(UuidText(), "sqlite"),
        datetime: DateTime(timezone=True).with_variant(MomentText(), "sqlite"),
    }


class Profile(Base):
    __tablename__ = "profiles"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    handle: Mapped[str] = mapped_column(String(30), unique=True)
    name: Mapped[str] = mapped_column(String(80))


class Post(Base):
    __tablename__ = "posts"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    author_id: Mapped[UUID] = mapped_column(ForeignKey("profiles.id"))
    body: Mapped[str] = mapped_column(String(280))
    public: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))
    author: Mapped[Profile] = relationship()


class Follow(Base):
    __tablename__ = "follows"
    follower_id: Mapped[UUID] = mapped_column(ForeignKey("profiles.id"), primary_key=True)
    followee_id: Mapped[UUID] = mapped_column(ForeignKey("profiles.id"), primary_key=True)


class AuthorOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    handle: str
    name: str


class PostOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: UUID
    body: str
    created_at: datetime
    author: AuthorOut


class PostIn(BaseModel):
    author_id: UUID
    body: str = Field(min_length=1, max_length=280)


async def get_session() -> AsyncIterator[AsyncSession]:
    async with new_session() as session:
        yield session


bearer = HTTPBearer()


async def get_current_user(credentials: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]) -> UUID:
    try:
        claims = jwt.decode(
            credentials.credentials,
            SECRET,
            algorithms=["HS256"],
            audience="authenticated",
            options={"require": ["exp", "sub"]},
        )
    except jwt.InvalidTokenError as error:
        raise HTTPException(status.HTTP_401_UNAUTHORIZED, "Could not validate credentials") from error
    return UUID(claims["sub"])


Session = Annotated[AsyncSession, Depends(get_session)]
CurrentUser = Annotated[UUID, Depends(get_current_user)]

app = FastAPI()


@app.get("/timeline")
async def timeline(db: Session, me: CurrentUser) -> list[PostOut]:
    followed = exists().where(Follow.follower_id == me, Follow.followee_id == Post.author_id)
    posts = await db.scalars(
        select(Post)
        .where(or_(Post.public, Post.author_id == me, followed))
        .options(joinedload(Post.author))
        .order_by(Post.created_at.desc(), Post.id.desc())
        .limit(20)
    )
    return posts.all()  # type: ignore[return-value]  # FastAPI turns rows into PostOut


@app.post("/posts", status_code=status.HTTP_201_CREATED)
async def write(post: PostIn, db: Session, me: CurrentUser) -> None:
    if post.author_id != me:
        raise HTTPException(status.HTTP_403_FORBIDDEN, "Not your post")
    db.add(Post(author_id=post.author_id, body=post.body))
    await db.commit()
