import { createHmac, createSecretKey, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto'
import {
  type Clock,
  cookieValues,
  epochSeconds,
  isHostCookieName,
  type KnownDevice,
  type RequestView,
  setHostCookie,
  systemClock,
} from '@portcullis/core'
import { RateLimitError } from './errors.ts'
import { canonicalIdentifier } from './identifier.ts'

/** Settings of {@link createDeviceCookies} that have defaults. */
export interface DeviceCookieSettings {
  /** Begins with `__Host-`; `__Host-known-device` by default. */
  readonly name?: string
  /**
   * Seconds that a device is known after its last sign-in: 180 days by default, from an hour to 400 days, which is as long as browsers
   * keep a cookie (RFC 6265bis §5.5). Made shorter, it holds for cookies that were issued before, too.
   */
  readonly lifetime?: number
  /** How many accounts one browser is known for; the one that signed in longest ago is forgotten. 8 by default, 1 to 20. */
  readonly most?: number
  readonly clock?: Clock
}

/** Options of {@link createDeviceCookies}: one secret, or keys that rotate. */
export type DeviceCookiesOptions = DeviceCookieSettings &
  (
    | {
        /** At least 32 bytes, the same in all processes; a string counts as its UTF-8 bytes. Short for `{ current: '1', keys: { 1: secret } }`. */
        readonly secret: string | Uint8Array
      }
    | {
        /** The id of the key that signs. */
        readonly current: string
        /** At least 32 bytes each, by id (`A-Z a-z 0-9 _ -`); those that are not current only verify. */
        readonly keys: Readonly<Record<string, string | Uint8Array>>
      }
  )

/**
 * The device cookies of OWASP (Slow Down Online Guessing Attacks with Device Cookies): whoever has signed in before is counted apart from
 * everybody who has not, so that an attacker locks himself out, and not the account's owner.
 *
 * Nothing is stored here. One cookie holds an entry for each of the last few people who signed in in that browser: the moment, a random
 * number, and an HMAC-SHA-256 over both and the account, which the cookie itself does not name.
 */
export interface DeviceCookies {
  /** The cookie's name. */
  readonly name: string
  /**
   * Call it after **every** successful sign-in, second factor included: the device gets a new bucket, and whoever had copied the cookie
   * stays in the old one. A link that was mailed to the owner may issue one too: it is his way past a limit that others have used up.
   * @param req the request that signed in: other people's entries in its cookie are kept
   * @returns a `Set-Cookie` value
   * @throws RateLimitError `rate_limit.key_missing`: an empty identifier
   */
  issue(account: string, req: Pick<RequestView, 'headers'>): string
  /**
   * The device, where the request has a cookie that was issued to this account and is not too old. Pass it on to
   * `BruteForceGuard.attempt`.
   * @param account as typed in: it is canonicalised as the guard does
   */
  read(req: Pick<RequestView, 'headers'>, account: string): KnownDevice | undefined
  /** A `Set-Cookie` value that leaves this account out, for a browser that is not its owner's. */
  forget(account: string, req: Pick<RequestView, 'headers'>): string
}

/** What the cookie says of one account. */
interface Entry {
  readonly text: string
  readonly keyId: string
  /** Seconds since the epoch, as sent. */
  readonly issued: string
  readonly nonce: string
  readonly mac: string
}

const ENTRY = /^([A-Za-z0-9_-]{1,64})\.([1-9][0-9]{0,11})\.([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{43})$/

/** Seconds by which the clocks of our processes may differ. */
const SKEW = 60

/**
 * @throws RateLimitError `rate_limit.options_invalid`
 * @example
 * const devices = createDeviceCookies({ secret: process.env.DEVICE_SECRET })
 * const attempt = await guard.attempt({ account, address: req.client.ip, device: devices.read(req, account) }, { request: req })
 */
export function createDeviceCookies(options: DeviceCookiesOptions): DeviceCookies {
  const { name = '__Host-known-device', lifetime = 180 * 86_400, most = 8, clock = systemClock } = options
  if (!isHostCookieName(name)) throw invalid('name is a cookie name that begins with __Host-')
  if (!Number.isInteger(lifetime) || lifetime < 3600 || lifetime > 400 * 86_400) {
    throw invalid('lifetime is a whole number of seconds from 3,600 to 34,560,000')
  }
  if (!Number.isInteger(most) || most < 1 || most > 20) throw invalid('most is a whole number from 1 to 20')
  const { current, keys } = keysOf(options)

  const macOf = (key: KeyObject, who: string, { keyId, issued, nonce }: Omit<Entry, 'text' | 'mac'>): string =>
    // As JSON, so that no part can run into the next; named, so that it is no other package's HMAC under the same secret.
    createHmac('sha256', key)
      .update(JSON.stringify(['portcullis.device-cookie.1', name, keyId, who, issued, nonce]))
      .digest('base64url')

  const isFresh = ({ keyId, issued }: Entry): boolean => {
    const age = epochSeconds(clock) - Number(issued)
    return keys.has(keyId) && age < lifetime && age >= -SKEW
  }

  const isOf = (entry: Entry, who: string): boolean => {
    const key = keys.get(entry.keyId)
    // Compared as text, both of 43 characters: base64url has four spellings of a last byte, and this leaves one.
    return key !== undefined && timingSafeEqual(Buffer.from(entry.mac), Buffer.from(macOf(key, who, entry)))
  }

  const entriesOf = ({ headers }: Pick<RequestView, 'headers'>): Entry[] => {
    const [only, ...planted] = cookieValues(headers, name)
    // Of two, one was planted, and which is not known.
    const parts = planted.length > 0 ? [] : (only?.split('~', most) ?? [])
    return parts.map(parse).filter((entry): entry is Entry => entry !== undefined && isFresh(entry))
  }

  // Along only with requests that begin on our own site: a page elsewhere cannot use up a device's guesses.
  const sameSite = 'Strict'

  const newEntry = (who: string): string => {
    const entry = { keyId: current.id, issued: String(epochSeconds(clock)), nonce: randomBytes(16).toString('base64url') }
    return `${entry.keyId}.${entry.issued}.${entry.nonce}.${macOf(current.key, who, entry)}`
  }

  const othersOf = (req: Pick<RequestView, 'headers'>, who: string): string[] =>
    entriesOf(req)
      .filter((entry) => !isOf(entry, who))
      .map(({ text }) => text)

  return {
    name,
    issue(account, req) {
      const who = canonicalIdentifier(account)
      if (who === '') throw new RateLimitError('rate_limit.key_missing', 'a device cookie has no account to be issued to')
      return setHostCookie(name, [newEntry(who), ...othersOf(req, who)].slice(0, most).join('~'), { sameSite, maxAge: lifetime })
    },
    read(req, account) {
      const who = canonicalIdentifier(account)
      if (who === '') return undefined
      const own = entriesOf(req).find((entry) => isOf(entry, who))
      return own && Object.freeze({ id: own.nonce, account: who })
    },
    forget(account, req) {
      const others = othersOf(req, canonicalIdentifier(account))
      return setHostCookie(name, others.join('~'), { sameSite, maxAge: others.length === 0 ? 0 : lifetime })
    },
  }
}

function parse(text: string): Entry | undefined {
  const [, keyId, issued, nonce, mac] = ENTRY.exec(text) ?? []
  if (keyId === undefined || issued === undefined || nonce === undefined || mac === undefined) return undefined
  return { text, keyId, issued, nonce, mac }
}

interface Keys {
  readonly current: { readonly id: string; readonly key: KeyObject }
  readonly keys: ReadonlyMap<string, KeyObject>
}

function keysOf(options: DeviceCookiesOptions): Keys {
  const given = 'keys' in options ? options : { current: '1', keys: { 1: options.secret } }
  const keys = new Map<string, KeyObject>()
  for (const [id, secret] of Object.entries(given.keys)) {
    if (!/^[A-Za-z0-9_-]{1,64}$/.test(id)) throw invalid('a key id is 1 to 64 of A-Z a-z 0-9 _ -')
    const bytes = typeof secret === 'string' ? Buffer.from(secret) : secret
    if (!(bytes instanceof Uint8Array) || bytes.length < 32) throw invalid('a secret of device cookies has at least 32 bytes')
    keys.set(id, createSecretKey(bytes))
  }
  const key = keys.get(given.current)
  if (key === undefined) throw invalid('current names none of the keys')
  return { current: { id: given.current, key }, keys }
}

function invalid(why: string): RateLimitError {
  return new RateLimitError('rate_limit.options_invalid', why)
}
