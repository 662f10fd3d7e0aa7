import { createHash, randomBytes } from 'node:crypto'

/** A new id: 256 random bits in base64url, 43 characters. Whoever knows it is in the session. */
export function newSessionId(): string {
  return randomBytes(32).toString('base64url')
}

/** A new handle: 128 random bits that name a session to people and programs, and open nothing. */
export function newHandle(): string {
  return randomBytes(16).toString('base64url')
}

/** Whether a cookie value has the form of an id. */
export function isSessionId(value: string): boolean {
  return /^[A-Za-z0-9_-]{43}$/.test(value)
}

/**
 * What a session is stored under: SHA-256, so that a stolen database opens no session; no salt and no slow hash, since 256 bits
 * can't be guessed. The cookie's name goes in, so that an id of one kind of session is none of another kind.
 */
export function sessionKey(cookieName: string, id: string): string {
  return createHash('sha256').update(`${cookieName}=${id}`).digest('base64url')
}
