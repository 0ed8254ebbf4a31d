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

console.log(JSON.stringify({ name, weight, animals, total, code, changed: changed.response.status }));
