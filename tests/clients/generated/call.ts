// What an app would write against the generated types.  It is compiled with --strict, and then run.
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

const facts = JSON.parse(process.argv[2] ?? "{}") as { url: string; token: string; keeper: string };
// The answers as arrays: the description also offers a single object, under another media type.
const client = createClient<paths, "application/json">({
  baseUrl: `${facts.url}/rest/v1`,
  headers: { Authorization: `Bearer ${facts.token}` },
});

const fresh: components["schemas"]["animals.insert"] = { keeper_id: facts.keeper, name: "Mo", tame: true };
const created = await client.POST("/animals", {
  body: fresh,
  params: { header: { Prefer: "return=representation" } },
});
const id: number = created.data![0]!.id;

const read = await client.GET("/animals", { params: { query: { id: `eq.${id}`, limit: 1, order: "name.desc" } } });
const animal: components["schemas"]["animals"] = read.data![0]!;
const name: string = animal.name;
const weight: number | null = animal.weight;

const one = await client.GET("/animals/{id}", { params: { path: { id }, query: { select: "id,name,legs" } } });
const item: components["schemas"]["animals"] = one.data!;
const tag: string = one.response.headers.get("ETag")!;
const known = await client.GET("/animals/{id}", {
  params: { path: { id }, query: { select: "id,name,legs" }, header: { "If-None-Match": tag } },
});
const stale = await client.PATCH("/animals/{id}", {
  params: { path: { id }, header: { "If-Match": '"of-yesterday"' } },
  body: { legs: 2 },
});
const key = { "Idempotency-Key": "wave-of-mine" };
const waved = await client.POST("/rpc/wave", { params: { header: key }, body: {} });
const again = await client.POST("/rpc/wave", { params: { header: key }, body: {} });

const batch = await client.POST("/batch", {
  body: [
    {
      method: "POST",
      path: "animals?select=id",
      headers: { Prefer: "return=representation" },
      body: { keeper_id: facts.keeper, name: "Jo" },
    },
    { method: "POST", path: "zoo%20visits", body: { animal_id: { $ref: "0.id" }, day: "2024-05-01" } },
    { path: "zoo%20visits", query: { select: "day" } },
  ],
});
const results: components["schemas"]["rest.result"][] = batch.data!;

const changed = await client.PATCH("/animals", { params: { query: { id: `eq.${id}` } }, body: { legs: 3 } });
const census = await client.GET("/rpc/census", { params: { query: { least: 1 } } });
const animals: number = census.data!.animals;
const fed = await client.POST("/rpc/feed", { body: { animal: id, meals: [{ food: "hay" }] } });
const total: number = fed.data!.total;
const wrong = await client.GET("/animals", { params: { query: { id: "eq.x" } } });
const code: string = wrong.error!.code;

// Types that do not fit are errors: a compiler that let these lines pass would fail on the comments above them.
// @ts-expect-error -- there is no such table
void (() => client.GET("/ledger"));
// @ts-expect-error -- there is no such column
export const column: components["schemas"]["animals.insert"] = { keeper_id: "", name: "", vet_note: "" };
// @ts-expect-error -- a new animal needs a name
export const nameless: components["schemas"]["animals.insert"] = { keeper_id: "" };
// @ts-expect-error -- keepers are not written by this caller
void (() => client.DELETE("/keepers"));
// @ts-expect-error -- nor one of them
void (() => client.DELETE("/keepers/{id}", { params: { path: { id: "" } } }));
// @ts-expect-error -- the key of an animal is a number
void (() => client.GET("/animals/{id}", { params: { path: { id: "one" } } }));
// @ts-expect-error -- an operation of a batch has a path
void (() => client.POST("/batch", { body: [{ method: "GET" }] }));

console.log(
  JSON.stringify({
    ...{ name, weight, animals, total, code, changed: changed.response.status },
    item: [item.id === id, item.name, item.legs],
    known: known.response.status,
    stale: [stale.response.status, stale.error!.code],
    waved: [waved, again].map((each) => [each.response.status, each.response.headers.get("Idempotency-Replayed")]),
    batch: results.map((each) => each.status),
    day: results[2]!.body,
  }),
);
