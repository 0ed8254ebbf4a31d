"""Chirp, a small Twitter.  This page is the whole backend: models, policies, functions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    JSON,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    String,
    and_,
    delete,
    exists,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column, relationship

from backstay import Backstay, Caller, Me, Model, allow, function
from backstay.errors import RequestError

_JSON = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def _now() -> datetime:
    return datetime.now(UTC)


class Profile(Model):
    """A person, under the handle that others see."""

    __tablename__ = "profiles"
    id: Mapped[UUID] = mapped_column(primary_key=True)  # the account's id
    handle: Mapped[str] = mapped_column(String(30), unique=True)
    name: Mapped[str] = mapped_column(String(80))
    email: Mapped[str | None] = mapped_column(String(254))  # private: its owner alone reads it
    joined_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=_now)
    posts: Mapped[list[Post]] = relationship(back_populates="author")


class Post(Model):
    """A few words, for everyone or for followers."""

    __tablename__ = "posts"
    __table_args__ = (
        CheckConstraint("length(body) BETWEEN 1 AND 280", name="body_length"),
        Index("posts_newest", "created_at", "id"),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    author_id: Mapped[UUID] = mapped_column(ForeignKey("profiles.id"), index=True)
    body: Mapped[str] = mapped_column(String(280))
    public: Mapped[bool] = mapped_column(default=True)
    place: Mapped[dict[str, Any] | None] = mapped_column(_JSON)  # where it was written: {"city": …, "at": [lat, lon]}
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=_now)
    author: Mapped[Profile] = relationship(back_populates="posts")


class Follow(Model):
    """Who reads whom."""

    __tablename__ = "follows"
    follower_id: Mapped[UUID] = mapped_column(ForeignKey("profiles.id"), primary_key=True)
    followee_id: Mapped[UUID] = mapped_column(ForeignKey("profiles.id"), primary_key=True, index=True)
    since: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=_now)


class Like(Model):
    """Who likes what."""

    __tablename__ = "likes"
    profile_id: Mapped[UUID] = mapped_column(ForeignKey("profiles.id"), primary_key=True)
    post_id: Mapped[UUID] = mapped_column(ForeignKey("posts.id", ondelete="CASCADE"), primary_key=True, index=True)


@allow("read", Profile, columns=("id", "handle", "name", "joined_at"))
def everyone_has_a_face(me: Me) -> Any:
    """Anyone reads who is here: handle, name, and since when."""
    return true()


@allow("read", "create", Profile)
def own_profile(me: Me) -> Any:
    """People make their own profile and read all of it, e-mail address included."""
    return Profile.id == me.id


@allow("update", Profile, columns=("handle", "name", "email"))
def rename_oneself(me: Me) -> Any:
    """People change their own handle, name and address."""
    return Profile.id == me.id


def _followed(me: Me) -> Any:
    return exists().where(Follow.follower_id == me.id, Follow.followee_id == Post.author_id)


@allow("read", Post)
def public_posts(me: Me) -> Any:
    """Anyone reads public posts."""
    return Post.public


@allow("read", Post)
def own_or_followed(me: Me) -> Any:
    """Authors and their followers read the rest."""
    return or_(Post.author_id == me.id, _followed(me))


@allow("create", "update", "delete", Post)
def own_posts(me: Me) -> Any:
    """People write their own posts."""
    return Post.author_id == me.id


@allow("read", Follow, to="authenticated")
def who_follows_whom(me: Me) -> Any:
    """Whoever has an account reads who follows whom."""
    return true()


@allow("create", "delete", Follow)
def own_follows(me: Me) -> Any:
    """People follow and unfollow in their own name."""
    return Follow.follower_id == me.id


@allow("read", Like)
def likes_of_public_posts(me: Me) -> Any:
    """Anyone reads who likes a public post."""
    return exists().where(Post.id == Like.post_id, Post.public)


@allow("read", "delete", Like)
def own_likes(me: Me) -> Any:
    """People see and take back their own likes."""
    return Like.profile_id == me.id


@allow("create", Like)
def like_what_one_reads(me: Me) -> Any:
    """People like, in their own name, what they may read."""
    readable = or_(Post.public, Post.author_id == me.id, _followed(me))
    return and_(Like.profile_id == me.id, exists().where(Post.id == Like.post_id, readable))


@function(to="authenticated")
async def join(db: AsyncSession, me: Caller, handle: str, name: str) -> Profile:
    """Take a handle: the account's profile, which others see and posts belong to."""
    profile = Profile(id=me.id, handle=handle, name=name, email=me.claim("email") or None)
    db.add(profile)
    return profile


@function(to="authenticated")
async def follow(db: AsyncSession, me: Caller, handle: str) -> Follow:
    """Follow the person with this handle; following twice is following once."""
    followee = await db.scalar(select(Profile.id).where(Profile.handle == handle))
    if followee is None:
        raise RequestError("PT404", f"Nobody is called {handle!r}")
    return await db.merge(Follow(follower_id=me.id, followee_id=followee))


@function(to="authenticated")
async def unfollow(db: AsyncSession, me: Caller, handle: str) -> bool:
    """Stop following the person with this handle; false when there was nothing to stop."""
    followee = select(Profile.id).where(Profile.handle == handle).scalar_subquery()
    mine = delete(Follow).where(Follow.follower_id == me.id, Follow.followee_id == followee)
    return bool((await db.scalars(mine.returning(Follow.since))).all())


@function(to="authenticated", read_only=True)
async def timeline(db: AsyncSession, me: Caller, count: int = 20) -> list[Post]:
    """The newest posts, at most a hundred, of the caller and of those whom the caller follows."""
    mine = select(Post).where(or_(Post.author_id == me.id, _followed(me)))
    newest = mine.order_by(Post.created_at.desc(), Post.id.desc()).limit(max(0, min(count, 100)))
    return list(await db.scalars(newest))


app = Backstay(
    models=Model,
    policies=[
        everyone_has_a_face,
        own_profile,
        rename_oneself,
        public_posts,
        own_or_followed,
        own_posts,
        who_follows_whom,
        own_follows,
        likes_of_public_posts,
        own_likes,
        like_what_one_reads,
    ],
    functions=[join, follow, unfollow, timeline],
    title="Chirp",
)
