import { createMemoryStore } from '@portcullis/core'
import { createPasswordPolicy, createPasswords, passwordChanged } from '@portcullis/password'
import { createPasswordReset, type PasswordReset, type ResetAccount } from '@portcullis/password/account-tokens'

const passwords = createPasswords()
const policy = createPasswordPolicy({ words: ['Ledger'] })
const hashes = new Map<string, string>() // your user table

/** Replaces a hash, unless somebody else did so in the meantime. */
async function save(email: string, hash: string, before: string): Promise<boolean> {
  if (hashes.get(email) !== before) return false
  hashes.set(email, hash)
  return true
}

export async function register(email: string, password: string): Promise<readonly string[]> {
  const verdict = await policy.check(password, { about: [email] })
  if (!verdict.ok) return verdict.flaws.map((flaw) => flaw.message)
  hashes.set(email, await passwords.hash(password))
  return []
}

export async function signIn(email: string, password: string): Promise<'ok' | 'refused' | 'busy'> {
  const stored = hashes.get(email) // undefined: no such account; verify then works just as long
  const result = await passwords.verify(password, stored)
  if (!result.ok) {
    console.warn(result.reason.code) // for the log; the client hears one text for every reason
    return result.retryAfter === undefined ? 'refused' : 'busy'
  }
  if (result.rehash && stored) await save(email, result.rehash, stored)
  return 'ok'
}

async function accountOf(email: string): Promise<ResetAccount | undefined> {
  const state = hashes.get(email)
  return state === undefined ? undefined : { account: email, state, secondFactor: false, about: [email] }
}

export const outbox: { to: string; text: string }[] = []

export const reset: PasswordReset = createPasswordReset({
  store: createMemoryStore(),
  passwords,
  policy,
  accounts: { byIdentifier: accountOf, byAccount: accountOf, save },
  deliver: async ({ account, token }) => void outbox.push({ to: account, text: `https://ledger.test/reset#${token}` }),
  endSessions: async () => {}, // sessions.endAll(account), of @portcullis/sessions
})

passwordChanged.subscribe(({ data }) => outbox.push({ to: data.account, text: 'Your password was changed.' }))
