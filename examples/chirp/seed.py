"""Two hundred people and what they wrote in six weeks; the same rows on every machine."""

from __future__ import annotations

import asyncio
import random
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from examples.chirp.app import Follow, Like, Post, Profile, app

PEOPLE: Final = 200
POSTS: Final = 3_000
#: The first second of the six weeks.
START: Final = datetime(2026, 10, 5, 6, 0, tzinfo=UTC)
SECONDS: Final = 42 * 24 * 3600

_FIRST: Final = (
    *("Mara", "Tomasz", "Zoë", "Ibrahim", "Aiko", "Luca", "Priya", "Sven", "Noor", "Mateo", "Chiara", "Kwame", "Elif"),
    *("Dáithí", "Yusuf", "Ingrid", "Bao", "Renée", "Oluwaseun", "Katarína", "Hiroshi", "Amélie", "Rafael", "Søren"),
    "Leila",
)
_LAST: Final = (
    *("Lindqvist", "Kowalski", "Ødegård", "Haddad", "Tanaka", "Ferrari", "Raman", "Nyström", "Aziz", "García"),
    *("Moretti", "Mensah", "Yılmaz", "Byrne", "Demir", "Solberg", "Nguyen", "Dubois", "Adeyemi", "Novák", "Sato"),
    *("Laurent", "Silva", "Kierkegaard", "Farahani"),
)
_OPENINGS: Final = (
    "Morning run done,",
    "Hot take:",
    "TIL",
    "Reminder to self:",
    "Overheard on the train:",
    "Unpopular opinion,",
    "Finally:",
    "Day 12 of learning to sail.",
    "Small win today:",
    "Does anyone else think",
    "Ça y est,",
    "Im Ernst:",
)
_MIDDLES: Final = (
    "the harbour smells of tar and coffee",
    "tests you can't break aren't tests",
    "SQL is older than most of us & still right",
    "100% of my plants survived the week",
    'my daughter calls the sea "the big sink"',
    "bread needs three things: flour, water, patience (and salt)",
    "the café on the corner sells naïve art now",
    "a backstay keeps the mast up from behind",
    "nobody reads the error message, so write a good one",
    "東京 in autumn is a different city",
    "the path was C:\\temp\\new and nobody laughed",
    "snake_case, kebab-case, or just a case of tea?",
    "the museum is free on Thursdays",
    "I would like one (1) day without meetings",
    "the ferry leaves at 07:45, not 7,45",
    "мы шли под дождём до самого маяка",
    "القهوة جاهزة",
)
_ENDINGS: Final = (
    "",
    "",
    "",
    " 🌊",
    " ☕️",
    "!",
    " …",
    "?",
    " #sailing",
    " #python",
    " 🚲🌧️",
    "\nMore soon.",
    " — maybe.",
)


_PLACES: Final[tuple[dict[str, Any], ...]] = (
    {"city": "Oslo", "at": [59.91, 10.75]},
    {"city": "Lagos", "at": [6.45, 3.39]},
    {"city": "東京", "at": [35.68, 139.69]},
    {"city": "Gdańsk", "at": [54.35, 18.65], "venue": 'the "Old" Crane'},
)


@dataclass(frozen=True, slots=True)
class Rows:
    """Every row of the demo, by table, in the order in which they can be inserted."""

    profiles: tuple[dict[str, Any], ...]
    posts: tuple[dict[str, Any], ...]
    follows: tuple[dict[str, Any], ...]
    likes: tuple[dict[str, Any], ...]


def named(kind: str, key: object) -> UUID:
    """The id of a seeded row.

    >>> named("profile", 0) == named("profile", 0)
    True
    """
    return uuid5(NAMESPACE_URL, f"https://chirp.example/{kind}/{key}")


def _handle(first: str, last: str, number: int) -> str:
    folded = unicodedata.normalize("NFKD", f"{first}_{last}".lower().replace("ø", "o").replace("ı", "i"))
    plain = "".join(letter for letter in folded if letter.isascii())
    # Every third handle carries a number, as in life.
    return plain if number % 3 else f"{plain}{number}"


