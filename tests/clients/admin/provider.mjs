// react-admin's data provider against a running server: each of its nine methods, as its pages call them.
//
// Reads {url, anonKey} from its first argument.  What each must answer stands in ../test_admin.py.

import postgrest from "@raphiniert/ra-data-postgrest";
import { report } from "../report.mjs";

const facts = JSON.parse(process.argv[2]);

// What react-admin's fetchJson is to a provider: status, headers and JSON, and an error of anything but a success.
async function httpClient(url, options = {}) {
  const headers = new Headers(options.headers);
  headers.set("apikey", facts.anonKey);
  const reply = await fetch(url, { ...options, headers });
  const body = await reply.text();
  const json = body ? JSON.parse(body) : undefined;
  if (!reply.ok) throw Object.assign(new Error(json?.message), { status: reply.status, body: json });
  return { status: reply.status, headers: reply.headers, body, json };
}

const provider = (postgrest.default ?? postgrest)({
  apiUrl: `${facts.url}/rest/v1`,
  httpClient,
  defaultListOp: "eq",
  primaryKeys: new Map([["crew_sailors", ["crew_id", "sailor_id"]]]),
  schema: () => "public",
});

const page = (page, perPage) => ({ page, perPage });
const by = (field, order = "ASC") => ({ field, order });

const asked = {
  list: () => provider.getList("ports", { pagination: page(1, 2), sort: by("name"), filter: {} }),
  list_second_page: () => provider.getList("ports", { pagination: page(2, 2), sort: by("name"), filter: {} }),
  list_filtered: () =>
    provider.getList("ports", { pagination: page(1, 10), sort: by("id", "DESC"), filter: { "name@ilike": "ULL" } }),
  list_or: () =>
    provider.getList("ports", {
      pagination: page(1, 10),
      sort: by("id"),
      filter: { "@or": { "id@eq": 1, "name@like": "Ham" } },
    }),
  list_nulls_last: () =>
    provider.getList("islands", { pagination: page(1, 9), sort: by("name"), filter: {}, meta: { nullslast: true } }),
  list_embedded: () =>
    provider.getList("boats", {
      pagination: page(1, 1),
      sort: by("id"),
      filter: {},
      meta: { columns: ["id", "name"], embed: ["fleets"] },
    }),
  list_prefetched: () =>
    provider.getList("boats", { pagination: page(1, 2), sort: by("id"), filter: {}, meta: { prefetch: ["fleets"] } }),
  list_compound: () => provider.getList("crew_sailors", { pagination: page(1, 10), sort: by("id"), filter: {} }),
  list_function: () => provider.getList("rpc/charted_islands", { pagination: page(1, 2), filter: {} }),
  one: () => provider.getOne("ports", { id: 2 }),
  one_compound: () => provider.getOne("crew_sailors", { id: "[2,1]" }),
  one_missing: () => provider.getOne("ports", { id: 99 }),
  many: () => provider.getMany("ports", { ids: [1, 3] }),
  many_compound: () => provider.getMany("crew_sailors", { ids: ["[1,1]", "[2,2]"] }),
  many_reference: () =>
    provider.getManyReference("boats", {
      target: "fleet_id",
      id: 1,
      pagination: page(1, 1),
      sort: by("name", "DESC"),
      filter: {},
    }),
  create: () => provider.create("boats", { data: { id: 21, name: "Elver", fleet_id: 2 } }),
  create_refused: () => provider.create("boats", { data: { id: 21, name: "Elver" } }),
  create_compound: () => provider.create("crew_sailors", { data: { crew_id: 1, sailor_id: 3 } }),
  update: () =>
    provider.update("boats", {
      id: 21,
      data: { id: 21, name: "Elver II", fleet_id: 2 },
      previousData: { id: 21, name: "Elver", fleet_id: 2 },
    }),
  update_many: () => provider.updateMany("boats", { ids: [3, 21], data: { name: "Same" } }),
  delete: () => provider.delete("boats", { id: 21, previousData: {} }),
  delete_compound: () => provider.delete("crew_sailors", { id: "[1,3]", previousData: {} }),
  delete_many: () => provider.deleteMany("islands", { ids: [2, 3] }),
  deleted: () => provider.getList("islands", { pagination: page(1, 9), sort: by("id"), filter: {} }),
};

// A provider throws what it was refused, and answers {data, total, meta}.
const told = (call) => async () => {
  try {
    const { data, total, meta } = await call();
    return { data: meta ? { data, meta } : data, count: total, status: 200, error: null };
  } catch (error) {
    if (error.body === undefined) throw error;
    return { data: null, count: null, status: error.status, error: error.body };
  }
};

await report(Object.fromEntries(Object.entries(asked).map(([name, call]) => [name, told(call)])));
