import { createPasswords } from '@portcullis/password'

const passwords = createPasswords()
const hashes = new Map<string, string>() // your user table

export async function register(email: string, password: string): Promise<void> {
  hashes.set(email, await passwords.hash(password))
}

export async function signIn(email: string, password: string): Promise<boolean> {
  const stored = hashes.get(email) // undefined: no such account; verify then works just as long
  const result = await passwords.verify(password, stored)
  if (!result.ok) {
    console.warn(result.reason.code) // for the log; the client hears one text for every reason
    return false
  }
  // The parameters rose since: keep the new hash, unless the password was changed in the meantime.
  if (result.rehash && hashes.get(email) === stored) hashes.set(email, result.rehash)
  return true
}
