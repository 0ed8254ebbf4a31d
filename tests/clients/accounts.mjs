// The published JavaScript client and the accounts of two running servers: one JSON line for each call.
//
// Reads {open, careful, anonKey, serviceKey} from its first argument: a server where an address counts as confirmed when it is
// given, one where it does not.  What each call must answer stands in accounts_expected.py, under the same name.

import { createHmac } from "node:crypto";
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

/** The six digits that an authenticator shows now (RFC 6238). */
function totp(secret) {
  const bits = [...secret].map((c) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(c).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30000)));
  const mac = createHmac("sha1", key).update(step).digest();
  const at = mac[19] & 15;
  return String((mac.readUInt32BE(at) & 0x7fffffff) % 1000000).padStart(6, "0");
}

const service = createClient(facts.open, facts.serviceKey, {
  auth: { persistSession: false, autoRefreshToken: false },
  realtime: { transport },
});
const dan = client(facts.open);
const DAN = { email: "dan@example.org", password: PASSWORD };
let danId, factor;
const levels = async () =>
  told(await dan.auth.mfa.getAuthenticatorAssuranceLevel(), (d) => [d.currentLevel, d.nextLevel, d.currentAuthenticationMethods.map((one) => one.method)]);

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
  // accounts as their admins see them
  admin_create: async () =>
    told(await service.auth.admin.createUser({ ...DAN, email_confirm: true, app_metadata: { plan: "gold" } }), ({ user }) => {
      danId = user.id;
      return [user.email, user.email_confirmed_at !== undefined, user.app_metadata.plan];
    }),
  admin_create_again: async () => told(await service.auth.admin.createUser(DAN), user),
  admin_list: async () =>
    told(await service.auth.admin.listUsers({ page: 1, perPage: 50 }), (d) => [d.users.map((one) => one.email).sort(), d.total]),
  admin_get: async () => told(await service.auth.admin.getUserById(danId), user),
  admin_update: async () =>
    told(await service.auth.admin.updateUserById(danId, { user_metadata: { name: "Dan" } }), (d) => d.user.user_metadata.name),
  admin_as_anybody: async () => told(await nobody.auth.admin.listUsers(), (d) => d.users.length),
  admin_invite: async () => told(await service.auth.admin.inviteUserByEmail("ivy@example.org"), (d) => [d.user.email, d.user.invited_at !== undefined]),
  invitation: async () => (await follow((await mail(facts.open, "ivy@example.org", "invite")).link)).hash.includes("access_token="),
  admin_link: async () => {
    const { data } = await service.auth.admin.generateLink({ type: "magiclink", email: DAN.email });
    const { hashed_token: token_hash, verification_type: type } = data.properties;
    return [type, told(await client(facts.open).auth.verifyOtp({ type, token_hash }), both)];
  },
  admin_sign_out: async () => {
    const { data } = await dan.auth.signInWithPassword(DAN);
    const out = told(await service.auth.admin.signOut(data.session.access_token, "global"), () => "out");
    return [out, told(await client(facts.open).auth.getUser(data.session.access_token), user)];
  },
  admin_ban: async () => {
    await service.auth.admin.updateUserById(danId, { ban_duration: "1h" });
    return told(await dan.auth.signInWithPassword(DAN), both);
  },
  admin_unban: async () => {
    await service.auth.admin.updateUserById(danId, { ban_duration: "none" });
    return told(await dan.auth.signInWithPassword(DAN), both);
  },
  // a second factor
  mfa_levels_before: levels,
  mfa_enroll: async () =>
    told(await dan.auth.mfa.enroll({ factorType: "totp", friendlyName: "phone" }), (d) => {
      factor = { id: d.id, secret: d.totp.secret };
      return [d.type, d.friendly_name, d.totp.uri.startsWith("otpauth://totp/"), d.totp.qr_code.startsWith("data:image/svg+xml")];
    }),
  mfa_wrong: async () => told(await dan.auth.mfa.challengeAndVerify({ factorId: factor.id, code: "000000x" }), () => "in"),
  mfa_verify: async () => {
    const { data } = await dan.auth.mfa.challenge({ factorId: factor.id });
    const body = { factorId: factor.id, challengeId: data.id, code: totp(factor.secret) };
    return told(await dan.auth.mfa.verify(body), (d) => [d.user.email, d.token_type]);
  },
  mfa_levels: levels,
  mfa_list: async () => told(await dan.auth.mfa.listFactors(), (d) => d.totp.map((one) => [one.friendly_name, one.status])),
  mfa_vault: async () => told(await dan.from("vaults").insert({ owner_id: danId }).select("owner_id"), (rows) => rows.length),
  mfa_weaker_session: async () => {
    const weaker = client(facts.open);
    await weaker.auth.signInWithPassword(DAN);
    const found = await weaker.auth.mfa.getAuthenticatorAssuranceLevel();
    return [found.data.currentLevel, found.data.nextLevel, told(await weaker.from("vaults").select("owner_id"), (rows) => rows)];
  },
  mfa_unenroll: async () => told(await dan.auth.mfa.unenroll({ factorId: factor.id }), (d) => d.id === factor.id),
  mfa_vault_closed: async () => {
    await dan.auth.refreshSession();
    return told(await dan.from("vaults").select("owner_id"), (rows) => rows);
  },
  admin_delete: async () => {
    const gone = told(await service.auth.admin.deleteUser(danId), () => "gone");
    return [gone, told(await service.auth.admin.getUserById(danId), user), told(await dan.auth.signInWithPassword(DAN), both)];
  },
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
