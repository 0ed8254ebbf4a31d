"""What every call of the published clients must answer, computed from chirp's rows by plain Python.

One table for both clients and both databases: ``calls.mjs`` and ``calls.py`` make the calls under the same names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final
from uuid import UUID

from examples.chirp.seed import START, Rows, grow, named

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Expected:
    """One answer: rows exactly, or an error code.  *status* is what JavaScript's client shows; Python's hides it."""

    data: Any = None
    status: int = 200
    count: int | None = None
    code: str | None = None


def shown(value: Any) -> Any:
    """A Python value as the JSON of both databases shows it."""
    match value:
        case UUID():
            return str(value)
        case datetime():
            return value.isoformat()
        case dict():
            return {key: shown(item) for key, item in value.items()}
        case list() | tuple():
            return [shown(item) for item in value]
        case _:
            return value


def pick(row: Row, *columns: str) -> Row:
    """Some columns of a row, as JSON."""
    return {column: shown(row[column]) for column in columns}


class World:
    """Chirp's rows seen by three people: *user* and *other*, who have accounts, and anonymous callers."""

    def __init__(self) -> None:
        self.rows: Rows = grow()
        self.profiles = {row["id"]: row for row in self.rows.profiles}
        self.posts = {row["id"]: row for row in self.rows.posts}
        self.follows = {(row["follower_id"], row["followee_id"]) for row in self.rows.follows}
        self.user = self.rows.profiles[0]
        # Somebody who reads little of the user's, so that what one writes stays out of the other's timeline.
        self.other = next(
            row
            for row in self.rows.profiles[1:]
            if (row["id"], self.user["id"]) not in self.follows and (self.user["id"], row["id"]) not in self.follows
        )
        self.stranger = next(
            row
            for row in self.rows.profiles[2:]
            if (self.user["id"], row["id"]) not in self.follows and row is not self.other
        )
        self.since, self.until = START + timedelta(days=20), START + timedelta(days=21)

    def may_read(self, who: Row | None, post: Row) -> bool:
        """Chirp's policy on posts, a second time, in Python."""
        if post["public"] or who is None:
            return bool(post["public"])
        return bool(post["author_id"] == who["id"] or (who["id"], post["author_id"]) in self.follows)

    @cached_property
    def readable(self) -> list[Row]:
        """What the user may read, oldest first."""
        return [post for post in self.rows.posts if self.may_read(self.user, post)]

    @cached_property
    def newest(self) -> list[Row]:
        return self.readable[::-1]

    @cached_property
    def public(self) -> list[Row]:
        return [post for post in self.rows.posts if post["public"]]

    @cached_property
    def likers(self) -> dict[UUID, list[UUID]]:
        found: dict[UUID, list[UUID]] = {}
        for like in self.rows.likes:
            # Whose like it is reads it; everyone reads those of public posts.
            if self.posts[like["post_id"]]["public"] or like["profile_id"] == self.user["id"]:
                found.setdefault(like["post_id"], []).append(like["profile_id"])
        return found

    def author(self, post: Row, *columns: str) -> Row:
        return pick(self.profiles[post["author_id"]], *columns)

    def handle(self, id_: UUID) -> str:
        return str(self.profiles[id_]["handle"])

    def by(self, profile: Row) -> list[Row]:
        """The profile's posts that the user may read, oldest first."""
        return [post for post in self.readable if post["author_id"] == profile["id"]]

    @cached_property
    def named(self) -> list[Row]:
        """Three profiles, by handle."""
        return sorted((self.user, self.other, self.stranger), key=lambda row: str(row["handle"]))

    @cached_property
    def odd(self) -> list[Row]:
        """Three posts whose text would break a careless list of values."""
        chosen = [
            next(p for p in self.readable if p["body"].startswith("Morning run done, bread needs three things")),
            next(p for p in self.readable if p["body"].startswith('TIL my daughter calls the sea "the big sink"')),
            next(p for p in self.readable if "one (1) day" in p["body"]),
        ]
        bodies = {post["body"] for post in chosen}
        return [post for post in self.readable if post["body"] in bodies]

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What the calls may name."""
        hidden = next(post for post in self.rows.posts if not self.may_read(self.user, post))
        return {
            "userId": str(self.user["id"]),
            "userHandle": self.user["handle"],
            "otherId": str(self.other["id"]),
            "otherHandle": self.other["handle"],
            "strangerHandle": self.stranger["handle"],
            "handles": [row["handle"] for row in self.named],
            "ownPost": str(self.by(self.user)[0]["id"]),
            "hiddenPost": str(hidden["id"]),
            "likedPost": str(self.liked["id"]),
            "oddBodies": sorted({post["body"] for post in self.odd}),
            "from": shown(self.since),
            "until": shown(self.until),
            "newIds": NEW,
            "unknownId": str(named("post", "unknown")),
        }

    @cached_property
    def liked(self) -> Row:
        return next(post for post in self.public if len(self.likers.get(post["id"], ())) == 3)

    def timeline(self, who: Row) -> list[Row]:
        return [
            post
            for post in reversed(self.rows.posts)
            if post["author_id"] == who["id"] or (who["id"], post["author_id"]) in self.follows
        ]


NEW: Final = sorted(str(named("post", f"new {number}")) for number in range(5))
POST: Final = ("id", "author_id", "body", "public", "place", "created_at")
WORLD: Final = World()


def ids(posts: list[Row]) -> Expected:
    return Expected([pick(post, "id") for post in posts])


def bodies(post: Row) -> str:
    return str(post["body"])


def city(post: Row) -> str | None:
    return None if post["place"] is None else str(post["place"]["city"])


def _columns(w: World) -> dict[str, Expected]:
    places = [post for post in w.readable if post["place"] is not None]
    return {
        "select_columns": Expected([pick(post, "id", "body") for post in w.newest[:5]]),
        "select_star": Expected([pick(post, *POST) for post in w.newest[:3]]),
        "select_alias": Expected(
            [{"text": post["body"], "when": shown(post["created_at"])} for post in w.readable[:3]]
        ),
        "select_cast": Expected(
            [{"id": str(post["id"]), "public": str(post["public"]).lower()} for post in w.readable[:4]]
        ),
        "select_json_path": Expected(
            [{"id": str(p["id"]), "city": city(p), "at": p["place"]["at"][0]} for p in places[:5]]
        ),
        "select_csv": Expected(
            "\n".join(
                ["handle,name"]
                # PostgREST writes a row as PostgreSQL writes a record: text with a space in it is quoted.
                + [f'{p["handle"]},"{p["name"]}"' for p in sorted(w.rows.profiles, key=lambda p: str(p["handle"]))[:3]]
            )
        ),
        "select_as_anon": Expected([pick(post, "id") for post in w.public[:-3:-1]], status=206, count=len(w.public)),
        "own_email": Expected([pick(w.user, "handle", "email")]),
    }


def _embeds(w: World) -> dict[str, Expected]:
    backstay = [post for post in w.by(w.user) if not post["public"] or "backstay" in post["body"].lower()]
    by_handle = sorted(w.readable, key=lambda post: str(post["created_at"]))
    by_handle.sort(key=lambda post: w.handle(post["author_id"]), reverse=True)
    return {
        "embed_to_one": Expected(
            [{"id": str(post["id"]), "author": w.author(post, "handle", "name")} for post in w.newest[:5]]
        ),
        "embed_by_column": Expected(
            [{"id": str(post["id"]), "author": w.author(post, "handle")} for post in w.readable[:3]]
        ),
        "embed_by_constraint": Expected(
            [{"id": str(post["id"]), "profiles": w.author(post, "handle")} for post in w.readable[:3]]
        ),
        "embed_to_many": Expected(
            [{"handle": row["handle"], "posts": [pick(post, "body") for post in w.by(row)[:-3:-1]]} for row in w.named]
        ),
        "embed_to_many_filtered": Expected(
            [
                {"handle": row["handle"], "posts": [pick(post, "id") for post in w.by(row) if not post["public"]]}
                for row in w.named
            ]
        ),
        "embed_many_to_many": Expected(
            [
                {
                    "id": str(post["id"]),
                    "likers": [{"handle": handle} for handle in sorted(map(w.handle, w.likers.get(post["id"], ())))],
                }
                for post in w.newest[:5]
            ]
        ),
        "embed_nested": Expected(
            [
                {
                    "id": str(w.liked["id"]),
                    "likes": [
                        {
                            "profile": {
                                "handle": w.handle(liker),
                                "posts": [pick(post, "id") for post in w.by(w.profiles[liker])[:-2:-1]],
                            }
                        }
                        for liker in sorted(w.likers[w.liked["id"]])
                    ],
                }
            ]
        ),
        "embed_through_self": Expected(
            [
                {
                    "handle": w.user["handle"],
                    "follows": [
                        {"followee": {"handle": w.handle(followee)}}
                        for follower, followee in sorted(w.follows)
                        if follower == w.user["id"]
                    ],
                }
            ]
        ),
        "embed_inner": Expected(
            [{"id": str(post["id"]), "author": {"handle": w.other["handle"]}} for post in w.by(w.other)[::-1][:5]]
        ),
        "embed_left_filtered": Expected(
            [
                {
                    "id": str(post["id"]),
                    "author": {"handle": w.user["handle"]} if post["author_id"] == w.user["id"] else None,
                }
                for post in w.newest[:12]
            ]
        ),
        "embed_spread": Expected([{"id": str(post["id"]), **w.author(post, "handle")} for post in w.readable[:3]]),
        "embed_exists": ids([post for post in w.newest if post["id"] in w.likers][:4]),
        "embed_missing": ids([post for post in w.newest if post["id"] not in w.likers][:4]),
        "embed_or": Expected([{"handle": w.user["handle"], "posts": [pick(post, "body") for post in backstay]}]),
        "order_by_embed": Expected(
            [{"id": str(post["id"]), "author": w.author(post, "handle")} for post in by_handle[:5]]
        ),
        "embed_ambiguous": Expected(code="PGRST201", status=300),
        "embed_unknown": Expected(code="PGRST200", status=400),
        "embed_hidden": Expected(code="PGRST200", status=400),
        "aggregate_refused": Expected(code="PGRST123", status=400),
    }


def _filters(w: World) -> dict[str, Expected]:
    def where(condition: Callable[[Row], bool], limit: int | None = None) -> Expected:
        return ids([post for post in w.readable if condition(post)][:limit])

    everyone = len(w.rows.profiles)
    return {
        "filter_eq": Expected([pick(w.other, "id", "name")]),
        "filter_neq": Expected(count=everyone - 1),
        "filter_gte_lt": where(lambda p: w.since <= p["created_at"] < w.until),
        "filter_gt_lte": where(lambda p: w.since < p["created_at"] <= w.until),
        "filter_like": where(lambda p: "SQL" in p["body"]),
        "filter_like_case": Expected([]),
        "filter_ilike": where(lambda p: bodies(p).startswith("Hot take")),
        "filter_ilike_unicode": Expected(
            [{"handle": handle} for handle in sorted(str(p["handle"]) for p in w.rows.profiles if "Ødeg" in p["name"])]
        ),
        "filter_like_any": where(lambda p: bodies(p).startswith(("TIL", "Finally")), 10),
        "filter_ilike_all": where(lambda p: "sea" in bodies(p).lower() and "sink" in bodies(p).lower(), 10),
        "filter_is_false": where(lambda p: not p["public"]),
        "filter_is_null": where(lambda p: p["place"] is None, 5),
        "filter_in": Expected([pick(row, "handle", "name") for row in w.named]),
        "filter_in_quoted": ids(w.odd),
        "filter_in_empty": Expected([]),
        "filter_contains": where(lambda p: city(p) == "東京", 5),
        "filter_json_path": where(lambda p: city(p) == "Oslo", 5),
        "filter_or": where(lambda p: not p["public"] or "#sailing" in p["body"], 20),
        "filter_or_nested": where(
            lambda p: (
                (p["public"] and bodies(p).startswith("TIL")) or not (p["public"] and not bodies(p).startswith("Hot"))
            ),
            20,
        ),
        "filter_not": where(lambda p: "e" not in bodies(p).lower()),
        "filter_not_in": Expected(count=everyone - 3),
        "filter_match": where(lambda p: p["author_id"] == w.user["id"] and not p["public"]),
        "filter_operator": where(lambda p: p["created_at"] >= w.until, 1000),
        "filter_boolean": where(lambda p: not p["public"], 5),
    }


def _pages(w: World) -> dict[str, Expected]:
    two = sorted(w.newest, key=lambda post: bool(post["public"]))  # sort is stable: newest first in each half
    day = [post for post in w.readable if w.since <= post["created_at"] < w.until]
    first = sorted(day, key=lambda post: (city(post) is not None, city(post) or ""))
    default = sorted(day, key=lambda post: city(post) or "", reverse=True)
    default.sort(key=lambda post: city(post) is not None)  # PostgreSQL's default: descending puts NULL first
    by_city = [post for c in dict.fromkeys(map(city, default)) for post in day if city(post) == c]
    readable = len(w.readable)
    return {
        "order_two": ids(two[:8]),
        "order_nulls_first": Expected([{"id": str(post["id"]), "city": city(post)} for post in first]),
        "order_nulls_default": ids(by_city),
        "page_range": ids(w.newest[10:20]),
        "page_all": Expected(sorted(str(row["handle"]) for row in w.rows.profiles)),
        "page_limit_zero": Expected([]),
        "page_bounded": Expected(1000),
        "count_exact": Expected([pick(post, "id") for post in w.newest[:3]], status=206, count=readable),
        # More rows than one page may have: the answer is a part, 206.
        "count_head": Expected(status=206, count=readable),
        "count_head_anon": Expected(status=206, count=len(w.public)),
        "count_filtered": Expected(count=len(w.by(w.user))),
        "page_past_end": Expected(code="PGRST103", status=416),
        "single_found": Expected(pick(w.by(w.user)[0], "id", "body")),
        "single_none": Expected(code="PGRST116", status=406),
        "single_many": Expected(code="PGRST116", status=406),
        "maybe_found": Expected(pick(w.by(w.user)[0], "id")),
        "maybe_none": Expected(None),
        "error_table": Expected(code="PGRST205", status=404),
        "error_hidden_table": Expected(code="PGRST205", status=404),
        "error_column": Expected(code="42703", status=400),
        "error_filter_column": Expected(code="42703", status=400),
        "error_order_column": Expected(code="42703", status=400),
        "error_hidden_column": Expected(code="42703", status=400),
        "error_hidden_filter": Expected(code="42703", status=400),
        "error_uuid": Expected(code="22P02", status=400),
        "error_timestamp": Expected(code="22007", status=400),
        "error_operator": Expected(code="PGRST100", status=400),
    }


def _writes(w: World) -> dict[str, Expected]:
    me = str(w.user["id"])
    zurich = {"city": "Zürich", "at": [47.37, 8.54]}
    return {
        "insert_minimal": Expected(status=201),
        "insert_stored": Expected([{"id": NEW[0], "body": "Minimal, from a client.", "public": True, "place": None}]),
        "insert_returning": Expected(
            {"author_id": me, "body": 'Zürich "quoted" 🚲, it\'s \\ fine', "public": False, "place": zurich}, status=201
        ),
        "insert_many": Expected(
            [
                {"id": NEW[1], "body": "First of two", "public": True},
                {"id": NEW[2], "body": "Second of two", "public": True},
            ],
            status=201,
        ),
        "insert_with_embed": Expected(
            {"body": "With my name", "author": {"handle": w.user["handle"]}, "likes": []}, status=201
        ),
        "insert_default_columns": Expected(
            [{"body": "Defaults", "public": True}, {"body": "No defaults", "public": False}], status=201
        ),
        "insert_refused": Expected(code="42501", status=403),
        "insert_bulk_refused": Expected(code="42501", status=403),
        "insert_bulk_nothing_left": Expected(count=0),
        "insert_anonymous": Expected(code="42501", status=401),
        "insert_duplicate": Expected(code="23505", status=409),
        "insert_dangling": Expected(code="23503", status=409),
        "insert_unknown_column": Expected(code="PGRST204", status=400),
        "insert_missing": Expected(code="23502", status=400),
        "insert_too_long": Expected(code="22001", status=400),
        "insert_empty_body": Expected(code="23514", status=400),
        "insert_wrong_type": Expected(code="22P02", status=400),
        "update_returning": Expected([{"id": NEW[1], "body": "Edited, once."}]),
        "update_minimal": Expected(status=204),
        "update_stored": Expected(
            [
                {"id": NEW[1], "body": "Edited, once.", "public": True},
                {"id": NEW[2], "body": "Second of two", "public": False},
            ]
        ),
        "update_counted": Expected(status=204, count=3),
        "update_not_mine": Expected([]),
        "update_given_away": Expected(code="42501", status=403),
        "update_column_refused": Expected(code="PGRST204", status=400),
        "update_own_name": Expected({"handle": w.user["handle"], "name": "Renamed Ø", "email": w.user["email"]}),
        "upsert_merge": Expected(
            [{"id": NEW[1], "body": "Merged"}, {"id": NEW[4], "body": "Inserted by upsert"}], status=201
        ),
        "upsert_ignore": Expected([{"post_id": NEW[0]}, {"post_id": NEW[1]}], status=201),
        "upsert_ignored": Expected([], status=201),
        "like_twice": Expected(code="23505", status=409),
        "delete_returning": Expected([{"id": NEW[3], "body": "With my name"}]),
        "delete_not_mine": Expected([]),
        "delete_counted": Expected(status=204, count=2),
        "delete_gone": Expected([{"id": NEW[0]}, {"id": NEW[4]}]),
    }


def _functions(w: World) -> dict[str, Expected]:
    mine = w.timeline(w.other)
    own = [post for post in mine[:50] if post["author_id"] == w.other["id"]]
    return {
        "rpc_post": Expected({"follower_id": str(w.user["id"]), "followee_id": str(w.stranger["id"])}),
        "rpc_scalar": Expected(True),
        "rpc_scalar_again": Expected(False),
        "rpc_get": Expected([pick(post, *POST) for post in mine[:3]]),
        "rpc_rows": Expected([pick(post, "id", "body") for post in mine[:5]]),
        "rpc_filtered": ids(own[:2]),
        "rpc_read_only_verb": Expected(code="PGRST101", status=405),
        "rpc_unknown": Expected(code="PGRST202", status=404),
        "rpc_missing_argument": Expected(code="PGRST202", status=404),
        "rpc_wrong_argument": Expected(code="22P02", status=400),
        "rpc_own_error": Expected(code="PT404", status=404),
    }


CALLS: Final[dict[str, Expected]] = {
    **_columns(WORLD),
    **_embeds(WORLD),
    **_filters(WORLD),
    **_pages(WORLD),
    **_writes(WORLD),
    **_functions(WORLD),
}