def _profiles(dice: random.Random) -> tuple[dict[str, Any], ...]:
    pairs = dice.sample([(first, last) for first in _FIRST for last in _LAST], PEOPLE)
    people = []
    for number, (first, last) in enumerate(pairs):
        handle = _handle(first, last, number)
        people.append(
            {
                "id": named("profile", number),
                "handle": handle,
                "name": f"{first} {last}",
                "email": None if number % 17 == 16 else f"{handle}@mail.example",
                "joined_at": START - timedelta(seconds=dice.randrange(400 * 24 * 3600)),
            }
        )
    return tuple(people)


def _body(dice: random.Random, number: int) -> str:
    if number % 500 == 250:  # as long as a post may be
        return ("Long ago, " * 28)[:279] + "."
    body = f"{dice.choice(_OPENINGS)} {dice.choice(_MIDDLES)}{dice.choice(_ENDINGS)}"
    return body if number % 4 else f"{body} ({number})"


def _posts(dice: random.Random, profiles: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
    # Distinct seconds make "newest first" one order, not several.
    seconds = sorted(dice.sample(range(SECONDS), POSTS))
    # A few people write most of what there is to read.
    authors = dice.choices(profiles, weights=[1 / (1 + n % 40) for n in range(PEOPLE)], k=POSTS)
    return tuple(
        {
            "id": named("post", number),
            "author_id": author["id"],
            "body": _body(dice, number),
            "public": dice.random() > 0.12,
            "place": dice.choice(_PLACES) if dice.random() < 0.3 else None,
            "created_at": START + timedelta(seconds=second),
        }
        for number, (second, author) in enumerate(zip(seconds, authors, strict=True))
    )


def _follows(dice: random.Random, profiles: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
    rows = []
    for number, follower in enumerate(profiles):
        others = [other for n, other in enumerate(profiles) if n != number]
        for followee in dice.sample(others, dice.randint(3, 30)):
            since = max(follower["joined_at"], followee["joined_at"])
            rows.append({"follower_id": follower["id"], "followee_id": followee["id"], "since": since})
    return tuple(rows)


def _likes(
    dice: random.Random,
    profiles: tuple[dict[str, Any], ...],
    posts: tuple[dict[str, Any], ...],
    follows: tuple[dict[str, Any], ...],
) -> tuple[dict[str, Any], ...]:
    readers: dict[UUID, list[UUID]] = {profile["id"]: [profile["id"]] for profile in profiles}
    for row in follows:
        readers[row["followee_id"]].append(row["follower_id"])
    everyone = [profile["id"] for profile in profiles]
    rows = []
    for post in posts:
        # Nobody likes what they cannot read.
        audience = everyone if post["public"] else readers[post["author_id"]]
        number = min(len(audience), dice.choice((0, 0, 1, 1, 2, 3, 5, 8)))
        rows += [{"profile_id": liker, "post_id": post["id"]} for liker in dice.sample(audience, number)]
    return tuple(rows)


def grow() -> Rows:
    """Make every row of the demo; two calls make equal rows."""
    dice = random.Random("chirp")
    profiles = _profiles(dice)
    posts = _posts(dice, profiles)
    follows = _follows(dice, profiles)
    return Rows(profiles, posts, follows, _likes(dice, profiles, posts, follows))


async def seed(db: AsyncSession) -> bool:
    """Insert the demo's rows into empty tables; a database that has profiles keeps what it has.

    The caller commits.  Returns whether rows were inserted.
    """
    if await db.scalar(select(func.count()).select_from(Profile)):
        return False
    rows = grow()
    for table, values in ((Profile, rows.profiles), (Post, rows.posts), (Follow, rows.follows), (Like, rows.likes)):
        await db.execute(insert(table), values)
    return True


async def plant() -> bool:
    """Seed chirp's database (``BACKSTAY_DATABASE``), on first start; starting the app creates its tables."""
    async with app.session() as db:
        return await seed(db)


if __name__ == "__main__":
    asyncio.run(plant())
