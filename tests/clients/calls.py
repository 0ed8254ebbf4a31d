"""The published Python client against a running chirp: one JSON line for each call.

A program of its own, like ``calls.mjs``, with the same names and the same facts in its first argument; what each call
must answer stands in ``expected.py``.  It knows nothing of Backstay.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable
from typing import Any

from postgrest.exceptions import APIError
from postgrest.types import CountMethod, ReturnMethod
from supabase import Client, ClientOptions, create_client

facts: dict[str, Any] = json.loads(sys.argv[1])
EXACT, MINIMAL = CountMethod.exact, ReturnMethod.minimal


def client(token: str | None = None) -> Client:
    made = create_client(facts["url"], facts["anonKey"], options=ClientOptions(auto_refresh_token=False))
    if token is not None:
        made.postgrest.auth(token)
    return made


anon, user, other = client(), client(facts["userToken"]), client(facts["otherToken"])
new: list[str] = facts["newIds"]
me: str = facts["userId"]


def post(body: str, **more: Any) -> dict[str, Any]:
    return {"author_id": me, "body": body, **more}


def posts(*columns: str, **options: Any) -> Any:
    return user.table("posts").select(*columns, **options)


def profiles(*columns: str, **options: Any) -> Any:
    return user.table("profiles").select(*columns, **options)


def newest(query: Any) -> Any:
    return query.order("created_at", desc=True)


def every_handle() -> list[str]:
    handles: list[str] = []
    while True:
        page = profiles("handle").order("handle").range(len(handles), len(handles) + 63).execute().data
        handles += [row["handle"] for row in page]
        if len(page) < 64:
            return handles


READS: dict[str, Callable[[], Any]] = {
    # columns
    "select_columns": lambda: newest(posts("id", "body")).limit(5),
    "select_star": lambda: newest(posts("*")).limit(3),
    "select_alias": lambda: posts("text:body, when:created_at").order("created_at").limit(3),
    "select_cast": lambda: posts("id, public::text").order("created_at").limit(4),
    "select_json_path": lambda: (
        posts("id, place->>city, at:place->at->0").not_.is_("place", "null").order("created_at").limit(5)
    ),
    "select_csv": lambda: profiles("handle, name").order("handle").limit(3).csv(),
    "select_as_anon": lambda: newest(anon.table("posts").select("id", count=EXACT)).limit(2),
    "own_email": lambda: profiles("handle, email"),
    # embeds
    "embed_to_one": lambda: newest(posts("id, author:profiles!author_id(handle, name)")).limit(5),
    "embed_by_column": lambda: posts("id, author:author_id(handle)").order("created_at").limit(3),
    "embed_by_constraint": lambda: posts("id, profiles!posts_author_id_fkey(handle)").order("created_at").limit(3),
    "embed_to_many": lambda: (
        profiles("handle, posts!author_id(body)")
        .in_("handle", facts["handles"])
        .order("handle")
        .order("created_at", desc=True, foreign_table="posts")
        .limit(2, foreign_table="posts")
    ),
    "embed_to_many_filtered": lambda: (
        profiles("handle, posts!author_id(id)")
        .in_("handle", facts["handles"])
        .eq("posts.public", False)
        .order("handle")
        .order("created_at", foreign_table="posts")
    ),
    "embed_many_to_many": lambda: (
        newest(posts("id, likers:profiles!likes(handle)")).order("handle", foreign_table="likers").limit(5)
    ),
    "embed_nested": lambda: (
        posts("id, likes(profile:profiles(handle, posts!author_id(id)))")
        .eq("id", facts["likedPost"])
        .order("profile_id", foreign_table="likes")
        .order("created_at", desc=True, foreign_table="likes.profile.posts")
        .limit(1, foreign_table="likes.profile.posts")
    ),
    "embed_through_self": lambda: (
        profiles("handle, follows!follower_id(followee:profiles!followee_id(handle))")
        .eq("handle", facts["userHandle"])
        .order("followee_id", foreign_table="follows")
    ),
    "embed_inner": lambda: newest(
        posts("id, author:profiles!author_id!inner(handle)").eq("author.handle", facts["otherHandle"])
    ).limit(5),
    "embed_left_filtered": lambda: newest(
        posts("id, author:profiles!author_id(handle)").eq("author.handle", facts["userHandle"])
    ).limit(12),
    "embed_spread": lambda: posts("id, ...profiles!author_id(handle)").order("created_at").limit(3),
    "embed_exists": lambda: newest(posts("id, likes()").not_.is_("likes", "null")).limit(4),
    "embed_missing": lambda: newest(posts("id, likes()").is_("likes", "null")).limit(4),
    "embed_or": lambda: (
        profiles("handle, posts!author_id(body)")
        .eq("handle", facts["userHandle"])
        .or_("public.is.false,body.ilike.*backstay*", reference_table="posts")
        .order("created_at", foreign_table="posts")
    ),
    "order_by_embed": lambda: (
        posts("id, author:profiles!author_id(handle)").order("author(handle)", desc=True).order("created_at").limit(5)
    ),
    "embed_ambiguous": lambda: posts("id, profiles(handle)"),
    "embed_unknown": lambda: posts("id, nothing(handle)"),
    "embed_hidden": lambda: anon.table("profiles").select("handle, follows!follower_id(since)"),
    "aggregate_refused": lambda: posts("count()"),
    # filters
    "filter_eq": lambda: profiles("id, name").eq("handle", facts["otherHandle"]),
    "filter_neq": lambda: profiles("handle", count=EXACT, head=True).neq("handle", facts["otherHandle"]),
    "filter_gte_lt": lambda: (
        posts("id").gte("created_at", facts["from"]).lt("created_at", facts["until"]).order("created_at")
    ),
    "filter_gt_lte": lambda: (
        posts("id").gt("created_at", facts["from"]).lte("created_at", facts["until"]).order("created_at")
    ),
    "filter_like": lambda: posts("id").like("body", "%SQL%").order("created_at"),
    "filter_like_case": lambda: posts("id").like("body", "hot take%"),
    "filter_ilike": lambda: posts("id").ilike("body", "hot take%").order("created_at"),
    "filter_ilike_unicode": lambda: profiles("handle").ilike("name", "%ØDEG%").order("handle"),
    "filter_like_any": lambda: posts("id").like_any_of("body", "TIL%,Finally%").order("created_at").limit(10),
    "filter_ilike_all": lambda: posts("id").ilike_all_of("body", "%SEA%,%sink%").order("created_at").limit(10),
    "filter_is_false": lambda: posts("id").is_("public", False).order("created_at"),
    "filter_is_null": lambda: posts("id").is_("place", None).order("created_at").limit(5),
    "filter_in": lambda: profiles("handle, name").in_("handle", facts["handles"]).order("handle"),
    "filter_in_quoted": lambda: posts("id").in_("body", facts["oddBodies"]).order("created_at"),
    "filter_in_empty": lambda: profiles("handle").in_("handle", []),
    "filter_contains": lambda: posts("id").contains("place", {"city": "東京"}).order("created_at").limit(5),
    "filter_json_path": lambda: posts("id").eq("place->>city", "Oslo").order("created_at").limit(5),
    "filter_or": lambda: posts("id").or_("public.is.false,body.ilike.*#sailing*").order("created_at").limit(20),
    "filter_or_nested": lambda: (
        posts("id")
        .or_("and(public.is.true,body.like.TIL*),not.and(public.is.true,body.not.like.Hot*)")
        .order("created_at")
        .limit(20)
    ),
    "filter_not": lambda: posts("id").not_.ilike("body", "%e%").order("created_at"),
    "filter_not_in": lambda: profiles("*", count=EXACT, head=True).not_.in_("handle", facts["handles"]),
    "filter_match": lambda: posts("id").match({"author_id": me, "public": False}).order("created_at"),
    "filter_operator": lambda: posts("id").filter("created_at", "gte", facts["until"]).order("created_at"),
    "filter_boolean": lambda: posts("id").eq("public", False).order("created_at").limit(5),
    # order, pages, counts
    "order_two": lambda: newest(posts("id").order("public")).limit(8),
    "order_nulls_first": lambda: (
        posts("id, place->>city")
        .gte("created_at", facts["from"])
        .lt("created_at", facts["until"])
        .order("place->>city", nullsfirst=True)
        .order("created_at")
    ),
    "order_nulls_default": lambda: (
        posts("id")
        .gte("created_at", facts["from"])
        .lt("created_at", facts["until"])
        .order("place->>city", desc=True)
        .order("created_at")
    ),
    "page_range": lambda: newest(posts("id")).range(10, 19),
    "page_all": every_handle,
    "page_limit_zero": lambda: posts("id").limit(0),
    "page_bounded": lambda: len(posts("id").execute().data),
    "count_exact": lambda: newest(posts("id", count=EXACT)).limit(3),
    "count_head": lambda: posts("*", count=EXACT, head=True),
    "count_head_anon": lambda: anon.table("posts").select("*", count=EXACT, head=True),
    "count_filtered": lambda: posts("id", count=EXACT, head=True).eq("author_id", me),
    "page_past_end": lambda: posts("id", count=EXACT).range(50000, 50009),
    "single_found": lambda: posts("id, body").eq("id", facts["ownPost"]).single(),
    "single_none": lambda: posts("id").eq("id", facts["hiddenPost"]).single(),
    "single_many": lambda: posts("id").eq("author_id", me).single(),
    "maybe_found": lambda: posts("id").eq("id", facts["ownPost"]).maybe_single(),
    "maybe_none": lambda: posts("id").eq("id", facts["hiddenPost"]).maybe_single(),
    # errors of reads
    "error_table": lambda: user.table("nowhere").select("*"),
    "error_hidden_table": lambda: anon.table("follows").select("*"),
    "error_column": lambda: posts("id, nothing"),
    "error_filter_column": lambda: posts("id").eq("nothing", 1),
    "error_order_column": lambda: posts("id").order("nothing"),
    "error_hidden_column": lambda: anon.table("profiles").select("handle, email"),
    "error_hidden_filter": lambda: anon.table("profiles").select("handle").like("email", "a%"),
    "error_uuid": lambda: posts("id").eq("id", "not-a-uuid"),
    "error_timestamp": lambda: posts("id").gte("created_at", "yesterday-ish"),
    "error_operator": lambda: posts("id").filter("id", "resembles", "x"),
}


def table(name: str = "posts") -> Any:
    return user.table(name)


ZURICH = {"city": "Zürich", "at": [47.37, 8.54]}

WRITES: dict[str, Callable[[], Any]] = {
    "insert_minimal": lambda: table().insert(post("Minimal, from a client.", id=new[0]), returning=MINIMAL),
    "insert_stored": lambda: other.table("posts").select("id, body, public, place").eq("id", new[0]),
    "insert_returning": lambda: (
        table()
        .insert(post('Zürich "quoted" 🚲, it\'s \\ fine', public=False, place=ZURICH))
        .select("author_id, body, public, place")
        .single()
    ),
    "insert_many": lambda: (
        table().insert([post("First of two", id=new[1]), post("Second of two", id=new[2])]).select("id, body, public")
    ),
    "insert_with_embed": lambda: (
        table()
        .insert(post("With my name", id=new[3]))
        .select("body, author:profiles!author_id(handle), likes(profile_id)")
        .single()
    ),
    "insert_default_columns": lambda: (
        table()
        .insert([post("Defaults"), post("No defaults", public=False)], default_to_null=False)
        .select("body, public")
    ),
    "insert_refused": lambda: table().insert({"author_id": facts["otherId"], "body": "Not mine"}),
    "insert_bulk_refused": lambda: table().insert(
        [post("Mine, then not mine"), {"author_id": facts["otherId"], "body": "Mine, then not mine"}]
    ),
    "insert_bulk_nothing_left": lambda: posts("*", count=EXACT, head=True).eq("body", "Mine, then not mine"),
    "insert_anonymous": lambda: anon.table("posts").insert(post("Nobody wrote this")),
    "insert_duplicate": lambda: table().insert(post("Again", id=new[0])),
    "insert_dangling": lambda: table("follows").insert({"follower_id": me, "followee_id": facts["unknownId"]}),
    "insert_unknown_column": lambda: table().insert(post("Odd", colour="red")),
    "insert_missing": lambda: table().insert({"author_id": me}),
    "insert_too_long": lambda: table().insert(post("x" * 281)),
    "insert_empty_body": lambda: table().insert(post("")),
    "insert_wrong_type": lambda: table().insert(post("Bad id", id="seven")),
    "update_returning": lambda: table().update({"body": "Edited, once."}).eq("id", new[1]).select("id, body"),
    "update_minimal": lambda: table().update({"public": False}, returning=MINIMAL).eq("id", new[2]),
    "update_stored": lambda: posts("id, body, public").in_("id", new[1:3]).order("body"),
    "update_counted": lambda: table().update({"public": True}, count=EXACT, returning=MINIMAL).in_("id", new[1:4]),
    "update_not_mine": lambda: other.table("posts").update({"body": "Defaced"}).eq("id", new[1]).select("id"),
    "update_given_away": lambda: table().update({"author_id": facts["otherId"]}).eq("id", new[1]),
    "update_column_refused": lambda: table("profiles").update({"joined_at": "2020-01-01T00:00:00Z"}).eq("id", me),
    "update_own_name": lambda: (
        table("profiles").update({"name": "Renamed Ø"}).eq("id", me).select("handle, name, email").single()
    ),
    "upsert_merge": lambda: (
        table().upsert([post("Merged", id=new[1]), post("Inserted by upsert", id=new[4])]).select("id, body")
    ),
    "upsert_ignore": lambda: (
        table("likes")
        .upsert(
            [{"profile_id": me, "post_id": new[0]}, {"profile_id": me, "post_id": new[1]}],
            on_conflict="profile_id,post_id",
            ignore_duplicates=True,
        )
        .select("post_id")
    ),
    "upsert_ignored": lambda: (
        table("likes")
        .upsert({"profile_id": me, "post_id": new[0]}, on_conflict="profile_id,post_id", ignore_duplicates=True)
        .select("post_id")
    ),
    "like_twice": lambda: table("likes").insert({"profile_id": me, "post_id": new[0]}),
    "delete_returning": lambda: table().delete().eq("id", new[3]).select("id, body"),
    "delete_not_mine": lambda: other.table("posts").delete().eq("id", new[2]).select("id"),
    "delete_counted": lambda: table().delete(count=EXACT, returning=MINIMAL).in_("id", new[1:3]),
    "delete_gone": lambda: posts("id").in_("id", new).order("id"),
    # functions
    "rpc_post": lambda: user.rpc("follow", {"handle": facts["strangerHandle"]}).select("follower_id, followee_id"),
    "rpc_scalar": lambda: user.rpc("unfollow", {"handle": facts["strangerHandle"]}),
    "rpc_scalar_again": lambda: user.rpc("unfollow", {"handle": facts["strangerHandle"]}),
    "rpc_get": lambda: other.rpc("timeline", {"count": 3}, get=True),
    "rpc_rows": lambda: other.rpc("timeline", {"count": 5}).select("id, body"),
    "rpc_filtered": lambda: (
        other.rpc("timeline", {"count": 50}).select("id").eq("author_id", facts["otherId"]).limit(2)
    ),
    "rpc_read_only_verb": lambda: user.rpc("follow", {"handle": facts["strangerHandle"]}, get=True),
    "rpc_unknown": lambda: user.rpc("nothing", {}),
    "rpc_missing_argument": lambda: user.rpc("follow", {}),
    "rpc_wrong_argument": lambda: other.rpc("timeline", {"count": "many"}),
    "rpc_own_error": lambda: user.rpc("follow", {"handle": "nobody-at-all"}),
}


def main() -> None:
    for name, call in {**READS, **WRITES}.items():
        line: dict[str, Any] = {"name": name, "data": None, "count": None, "status": None, "error": None}
        try:
            made = call()
            answer = made.execute() if hasattr(made, "execute") else made
            # `maybe_single` answers None for no row; `page_all` and `page_bounded` have read their own answers.
            line["data"] = getattr(answer, "data", answer)
            line["count"] = getattr(answer, "count", None) if hasattr(answer, "data") else None
        except APIError as refusal:
            line["error"] = {key: getattr(refusal, key) for key in ("code", "message", "details", "hint")}
        except Exception:
            line["threw"] = traceback.format_exc()
        print(json.dumps(line), flush=True)


main()
