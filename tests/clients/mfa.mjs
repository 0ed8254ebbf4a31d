// The published client's second factors, from enrolment to removal: one line of JSON with what it saw.
import { createHmac } from 'node:crypto'
import { createClient } from '@supabase/supabase-js'

const { url, anonKey } = JSON.parse(process.argv[2])
const auth = { persistSession: false, autoRefreshToken: false, experimental: { recoveryCodes: true } }
// Old versions of Node have no WebSocket; this one is never opened.
const realtime = { transport: class {} }
const client = createClient(url, anonKey, { auth, realtime })

const good = ({ data, error }) => {
  if (error) throw error
  return data
}

// RFC 6238, for a step that lies `later` steps from now.
const code = (secret, later = 0) => {
  const bits = [...secret].map((char) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(char).toString(2).padStart(5, '0')).join('')
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)))
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30000) + later))
  const digest = createHmac('sha1', key).update(counter).digest()
  const number = digest.readUInt32BE(digest.at(-1) & 15) & 0x7fffffff
  return String(number % 1000000).padStart(6, '0')
}

const level = async () => good(await client.auth.mfa.getAuthenticatorAssuranceLevel())
const seen = {}
good(await client.auth.signUp({ email: 'ann@example.org', password: 'correct horse battery staple' }))
seen.before = (await level()).currentLevel
const factor = good(await client.auth.mfa.enroll({ factorType: 'totp', friendlyName: 'Phone' }))
seen.picture = factor.totp.qr_code.slice(0, 40)
const wrong = await client.auth.mfa.challengeAndVerify({ factorId: factor.id, code: '12345' })
seen.wrong = wrong.error.code
good(await client.auth.mfa.challengeAndVerify({ factorId: factor.id, code: code(factor.totp.secret) }))
seen.after = await level()
seen.vault = (await client.from('vaults').select()).status
const listed = good(await client.auth.mfa.listFactors())
seen.listed = listed.totp.map((one) => [one.id === factor.id, one.friendly_name, one.status])
const { codes } = good(await client.auth.mfa.recoveryCodes.generate())
good(await client.auth.signInWithPassword({ email: 'ann@example.org', password: 'correct horse battery staple' }))
seen.again = await level()
seen.refused = (await client.auth.mfa.unenroll({ factorId: factor.id })).error.code
good(await client.auth.mfa.recoveryCodes.verify({ code: codes[0] }))
seen.status = good(await client.auth.mfa.recoveryCodes.getStatus()).remaining
seen.renewed = good(await client.auth.mfa.recoveryCodes.regenerate()).codes.length
seen.gone = good(await client.auth.mfa.recoveryCodes.unenroll()).id.length
good(await client.auth.signInWithPassword({ email: 'ann@example.org', password: 'correct horse battery staple' }))
good(await client.auth.mfa.challengeAndVerify({ factorId: factor.id, code: code(factor.totp.secret, 1) }))
seen.removed = good(await client.auth.mfa.unenroll({ factorId: factor.id })).id === factor.id
const begun = good(await client.auth.passkey.startRegistration())
seen.passkey = Object.keys(begun).sort()
seen.passkeys = good(await client.auth.passkey.list())
console.log(JSON.stringify(seen))
