// The published JavaScript client against a running chirp: one JSON line for each call.
//
// Reads the facts of the run from its first argument: {url, anonKey, userToken, otherToken, ...rows it may name}.
// What each call must answer stands in expected.py, under the same name.

import { createClient } from "@supabase/supabase-js";
import { report } from "./report.mjs";

const facts = JSON.parse(process.argv[2]);

// Node before 22 has no WebSocket, and the client wants one named although nothing here opens it.
const transport = globalThis.WebSocket ?? class Unused {};

function client(token) {
  return createClient(facts.url, facts.anonKey, {
    ...(token ? { accessToken: async () => token } : {}),
    auth: { persistSession: false, autoRefreshToken: false },
    realtime: { transport },
  });
}

const anon = client();
const user = client(facts.userToken);
const other = client(facts.otherToken);
const newest = { ascending: false };

const post = (body, more = {}) => ({ author_id: facts.userId, body, ...more });

const calls = {
  // columns
  select_columns: () => user.from("posts").select("id, body").order("created_at", newest).limit(5),
  select_star: () => user.from("posts").select().order("created_at", newest).limit(3),
  select_alias: () => user.from("posts").select("text:body, when:created_at").order("created_at").limit(3),
  select_cast: () => user.from("posts").select("id, public::text").order("created_at").limit(4),
  select_json_path: () =>
    user.from("posts").select("id, place->>city, at:place->at->0").not("place", "is", null).order("created_at").limit(5),
  select_csv: () => user.from("profiles").select("handle, name").order("handle").limit(3).csv(),
  select_as_anon: () => anon.from("posts").select("id", { count: "exact" }).order("created_at", newest).limit(2),
  own_email: () => user.from("profiles").select("handle, email"),
  // embeds
  embed_to_one: () =>
    user.from("posts").select("id, author:profiles!author_id(handle, name)").order("created_at", newest).limit(5),
  embed_by_column: () => user.from("posts").select("id, author:author_id(handle)").order("created_at").limit(3),
  embed_by_constraint: () =>
    user.from("posts").select("id, profiles!posts_author_id_fkey(handle)").order("created_at").limit(3),
  embed_to_many: () =>
    user
      .from("profiles")
      .select("handle, posts!author_id(body)")
      .in("handle", facts.handles)
      .order("handle")
      .order("created_at", { ascending: false, referencedTable: "posts" })
      .limit(2, { referencedTable: "posts" }),
  embed_to_many_filtered: () =>
    user
      .from("profiles")
      .select("handle, posts!author_id(id)")
      .in("handle", facts.handles)
      .eq("posts.public", false)
      .order("handle")
      .order("created_at", { referencedTable: "posts" }),
  embed_many_to_many: () =>
    user
      .from("posts")
      .select("id, likers:profiles!likes(handle)")
      .order("created_at", newest)
      .order("handle", { referencedTable: "likers" })
      .limit(5),
  embed_nested: () =>
    user
      .from("posts")
      .select("id, likes(profile:profiles(handle, posts!author_id(id)))")
      .eq("id", facts.likedPost)
      .order("profile_id", { referencedTable: "likes" })
      .order("created_at", { ascending: false, referencedTable: "likes.profile.posts" })
      .limit(1, { referencedTable: "likes.profile.posts" }),
  embed_through_self: () =>
    user
      .from("profiles")
      .select("handle, follows!follower_id(followee:profiles!followee_id(handle))")
      .eq("handle", facts.userHandle)
      .order("followee_id", { referencedTable: "follows" }),
  embed_inner: () =>
    user
      .from("posts")
      .select("id, author:profiles!author_id!inner(handle)")
      .eq("author.handle", facts.otherHandle)
      .order("created_at", newest)
      .limit(5),
  embed_left_filtered: () =>
    user
      .from("posts")
      .select("id, author:profiles!author_id(handle)")
      .eq("author.handle", facts.userHandle)
      .order("created_at", newest)
      .limit(12),
  embed_spread: () => user.from("posts").select("id, ...profiles!author_id(handle)").order("created_at").limit(3),
  embed_exists: () =>
    user.from("posts").select("id, likes()").not("likes", "is", null).order("created_at", newest).limit(4),
  embed_missing: () => user.from("posts").select("id, likes()").is("likes", null).order("created_at", newest).limit(4),
  embed_or: () =>
    user
      .from("profiles")
      .select("handle, posts!author_id(body)")
      .eq("handle", facts.userHandle)
      .or("public.is.false,body.ilike.*backstay*", { referencedTable: "posts" })
      .order("created_at", { referencedTable: "posts" }),
  order_by_embed: () =>
    user
      .from("posts")
      .select("id, author:profiles!author_id(handle)")
      .order("author(handle)", newest)
      .order("created_at")
      .limit(5),
  embed_ambiguous: () => user.from("posts").select("id, profiles(handle)"),
  embed_unknown: () => user.from("posts").select("id, nothing(handle)"),
  embed_hidden: () => anon.from("profiles").select("handle, follows!follower_id(since)"),
  aggregate_refused: () => user.from("posts").select("count()"),
  // filters
  filter_eq: () => user.from("profiles").select("id, name").eq("handle", facts.otherHandle),
  filter_neq: () => user.from("profiles").select("handle", { count: "exact", head: true }).neq("handle", facts.otherHandle),
  filter_gte_lt: () =>
    user.from("posts").select("id").gte("created_at", facts.from).lt("created_at", facts.until).order("created_at"),
  filter_gt_lte: () =>
    user.from("posts").select("id").gt("created_at", facts.from).lte("created_at", facts.until).order("created_at"),
  filter_like: () => user.from("posts").select("id").like("body", "%SQL%").order("created_at"),
  filter_like_case: () => user.from("posts").select("id").like("body", "hot take%"),
  filter_ilike: () => user.from("posts").select("id").ilike("body", "hot take%").order("created_at"),
  filter_ilike_unicode: () => user.from("profiles").select("handle").ilike("name", "%ØDEG%").order("handle"),
  filter_like_any: () =>
    user.from("posts").select("id").likeAnyOf("body", ["TIL%", "Finally%"]).order("created_at").limit(10),
  filter_ilike_all: () =>
    user.from("posts").select("id").ilikeAllOf("body", ["%SEA%", "%sink%"]).order("created_at").limit(10),
  filter_is_false: () => user.from("posts").select("id").is("public", false).order("created_at"),
  filter_is_null: () => user.from("posts").select("id").is("place", null).order("created_at").limit(5),
  filter_in: () => user.from("profiles").select("handle, name").in("handle", facts.handles).order("handle"),
  filter_in_quoted: () => user.from("posts").select("id").in("body", facts.oddBodies).order("created_at"),
  filter_in_empty: () => user.from("profiles").select("handle").in("handle", []),
  filter_contains: () =>
    user.from("posts").select("id").contains("place", { city: "東京" }).order("created_at").limit(5),
  filter_json_path: () => user.from("posts").select("id").eq("place->>city", "Oslo").order("created_at").limit(5),
  filter_or: () =>
    user.from("posts").select("id").or("public.is.false,body.ilike.*#sailing*").order("created_at").limit(20),
  filter_or_nested: () =>
    user
      .from("posts")
      .select("id")
      .or("and(public.is.true,body.like.TIL*),not.and(public.is.true,body.not.like.Hot*)")
      .order("created_at")
      .limit(20),
  filter_not: () => user.from("posts").select("id").not("body", "ilike", "%e%").order("created_at"),
  filter_not_in: () =>
    user.from("profiles").select("*", { count: "exact", head: true }).not("handle", "in", `(${facts.handles.join(",")})`),
  filter_match: () =>
    user.from("posts").select("id").match({ author_id: facts.userId, public: false }).order("created_at"),
  filter_operator: () => user.from("posts").select("id").filter("created_at", "gte", facts.until).order("created_at"),
  filter_boolean: () => user.from("posts").select("id").eq("public", false).order("created_at").limit(5),
  // order, pages, counts
  order_two: () => user.from("posts").select("id").order("public").order("created_at", newest).limit(8),
  order_nulls_first: () =>
    user
      .from("posts")
      .select("id, place->>city")
      .gte("created_at", facts.from)
      .lt("created_at", facts.until)
      .order("place->>city", { ascending: true, nullsFirst: true })
      .order("created_at"),
  order_nulls_default: () =>
    user
      .from("posts")
      .select("id")
      .gte("created_at", facts.from)
      .lt("created_at", facts.until)
      .order("place->>city", { ascending: false })
      .order("created_at"),
  page_range: () => user.from("posts").select("id").order("created_at", newest).range(10, 19),
  page_all: async () => {
    const handles = [];
    for (let start = 0; ; start += 64) {
      const { data, error } = await user.from("profiles").select("handle").order("handle").range(start, start + 63);
      if (error) return { data: null, error, count: null, status: 0 };
      handles.push(...data.map((row) => row.handle));
      if (data.length < 64) return { data: handles, error: null, count: null, status: 200 };
    }
  },
  page_limit_zero: () => user.from("posts").select("id").limit(0),
  page_bounded: async () => {
    const answer = await user.from("posts").select("id");
    return { ...answer, data: answer.data?.length ?? null };
  },
  count_exact: () => user.from("posts").select("id", { count: "exact" }).order("created_at", newest).limit(3),
  count_head: () => user.from("posts").select("*", { count: "exact", head: true }),
  count_head_anon: () => anon.from("posts").select("*", { count: "exact", head: true }),
  count_filtered: () => user.from("posts").select("id", { count: "exact", head: true }).eq("author_id", facts.userId),
  page_past_end: () => user.from("posts").select("id", { count: "exact" }).range(50000, 50009),
  single_found: () => user.from("posts").select("id, body").eq("id", facts.ownPost).single(),
  single_none: () => user.from("posts").select("id").eq("id", facts.hiddenPost).single(),
  single_many: () => user.from("posts").select("id").eq("author_id", facts.userId).single(),
  maybe_found: () => user.from("posts").select("id").eq("id", facts.ownPost).maybeSingle(),
  maybe_none: () => user.from("posts").select("id").eq("id", facts.hiddenPost).maybeSingle(),
  // errors of reads
  error_table: () => user.from("nowhere").select(),
  error_hidden_table: () => anon.from("follows").select(),
  error_column: () => user.from("posts").select("id, nothing"),
  error_filter_column: () => user.from("posts").select("id").eq("nothing", 1),
  error_order_column: () => user.from("posts").select("id").order("nothing"),
  error_hidden_column: () => anon.from("profiles").select("handle, email"),
  error_hidden_filter: () => anon.from("profiles").select("handle").like("email", "a%"),
  error_uuid: () => user.from("posts").select("id").eq("id", "not-a-uuid"),
  error_timestamp: () => user.from("posts").select("id").gte("created_at", "yesterday-ish"),
  error_operator: () => user.from("posts").select("id").filter("id", "resembles", "x"),
  // writes
  insert_minimal: () => user.from("posts").insert(post("Minimal, from a client.", { id: facts.newIds[0] })),
  insert_stored: () => other.from("posts").select("id, body, public, place").eq("id", facts.newIds[0]),
  insert_returning: () =>
    user
      .from("posts")
      .insert(post("Zürich \"quoted\" 🚲, it's \\ fine", { public: false, place: { city: "Zürich", at: [47.37, 8.54] } }))
      .select("author_id, body, public, place")
      .single(),
  insert_many: () =>
    user
      .from("posts")
      .insert([post("First of two", { id: facts.newIds[1] }), post("Second of two", { id: facts.newIds[2] })])
      .select("id, body, public"),
  insert_with_embed: () =>
    user
      .from("posts")
      .insert(post("With my name", { id: facts.newIds[3] }))
      .select("body, author:profiles!author_id(handle), likes(profile_id)")
      .single(),
  insert_default_columns: () =>
    user
      .from("posts")
      .insert([post("Defaults"), post("No defaults", { public: false })], { defaultToNull: false })
      .select("body, public"),
  insert_refused: () => user.from("posts").insert({ author_id: facts.otherId, body: "Not mine" }),
  insert_bulk_refused: () =>
    user.from("posts").insert([post("Mine, then not mine"), { author_id: facts.otherId, body: "Mine, then not mine" }]),
  insert_bulk_nothing_left: () =>
    user.from("posts").select("*", { count: "exact", head: true }).eq("body", "Mine, then not mine"),
  insert_anonymous: () => anon.from("posts").insert(post("Nobody wrote this")),
  insert_duplicate: () => user.from("posts").insert(post("Again", { id: facts.newIds[0] })),
  insert_dangling: () => user.from("follows").insert({ follower_id: facts.userId, followee_id: facts.unknownId }),
  insert_unknown_column: () => user.from("posts").insert(post("Odd", { colour: "red" })),
  insert_missing: () => user.from("posts").insert({ author_id: facts.userId }),
  insert_too_long: () => user.from("posts").insert(post("x".repeat(281))),
  insert_empty_body: () => user.from("posts").insert(post("")),
  insert_wrong_type: () => user.from("posts").insert(post("Bad id", { id: "seven" })),
  update_returning: () =>
    user.from("posts").update({ body: "Edited, once." }).eq("id", facts.newIds[1]).select("id, body"),
  update_minimal: () => user.from("posts").update({ public: false }).eq("id", facts.newIds[2]),
  update_stored: () =>
    user.from("posts").select("id, body, public").in("id", facts.newIds.slice(1, 3)).order("body"),
  update_counted: () =>
    user.from("posts").update({ public: true }, { count: "exact" }).in("id", facts.newIds.slice(1, 4)),
  update_not_mine: () => other.from("posts").update({ body: "Defaced" }).eq("id", facts.newIds[1]).select("id"),
  update_given_away: () => user.from("posts").update({ author_id: facts.otherId }).eq("id", facts.newIds[1]),
  update_column_refused: () =>
    user.from("profiles").update({ joined_at: "2020-01-01T00:00:00Z" }).eq("id", facts.userId),
  update_own_name: () =>
    user.from("profiles").update({ name: "Renamed Ø" }).eq("id", facts.userId).select("handle, name, email").single(),
  upsert_merge: () =>
    user
      .from("posts")
      .upsert([post("Merged", { id: facts.newIds[1] }), post("Inserted by upsert", { id: facts.newIds[4] })])
      .select("id, body"),
  upsert_ignore: () =>
    user
      .from("likes")
      .upsert(
        [
          { profile_id: facts.userId, post_id: facts.newIds[0] },
          { profile_id: facts.userId, post_id: facts.newIds[1] },
        ],
        { onConflict: "profile_id,post_id", ignoreDuplicates: true },
      )
      .select("post_id"),
  upsert_ignored: () =>
    user
      .from("likes")
      .upsert(
        { profile_id: facts.userId, post_id: facts.newIds[0] },
        { onConflict: "profile_id,post_id", ignoreDuplicates: true },
      )
      .select("post_id"),
  like_twice: () => user.from("likes").insert({ profile_id: facts.userId, post_id: facts.newIds[0] }),
  delete_returning: () => user.from("posts").delete().eq("id", facts.newIds[3]).select("id, body"),
  delete_not_mine: () => other.from("posts").delete().eq("id", facts.newIds[2]).select("id"),
  delete_counted: () => user.from("posts").delete({ count: "exact" }).in("id", facts.newIds.slice(1, 3)),
  delete_gone: () => user.from("posts").select("id").in("id", facts.newIds).order("id"),
  // functions
  rpc_post: () => user.rpc("follow", { handle: facts.strangerHandle }).select("follower_id, followee_id"),
  rpc_scalar: () => user.rpc("unfollow", { handle: facts.strangerHandle }),
  rpc_scalar_again: () => user.rpc("unfollow", { handle: facts.strangerHandle }),
  rpc_get: () => other.rpc("timeline", { count: 3 }, { get: true }),
  rpc_rows: () => other.rpc("timeline", { count: 5 }).select("id, body"),
  rpc_filtered: () => other.rpc("timeline", { count: 50 }).select("id").eq("author_id", facts.otherId).limit(2),
  rpc_read_only_verb: () => user.rpc("follow", { handle: facts.strangerHandle }, { get: true }),
  rpc_unknown: () => user.rpc("nothing", {}),
  rpc_missing_argument: () => user.rpc("follow", {}),
  rpc_wrong_argument: () => other.rpc("timeline", { count: "many" }),
  rpc_own_error: () => user.rpc("follow", { handle: "nobody-at-all" }),
};

await report(calls);
