// A real OpenID provider on loopback, for tests/accounts/test_third_party.py.
// node provider.mjs '{"clients": […]}' prints its issuer, and serves until its standard input ends.
// Whoever signs in as NAME has the address NAME@example.org, verified unless the name begins with "un".
import { createServer } from "node:http";
import { Provider } from "oidc-provider";

const { clients } = JSON.parse(process.argv[2]);
const server = createServer();
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
const issuer = `http://127.0.0.1:${server.address().port}`;
const provider = new Provider(issuer, {
  clients,
  pkce: { required: () => true },
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name", "picture"] },
  scopes: ["openid", "email", "profile", "offline_access", "calendar"],
  cookies: { keys: ["of the tests"] },
  features: { claimsParameter: { enabled: true }, devInteractions: { enabled: true } },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({
      sub: id,
      email: `${id}@example.org`,
      email_verified: !id.startsWith("un"),
      name: `The one called ${id}`,
    }),
  }),
});
server.on("request", provider.callback());
process.stdin.resume().on("end", () => process.exit(0));
console.log(issuer);
