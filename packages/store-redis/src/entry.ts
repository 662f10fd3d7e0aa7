import { RedisStoreError } from './errors.ts'

/** What is kept under an id. */
export interface Entry {
  readonly version: number
  /** Milliseconds since the epoch. */
  readonly expiresAt: number | undefined
  /** Index name and key. */
  readonly keys: ReadonlyMap<string, string>
  /** JSON. */
  readonly text: string
}

/**
 * `version NUL expiresAt NUL (index NUL key NUL)* NUL json`: no expiry as nothing. Neither names nor keys nor JSON
 * can hold a NUL, so a script takes it apart with one pattern, and reads no further than it must.
 */
export function encodeEntry({ version, expiresAt, keys, text }: Entry): string {
  if (keys.size === 0) return `${version}\0${expiresAt ?? ''}\0\0${text}`
  let pairs = ''
  for (const [index, key] of keys) pairs += `${index}\0${key}\0`
  return `${version}\0${expiresAt ?? ''}\0${pairs}\0${text}`
}

/** @throws RedisStoreError `store_redis.reply_invalid` */
export function decodeEntry(reply: unknown): Entry {
  if (typeof reply !== 'string') throw invalid()
  const [, head = '', version = '', expiry = ''] = /^((\d+)\0(\d*)\0)/.exec(reply) ?? []
  if (head === '') throw invalid()
  const keys = new Map<string, string>()
  let at = head.length
  while (reply[at] !== '\0') {
    const middle = reply.indexOf('\0', at)
    const end = middle < 0 ? -1 : reply.indexOf('\0', middle + 1)
    if (end < 0) throw invalid()
    keys.set(reply.slice(at, middle), reply.slice(middle + 1, end))
    at = end + 1
  }
  const expiresAt = expiry === '' ? undefined : Number(expiry)
  return { version: Number(version), expiresAt, keys, text: reply.slice(at + 1) }
}

/** @throws RedisStoreError `store_redis.reply_invalid` */
export function parseValue<T>({ text }: Entry): T {
  try {
    return JSON.parse(text) as T
  } catch {
    throw invalid()
  }
}

function invalid(): RedisStoreError {
  return new RedisStoreError('store_redis.reply_invalid', 'what is kept under an id was not written by this package')
}
