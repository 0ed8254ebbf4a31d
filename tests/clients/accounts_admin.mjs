// What supabase.auth.admin of the published client does and reads, as one JSON object on stdout.

import { createClient } from "@supabase/supabase-js";

const { url, serviceKey, anonKey } = JSON.parse(process.argv[2]);
// Nothing is listened to here, and older Nodes have no WebSocket.
const options = { auth: { persistSession: false, autoRefreshToken: false }, realtime: { transport: class {} } };
const admin = createClient(url, serviceKey, options).auth.admin;
const person = createClient(url, anonKey, options).auth;
const seen = {};

const good = ({ data, error }) => {
  if (error) throw error;
  return data;
};

const password = "correct horse battery staple";
const made = [];
for (const name of ["ann", "bob", "cid"]) {
  const body = { email: `${name}@example.org`, password, email_confirm: true, app_metadata: { plan: "pro" } };
  made.push(good(await admin.createUser(body)).user);
}
seen.plan = made[0].app_metadata.plan;
const page = good(await admin.listUsers({ page: 1, perPage: 2 }));
seen.page = [page.users.length, page.total, page.nextPage, page.lastPage];
seen.got = good(await admin.getUserById(made[0].id)).user.email;
seen.changed = good(await admin.updateUserById(made[0].id, { user_metadata: { name: "Ann" } })).user.user_metadata.name;
seen.taken = (await admin.createUser({ email: "ann@example.org", password })).error.code;

const session = good(await person.signInWithPassword({ email: "ann@example.org", password })).session;
seen.banned = good(await admin.updateUserById(made[0].id, { ban_duration: "24h" })).user.banned_until !== undefined;
seen.refused = (await person.signInWithPassword({ email: "ann@example.org", password })).error.code;
good(await admin.updateUserById(made[0].id, { ban_duration: "none" }));
const again = good(await person.signInWithPassword({ email: "ann@example.org", password })).session;
seen.signedOut = (await admin.signOut(again.access_token, "global")).error;
seen.gone = (await person.getUser(again.access_token)).error.name;

const link = good(await admin.generateLink({ type: "magiclink", email: "bob@example.org" }));
seen.link = [link.properties.verification_type, link.user.email, link.properties.action_link.includes("/auth/v1/verify")];
const hash = link.properties.hashed_token;
seen.entered = good(await person.verifyOtp({ type: "magiclink", token_hash: hash })).user.email;
seen.invited = good(await admin.inviteUserByEmail("dora@example.org", { data: { n: 1 } })).user.user_metadata.n;
seen.factors = good(await admin.mfa.listFactors({ userId: made[1].id })).factors;
seen.noFactor = (await admin.mfa.deleteFactor({ userId: made[1].id, id: made[1].id })).error.code;
good(await admin.deleteUser(made[2].id, true));
good(await admin.deleteUser(made[1].id));
seen.left = good(await admin.listUsers()).users.map((user) => user.email).sort();
seen.notAdmin = (await createClient(url, anonKey, options).auth.admin.listUsers()).error.status;
seen.session = typeof session.access_token;
console.log(JSON.stringify(seen));
