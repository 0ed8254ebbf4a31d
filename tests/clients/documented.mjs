// Every call that the JavaScript client's reference documentation shows, with tables of our own.
//
// Reads {url, anonKey} from its first argument.  What each must answer stands in documented_expected.py.

import { PostgrestClient } from "@supabase/postgrest-js";
import { createClient } from "@supabase/supabase-js";
import { report } from "./report.mjs";

const facts = JSON.parse(process.argv[2]);
const transport = globalThis.WebSocket ?? class Unused {};
const supabase = createClient(facts.url, facts.anonKey, {
  auth: { persistSession: false, autoRefreshToken: false },
  realtime: { transport },
});
const standalone = new PostgrestClient(`${facts.url}/rest/v1`, { headers: { apikey: facts.anonKey }, timeout: 30000 });

const from = (table) => supabase.from(table);
const MAY_1 = (start, end) => `[2031-05-01 ${start}, 2031-05-01 ${end})`;
const MAY_2 = (start, end) => `[2031-05-02 ${start}, 2031-05-02 ${end})`;

const calls = {
  // select
  select_all: () => from("ports").select(),
  select_star: () => from("ports").select("*"),
  select_error: () => from("ports_of_call").select(),
  select_columns: () => from("ports").select("name"),
  select_referenced: () => from("fleets").select(`name, boats ( name )`),
  select_spaces: () => from("night fleets").select(`name, "slow boats" ( name )`),
  select_join_table: () => from("sailors").select(`name, crews ( name )`),
  select_twice_by_column: () => from("letters").select(`content, from:sender_id(name), to:receiver_id(name)`),
  select_twice_by_constraint: () =>
    from("letters").select(`
      content,
      from:sailors!letters_sender_id_fkey(name),
      to:sailors!letters_receiver_id_fkey(name)
    `),
  select_nested: () => from("races").select(`race_id:id, away_crew:crews!races_away_crew_fkey ( sailors ( id, name ) )`),
  select_filtered_reference: () => from("boats").select("name, fleets(*)").eq("fleets.name", "mackerel"),
  select_referenced_count: () => from("fleets").select(`*, boats(count)`),
  select_count: () => from("ports").select("*", { count: "exact", head: true }),
  select_json: () => from("sailors").select(`id, name, address->city`),
  select_inner: () => from("boats").select("name, fleets!inner(name)").eq("fleets.name", "herring").limit(1),
  select_schema: () => supabase.schema("elsewhere").from("ports").select(),
  select_own_schema: () => supabase.schema("public").from("ports").select("id"),
  select_standalone: () => standalone.from("ports").select("id"),
  openapi: async () => {
    const { data, error, count, status } = await standalone.getOpenApiSpec();
    return { data: data && [data.openapi, "/ports/{id}" in data.paths], error, count, status };
  },
  // filters
  chain: () => from("ports").select("name").gte("id", 2).lt("id", 3),
  chain_conditionally: () => {
    const [name, least] = ["Hamnavoe", null];
    let query = from("ports").select("name");
    if (name) query = query.eq("name", name);
    if (least) query = query.gte("id", least);
    return query;
  },
  json_value: () => from("sailors").select("name").eq("address->postcode", 4050),
  referenced: () => from("fleets").select(`name, boats!inner ( name )`).eq("boats.name", "Cygnet"),
  eq: () => from("ports").select().eq("name", "Lerwick"),
  neq: () => from("ports").select().neq("name", "Lerwick"),
  gt: () => from("ports").select().gt("id", 2),
  gte: () => from("ports").select().gte("id", 2),
  lt: () => from("ports").select().lt("id", 2),
  lte: () => from("ports").select().lte("id", 2),
  like: () => from("ports").select().like("name", "%er%"),
  like_all: () => from("ports").select("name").likeAllOf("name", ["%er%", "L%"]),
  like_any: () => from("ports").select("name").likeAnyOf("name", ["%er%", "Ham%"]),
  ilike: () => from("ports").select().ilike("name", "%ULL%"),
  ilike_all: () => from("ports").select("name").ilikeAllOf("name", ["%A%", "%POOL"]),
  ilike_any: () => from("ports").select("name").ilikeAnyOf("name", ["ham%", "LER%"]),
  regex: () => from("ports").select("name").regexMatch("name", "^[LH]"),
  iregex: () => from("ports").select("name").regexIMatch("name", "POOL$"),
  is_null: () => from("islands").select().is("name", null),
  is_distinct: () => from("islands").select("id").isDistinct("name", "Unst"),
  in: () => from("ports").select().in("name", ["Lerwick", "Ullapool"]),
  not_in: () => from("ports").select("name").notIn("name", ["Lerwick", "Ullapool"]),
  contains_array: () => from("repairs").select().contains("tags", ["is:open", "priority:low"]),
  contains_range: () => from("moorings").select("berth").contains("during", MAY_1("13:00", "13:30")),
  contains_json: () => from("sailors").select("name").contains("address", { postcode: 4050 }),
  contained_array: () =>
    from("lessons").select("name").containedBy("days", ["monday", "tuesday", "wednesday", "friday"]),
  contained_range: () => from("moorings").select("berth").containedBy("during", MAY_1("00:00", "23:59")),
  contained_json: () => from("sailors").select("name").containedBy("address", {}),
  range_gt: () => from("moorings").select("berth").rangeGt("during", MAY_2("08:00", "09:00")),
  range_gte: () => from("moorings").select("berth").rangeGte("during", MAY_2("08:30", "09:30")),
  range_lt: () => from("moorings").select("berth").rangeLt("during", MAY_1("15:00", "16:00")),
  range_lte: () => from("moorings").select("berth").rangeLte("during", MAY_1("14:00", "16:00")),
  range_adjacent: () => from("moorings").select("berth").rangeAdjacent("during", MAY_1("12:00", "13:00")),
  overlaps_array: () => from("repairs").select("title").overlaps("tags", ["is:closed", "severity:high"]),
  overlaps_range: () => from("moorings").select("berth").overlaps("during", MAY_1("12:45", "13:15")),
  search: () => from("sayings").select("words").textSearch("words", `'bread' & 'butter'`, { config: "english" }),
  search_plain: () =>
    from("sayings").select("words").textSearch("words", `'fat' & 'cat'`, { type: "plain", config: "english" }),
  search_phrase: () =>
    from("sayings").select("words").textSearch("words", `'fat' & 'cat'`, { type: "phrase", config: "english" }),
  search_web: () =>
    from("sayings").select("words").textSearch("words", `'fat or cat'`, { type: "websearch", config: "english" }),
  match: () => from("ports").select("name").match({ id: 2, name: "Ullapool" }),
  not: () => from("islands").select().not("name", "is", null),
  or: () => from("ports").select("name").or("id.eq.2,name.eq.Lerwick"),
  or_and: () => from("ports").select("name").or("id.gt.2,and(id.eq.1,name.eq.Lerwick)"),
  or_referenced: () =>
    from("fleets")
      .select(`name, boats!inner ( name )`)
      .or("fleet_id.eq.1,name.eq.Cygnet", { referencedTable: "boats" }),
  filter: () => from("ports").select().filter("name", "in", '("Lerwick","Hamnavoe")'),
  filter_referenced: () => from("fleets").select(`name, boats!inner ( name )`).filter("boats.name", "eq", "Alma"),
  // modifiers
  order: () => from("ports").select("id, name").order("id", { ascending: false }),
  order_referenced: () =>
    from("fleets").select(`name, boats ( name )`).order("name", { referencedTable: "boats", ascending: false }),
  order_by_referenced: () =>
    from("boats").select(`name, section:fleets ( name )`).order("section(name)", { ascending: true }).order("name"),
  limit: () => from("ports").select("name").limit(1),
  limit_referenced: () => from("fleets").select(`name, boats ( name )`).limit(1, { referencedTable: "boats" }),
  range: () => from("ports").select("name").range(0, 1),
  aborted: async () => {
    const control = new AbortController();
    control.abort();
    const { data, error } = await from("ports").select().abortSignal(control.signal);
    return { data: [data, /abort/i.test(error.message)], error: null, count: null, status: 200 };
  },
  aborted_in_time: () => from("ports").select("id").abortSignal(AbortSignal.timeout(20_000)),
  single: () => from("ports").select("name").limit(1).single(),
  maybe_single: () => from("ports").select().eq("name", "Nowhere").maybeSingle(),
  csv: () => from("ports").select().csv(),
  strip_nulls: () => from("islands").select().stripNulls(),
  geojson: () => from("ports").select().geojson(),
  explain: () => from("ports").select().explain(),
  explain_analyze: () => from("ports").select().explain({ analyze: true, verbose: true }),
  returns: () => from("ports").select("id").returns(),
  returns_one: () => from("ports").select("id").eq("id", 1).maybeSingle().returns(),
  override_types: () => from("ports").select("id").overrideTypes(),
  override_types_one: () => from("ports").select("id").eq("id", 1).maybeSingle().overrideTypes(),
  no_retry: () => from("ports").select("id").retry(false),
  throws: async () => {
    try {
      await from("ports_of_call").select().throwOnError();
      return { data: "nothing was thrown", error: null, count: null, status: 200 };
    } catch (error) {
      return { data: null, error: { ...error, message: error.message }, count: null, status: 404 };
    }
  },
  // insert
  insert: () => from("islands").insert({ id: 101, name: "Mousa" }),
  insert_error: () => from("islands").insert({ id: 101, name: "Mousa again" }),
  insert_returning: () => from("islands").insert({ id: 102, name: "Noss" }).select(),
  insert_bulk: () =>
    from("islands").insert([
      { id: 103, name: "Yell" },
      { id: 104, name: "Fetlar" },
    ]),
  insert_bulk_error: () =>
    from("islands").insert([
      { id: 105, name: "One" },
      { id: 105, name: "and the same" },
    ]),
  inserted: () => from("islands").select().gt("id", 100).order("id"),
  rollback: () => from("islands").insert({ id: 106, name: "Papa Stour" }).select().rollback(),
  rolled_back: () => from("islands").select().eq("id", 106),
  // upsert
  upsert: () => from("boats").upsert({ id: 1, name: "Albatross" }).select(),
  upsert_error: () => from("boats").upsert({ id: 1, nickname: "Al" }).select(),
  upsert_bulk: () =>
    from("boats")
      .upsert([
        { id: 1, name: "Alma" },
        { id: 12, name: "Dawn" },
      ])
      .select(),
  upsert_constraint: () => from("sailors").upsert({ id: 42, handle: "ines", name: "Ines again" }).select(),
  upsert_on_conflict: () =>
    from("sailors").upsert({ handle: "ines", name: "Ines of Porto" }, { onConflict: "handle" }).select("id, name"),
  upsert_counted: () =>
    from("sailors").upsert({ id: 9, handle: "lea", name: "Lea" }, { onConflict: "handle", count: "exact" }),
  upsert_ignored: () =>
    from("sailors").upsert({ handle: "jon", name: "Not Jon" }, { onConflict: "handle", ignoreDuplicates: true }).select(),
  upsert_row: () => from("fleets").upsert({ id: 1, name: "herring" }).select(),
  // update
  update: () => from("boats").update({ name: "Dusk" }).eq("id", 12),
  update_error: () => from("boats").update({ nickname: "D" }).eq("id", 12),
  update_returning: () => from("boats").update({ name: "Dawn" }).eq("id", 12).select(),
  update_json: () =>
    from("sailors")
      .update({ address: { street: "Quay 3", postcode: 4050 } })
      .eq("address->postcode", 4050)
      .select("id, address"),
  update_max_affected: () => from("islands").update({ name: "Too many" }).gt("id", 0).maxAffected(1).select(),
  // delete
  delete: () => from("islands").delete().eq("id", 101),
  delete_error: () => from("fleets").delete().eq("id", 2),
  delete_returning: () => from("islands").delete().eq("id", 102).select(),
  delete_many: () => from("islands").delete().in("id", [103, 104, 105]),
  deleted: () => from("islands").select("id").gt("id", 100),
  // rpc
  rpc: () => supabase.rpc("hello_harbour"),
  rpc_arguments: () => supabase.rpc("shout", { say: "👋" }),
  rpc_bulk: () => supabase.rpc("one_more_each", { arr: [1, 2, 3] }),
  rpc_filtered: () => supabase.rpc("charted_islands").eq("id", 1).single(),
  rpc_read_only: () => supabase.rpc("hello_harbour", undefined, { get: true }),
  rpc_count: () => supabase.rpc("charted_islands", {}, { count: "exact", head: false }).select("id"),
};

await report(calls);
