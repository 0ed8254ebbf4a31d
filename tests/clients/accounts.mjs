// The published JavaScript client and the accounts of two running servers: one JSON line for each call.
//
// Reads {open, careful, anonKey} from its first argument: a server where an address counts as confirmed when it is
// given, one where it does not.  What each call must answer stands in accounts_expected.py, under the same name.

import { createClient } from "@supabase/supabase-js";

const facts = JSON.parse(process.argv[2]);
const transport = globalThis.WebSocket ?? class Unused {};
const PASSWORD = "correct horse battery staple";
const OTHER = "another long passphrase";

const kept = () => {
  const map = new Map();
  return {
    getItem: (key) => map.get(key) ?? null,
    setItem: (key, value) => void map.set(key, value),
    removeItem: (key) => void map.delete(key),
    map,
  };
};

function client(url, auth = {}) {
  return createClient(url, facts.anonKey, {
    auth: { persistSession: true, autoRefreshToken: false, detectSessionInUrl: false, storage: kept(), ...auth },
    realtime: { transport },
  });
}

/** What came of a call: what `pick` makes of its data, or the error's class, code and status. */
function told({ data, error }, pick) {
  return error ? { error: [error.name, error.code ?? null, error.status ?? null] } : pick(data);
}

/** The newest mail to this address: its code and its link. */
async function mail(url, to, kind) {
  for (let tries = 0; tries < 200; tries++) {
    const all = await (await fetch(`${url}/_mail/messages.json?to=${encodeURIComponent(to)}`)).json();
    const found = all.filter((one) => one.kind === kind && !read.has(one.id));
    if (found.length) {
      const newest = found.sort((a, b) => (a.at < b.at ? 1 : -1))[0];
      found.forEach((one) => read.add(one.id));
      const link = newest.links.find((one) => one.includes("/verify?"));
      return { link, code: newest.text.match(/\b\d{6}\b/)?.[0] };
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`no mail (${kind}) to ${to}`);
}
const read = new Set();

/** Where a link of a mail leads, as a browser would follow it. */
const follow = async (link) => new URL((await fetch(link, { redirect: "manual" })).headers.get("location"));

const ann = client(facts.open);
const ann2 = client(facts.open);
const anon = client(facts.open);
const nobody = client(facts.open);
const bob = client(facts.careful);
const flow = client(facts.careful, { flowType: "pkce" });
const seen = [];
const user = ({ user }) => user.email;
const both = ({ user, session }) => [user.email, session !== null];
const ANN = { email: "ann@example.org", password: PASSWORD };
const BOB = { email: "bob@example.org", password: PASSWORD };
let first, old;

const calls = {
  // an address counts
  sign_up: async () => {
    ann.auth.onAuthStateChange((event) => event !== "INITIAL_SESSION" && seen.push(event));
    return told(await ann.auth.signUp({ ...ANN, options: { data: { name: "Ann" } } }), (d) => [...both(d), d.user.user_metadata.name]);
  },
  sign_up_again: async () => told(await nobody.auth.signUp(ANN), both),
  sign_up_weak: async () => {
    const { error } = await nobody.auth.signUp({ email: "eve@example.org", password: "1234567" });
    return [error.name, error.code, error.status, error.reasons];
  },
  sign_up_without_address: async () => told(await nobody.auth.signUp({ email: "nobody", password: PASSWORD }), both),
  get_session: async () => told(await ann.auth.getSession(), ({ session }) => [session.user.email, session.token_type, session.expires_in]),
  get_user: async () => told(await ann.auth.getUser(), user),
  get_user_forged: async () => told(await ann.auth.getUser("a.b.c"), user),
  get_claims: async () =>
    told(await ann.auth.getClaims(), ({ claims, header }) => [claims.email, claims.role, claims.aud, claims.aal, claims.amr[0].method, claims.is_anonymous, header.alg]),
  get_identities: async () => told(await ann.auth.getUserIdentities(), ({ identities }) => identities.map((one) => one.provider)),
  sign_in_wrong: async () => told(await ann2.auth.signInWithPassword({ ...ANN, password: "wrong" }), both),
  sign_in_unknown: async () => told(await ann2.auth.signInWithPassword({ ...ANN, email: "x@example.org" }), both),
  sign_in: async () => told(await ann2.auth.signInWithPassword(ANN), both),
  refresh_session: async () => {
    first = (await ann.auth.getSession()).data.session;
    return told(await ann.auth.refreshSession(), ({ session }) => [session.user.email, session.refresh_token !== first.refresh_token]);
  },
  refresh_repeated: async () => {
    const now = (await ann.auth.getSession()).data.session;
    return told(await nobody.auth.refreshSession({ refresh_token: first.refresh_token }), ({ session }) => session.refresh_token === now.refresh_token);
  },
  refresh_unknown: async () => told(await client(facts.open).auth.refreshSession({ refresh_token: "x".repeat(43) }), both),
  set_session: async () => {
    const session = (await ann.auth.getSession()).data.session;
    return told(await client(facts.open).auth.setSession(session), both);
  },
  get_session_expired: async () => {
    const storage = kept();
    const stale = client(facts.open, { storage, storageKey: "stale" });
    await stale.auth.signInWithPassword(ANN);
    const session = JSON.parse(storage.getItem("stale"));
    storage.setItem("stale", JSON.stringify({ ...session, expires_at: 1 }));
    return told(await stale.auth.getSession(), (d) => [d.session.user.email, d.session.refresh_token !== session.refresh_token]);
  },
  update_data: async () => told(await ann.auth.updateUser({ data: { town: "Ulm" } }), (d) => [d.user.user_metadata.name, d.user.user_metadata.town]),
  update_password_same: async () => told(await ann.auth.updateUser({ password: PASSWORD }), user),
  update_password_weak: async () => {
    const { error } = await ann.auth.updateUser({ password: "short" });
    return [error.name, error.code, error.status, error.reasons];
  },
  // rows of one's own
  insert_own: async () => {
    const id = (await ann.auth.getUser()).data.user.id;
    return told(await ann.from("secrets").insert({ owner_id: id, text: "mine" }).select("text"), (rows) => rows);
  },
  insert_as_another: async () => {
    const { error } = await ann.from("secrets").insert({ owner_id: crypto.randomUUID(), text: "not mine" });
    return error.code;
  },
  insert_behind_a_factor: async () => {
    const id = (await ann.auth.getUser()).data.user.id;
    const { error } = await ann.from("vaults").insert({ owner_id: id });
    return error.code;
  },
  select_own: async () => told(await ann.from("secrets").select("text"), (rows) => rows),
  select_as_another: async () => {
    const eve = client(facts.open);
    await eve.auth.signUp({ email: "eve@example.org", password: PASSWORD });
    return told(await eve.from("secrets").select("text"), (rows) => rows);
  },
  update_password: async () => told(await ann.auth.updateUser({ password: OTHER }), user),
  other_device_is_out: async () => told(await ann2.auth.getUser(), user),
  sign_in_old_password: async () => told(await ann2.auth.signInWithPassword(ANN), both),
  sign_in_new_password: async () => told(await ann2.auth.signInWithPassword({ ...ANN, password: OTHER }), both),
  sign_out_others: async () => told(await ann.auth.signOut({ scope: "others" }), () => "out"),
  others_are_out: async () => told(await ann2.auth.getUser(), user),
  // change both ends of an address
  update_email: async () => told(await ann.auth.updateUser({ email: "anna@example.org" }), (d) => [d.user.email, d.user.new_email]),
  verify_half: async () => {
    const { code } = await mail(facts.open, ANN.email, "email_change");
    return told(await nobody.auth.verifyOtp({ type: "email_change", email: ANN.email, token: code }), (d) => d.session ?? null);
  },
  verify_whole: async () => {
    const { code } = await mail(facts.open, "anna@example.org", "email_change");
    return told(await ann.auth.verifyOtp({ type: "email_change", email: "anna@example.org", token: code }), both);
  },
  sign_out_local: async () => {
    const out = told(await ann.auth.signOut({ scope: "local" }), () => "out");
    return [out, (await ann.auth.getSession()).data.session];
  },
  get_user_signed_out: async () => told(await ann.auth.getUser(), user),
  refresh_signed_out: async () => told(await ann.auth.refreshSession(), both),
  events: async () => seen,
  // nobody in particular
  anonymous: async () => told(await anon.auth.signInAnonymously({ options: { data: { tour: 1 } } }), (d) => [d.user.is_anonymous, d.user.user_metadata.tour]),
  anonymous_row: async () => {
    const id = (await anon.auth.getUser()).data.user.id;
    return told(await anon.from("secrets").insert({ owner_id: id, text: "kept" }).select("text"), (rows) => rows);
  },
  anonymous_gives_address: async () => told(await anon.auth.updateUser({ email: "ada@example.org" }), (d) => d.user.new_email),
  anonymous_no_more: async () => {
    const { code } = await mail(facts.open, "ada@example.org", "email_change");
    return told(await anon.auth.verifyOtp({ type: "email_change", email: "ada@example.org", token: code }), (d) => [d.user.email, d.user.is_anonymous]);
  },
  row_is_kept: async () => told(await anon.from("secrets").select("text"), (rows) => rows),
  // an address must be confirmed
  careful_sign_up: async () => {
    const answer = told(await bob.auth.signUp(BOB), (d) => [...both(d), d.user.identities.length]);
    await mail(facts.careful, BOB.email, "confirmation");
    return answer;
  },
  careful_sign_in_early: async () => told(await bob.auth.signInWithPassword(BOB), both),
  careful_resend: async () => {
    const answer = told(await bob.auth.resend({ type: "signup", email: BOB.email }), () => "sent");
    old = await mail(facts.careful, BOB.email, "confirmation");
    return answer;
  },
  careful_wrong_code: async () => told(await bob.auth.verifyOtp({ type: "signup", email: BOB.email, token: "x" }), both),
  careful_code: async () => told(await bob.auth.verifyOtp({ type: "signup", email: BOB.email, token: old.code }), both),
  careful_code_again: async () => told(await nobody.auth.verifyOtp({ type: "signup", email: BOB.email, token: old.code }), both),
  careful_sign_up_taken: async () => told(await client(facts.careful).auth.signUp(BOB), (d) => [...both(d), d.user.identities.length]),
  recover: async () => told(await bob.auth.resetPasswordForEmail(BOB.email), () => "sent"),
  recover_unknown: async () => told(await bob.auth.resetPasswordForEmail("x@example.org"), () => "sent"),
  recover_verify: async () => {
    const { code } = await mail(facts.careful, BOB.email, "recovery");
    return told(await bob.auth.verifyOtp({ type: "recovery", email: BOB.email, token: code }), both);
  },
  otp_known: async () => told(await bob.auth.signInWithOtp({ email: BOB.email, options: { shouldCreateUser: false } }), () => "sent"),
  otp_unknown: async () => told(await bob.auth.signInWithOtp({ email: "x@example.org", options: { shouldCreateUser: false } }), () => "sent"),
  otp_verify: async () => {
    const { code } = await mail(facts.careful, BOB.email, "magic_link");
    return told(await bob.auth.verifyOtp({ type: "email", email: BOB.email, token: code }), both);
  },
  otp_creates: async () => told(await client(facts.careful).auth.signInWithOtp({ email: "new@example.org" }), () => "sent"),
  token_hash: async () => {
    const { link } = await mail(facts.careful, "new@example.org", "confirmation");
    const token_hash = new URL(link).searchParams.get("token");
    return told(await client(facts.careful).auth.verifyOtp({ type: "email", token_hash }), both);
  },
  link: async () => {
    await bob.auth.signInWithOtp({ email: BOB.email });
    const back = new URLSearchParams((await follow((await mail(facts.careful, BOB.email, "magic_link")).link)).hash.slice(1));
    return told(await bob.auth.setSession({ access_token: back.get("access_token"), refresh_token: back.get("refresh_token") }), both);
  },
  reauthenticate: async () => told(await bob.auth.reauthenticate(), () => "sent"),
  wrong_nonce: async () => told(await bob.auth.updateUser({ password: OTHER, nonce: "12" }), user),
  right_nonce: async () => {
    const { code } = await mail(facts.careful, BOB.email, "reauthentication");
    return told(await bob.auth.updateUser({ password: OTHER, nonce: code }), user);
  },
  // PKCE
  pkce_send: async () => told(await flow.auth.signInWithOtp({ email: BOB.email }), () => "sent"),
  pkce_wrong_code: async () => told(await client(facts.careful).auth.exchangeCodeForSession("x"), both),
  pkce_exchange: async () => {
    const back = await follow((await mail(facts.careful, BOB.email, "magic_link")).link);
    return [back.hash, told(await flow.auth.exchangeCodeForSession(back.searchParams.get("code")), both)];
  },
  pkce_recover: async () => {
    await flow.auth.resetPasswordForEmail(BOB.email);
    const back = await follow((await mail(facts.careful, BOB.email, "recovery")).link);
    return told(await flow.auth.exchangeCodeForSession(back.searchParams.get("code")), both);
  },
  sign_out_global: async () => told(await flow.auth.signOut(), () => "out"),
  all_are_out: async () => told(await bob.auth.getUser(), user),
};

for (const [name, call] of Object.entries(calls)) {
  let line;
  try {
    line = { name, value: (await call()) ?? null };
  } catch (fault) {
    line = { name, threw: String(fault?.stack ?? fault) };
  }
  console.log(JSON.stringify(line));
}
process.exit(0);
