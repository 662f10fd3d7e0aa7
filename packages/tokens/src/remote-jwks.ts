import { type Clock, systemClock } from '@portcullis/core'
import type { JWK } from 'jose'
import { TokenError } from './errors.ts'
import { jwksFailedEvent, jwksRefreshedEvent } from './events.ts'
import { askInTime, type Fetch, fetchJson } from './fetch-json.ts'
import { type KeyHint, KeyIndex, type KeySource } from './key-source.ts'
import { type ImportOptions, importVerificationKey, type VerificationKey } from './keys.ts'
import { seconds, text, wholeNumber } from './options.ts'
import { secureUrl } from './secure-url.ts'

/** Where the keys are. */
export type JwksLocation =
  /** The JWKS itself. */
  | { readonly url: string; readonly issuer?: never; readonly metadata?: never }
  /** The issuer, whose metadata names the JWKS; the metadata must name it back. */
  | {
      readonly issuer: string
      readonly url?: never
      /**
       * Where the metadata is: `openid`, behind the issuer's path (OpenID Connect Discovery 1.0 §4), or `oauth`, before it
       * (RFC 8414 §3.1), for servers that know no OpenID Connect. Default: `openid`.
       */
      readonly metadata?: 'openid' | 'oauth'
    }

/** Options of {@link createRemoteJwks}. */
export type RemoteJwksOptions = JwksLocation &
  ImportOptions & {
    /** Default: the platform's. */
    readonly fetch?: Fetch
    readonly clock?: Clock
    /**
     * Seconds after which the set is read again, whatever the answer's `Cache-Control` says: how long a key that has left it is
     * still trusted. In the last fifth of it, verifying causes a reading that nobody waits for. Default: 300.
     */
    readonly cacheMaxAge?: number
    /** Seconds that a set is used beyond that while it can't be read. Default: 3600. */
    readonly staleIfError?: number
    /** The fewest seconds between two readings, whatever tokens name; no more than `cacheMaxAge` counts. Default: 30. */
    readonly cooldown?: number
    /** Milliseconds for a reading, metadata included. Default: 5000. */
    readonly timeout?: number
    /** The largest document that is read, in bytes. Default: 262144. */
    readonly maxBytes?: number
  }

/** The keys of an issuer elsewhere. One instance for each issuer: nothing is shared between two. */
export interface RemoteJwks extends KeySource {
  /** Reads the set now; call it at start-up to find a wrong URL there. @throws TokenError `tokens.keys_unavailable` */
  load(): Promise<void>
}

/** More keys than any issuer has; checking a key is work. */
const MAX_KEYS = 100

/**
 * Keys from an issuer's JWKS (RFC 7517 §5). Keys that can't be used, or must not be, are left out, and the event
 * `tokens.jwks_refreshed` says why.
 *
 * @throws TokenError `tokens.options_invalid`, also for a URL that is neither `https:` nor on this machine
 * @example const keys = createRemoteJwks({ issuer: 'https://login.example.com' })
 */
export function createRemoteJwks(options: RemoteJwksOptions): RemoteJwks {
  const jwks = new CachedJwks(options)
  return {
    kind: 'asymmetric',
    find: (hint) => jwks.find(hint),
    load: () => jwks.refresh(),
  }
}

interface Settings {
  readonly fetch: Fetch
  readonly timeout: number
  readonly maxBytes: number
}

class CachedJwks {
  readonly #issuer: string | undefined
  readonly #metadataUrl: string | undefined
  readonly #settings: Settings
  readonly #import: ImportOptions
  readonly #clock: Clock
  readonly #cacheMaxAge: number
  readonly #usableFor: number
  readonly #cooldown: number
  #url: string | undefined
  #keys: KeyIndex | undefined
  #imported: ImportedKeys = new Map()
  #fetchedAt = Number.NEGATIVE_INFINITY
  #attemptedAt = Number.NEGATIVE_INFINITY
  #refreshing: Promise<void> | undefined
  #failure: TokenError | undefined

  constructor(options: RemoteJwksOptions) {
    if ((options.url === undefined) === (options.issuer === undefined)) {
      throw new TokenError('tokens.options_invalid', 'give either url or issuer')
    }
    this.#issuer = options.issuer === undefined ? undefined : text('issuer', options.issuer)
    const location = secureUrl('url or issuer', options.url ?? options.issuer)
    this.#url = options.url
    this.#metadataUrl = options.issuer === undefined ? undefined : metadataUrl(location, options.metadata ?? 'openid')
    this.#cacheMaxAge = 1000 * seconds('cacheMaxAge', options.cacheMaxAge ?? 300, { min: 1, max: 86_400 })
    this.#usableFor = this.#cacheMaxAge + 1000 * seconds('staleIfError', options.staleIfError ?? 3600, { min: 0, max: 86_400 })
    // What is older than its age must be read again, however lately that was.
    const cooldown = 1000 * seconds('cooldown', options.cooldown ?? 30, { min: 1, max: 3600 })
    this.#cooldown = Math.min(cooldown, this.#cacheMaxAge)
    this.#settings = {
      fetch: options.fetch ?? globalThis.fetch,
      timeout: 1000 * seconds('timeout', (options.timeout ?? 5000) / 1000, { min: 0.001, max: 60 }),
      maxBytes: wholeNumber('maxBytes', options.maxBytes ?? 262_144, { min: 1, max: 16_777_216 }),
    }
    this.#import = options.rsaAlgorithm === undefined ? {} : { rsaAlgorithm: options.rsaAlgorithm }
    this.#clock = options.clock ?? systemClock
  }

  find(hint: KeyHint): VerificationKey | undefined | Promise<VerificationKey | undefined> {
    if (!this.#isWithin(this.#fetchedAt, this.#cacheMaxAge)) return this.#findInExpired(hint)
    const found = this.#keys?.find(hint)
    if (!this.#mayRefresh()) return found
    if (found !== undefined) {
      // Soon somebody would have to wait. What comes of it is in the event, and in the next answers.
      if (!this.#isWithin(this.#fetchedAt, 0.8 * this.#cacheMaxAge)) this.refresh().catch(() => undefined)
      return found
    }
    // The issuer may have rotated. Whatever comes of asking, an answer in hand is still good: it has not expired.
    return this.refresh().then(
      () => this.#keys?.find(hint),
      () => this.#keys?.find(hint),
    )
  }

  #findInExpired(hint: KeyHint): VerificationKey | undefined | Promise<VerificationKey | undefined> {
    if (this.#mayRefresh()) {
      return this.refresh().then(
        () => this.#keys?.find(hint),
        (failure: TokenError) => this.#findInStale(hint, failure),
      )
    }
    // An attempt has failed a moment ago.
    const failure = this.#failure ?? new TokenError('tokens.keys_unavailable', 'the key set was not read', { status: 503 })
    return this.#findInStale(hint, failure)
  }

  #findInStale(hint: KeyHint, failure: TokenError): VerificationKey | undefined | Promise<never> {
    return this.#isWithin(this.#fetchedAt, this.#usableFor) ? this.#keys?.find(hint) : Promise.reject(failure)
  }

  #mayRefresh(): boolean {
    return this.#refreshing !== undefined || !this.#isWithin(this.#attemptedAt, this.#cooldown)
  }

  refresh(): Promise<void> {
    this.#refreshing ??= this.#read().finally(() => {
      this.#refreshing = undefined
    })
    return this.#refreshing
  }

  async #read(): Promise<void> {
    // Before the first await, and from the start of the reading: what changed since then has not been seen.
    const startedAt = this.#clock.now()
    this.#attemptedAt = startedAt
    const { fetch, timeout, maxBytes } = this.#settings
    try {
      const document = await askInTime(timeout, async (signal) => {
        this.#url ??= await this.#discover({ fetch, maxBytes, signal })
        return fetchJson(this.#url, { fetch, maxBytes, signal })
      })
      const { keys, ignored, imported } = await importSet(document['keys'], this.#import, this.#imported)
      this.#keys = keys
      this.#imported = imported
      this.#fetchedAt = startedAt
      this.#failure = undefined
      jwksRefreshedEvent.publish({ url: this.#name(), keys: keys.size, ignored }, { clock: this.#clock })
    } catch (cause) {
      const message = cause instanceof TokenError ? cause.message : 'the key set can not be fetched'
      const failure = new TokenError('tokens.keys_unavailable', message, { cause, status: 503 })
      this.#failure = failure
      // The issuer may have moved its keys.
      if (this.#issuer !== undefined) this.#url = undefined
      const stale = this.#isWithin(this.#fetchedAt, this.#usableFor)
      jwksFailedEvent.publish({ url: this.#name(), message, stale }, { clock: this.#clock })
      throw failure
    }
  }

  async #discover(options: Parameters<typeof fetchJson>[1]): Promise<string> {
    const metadata = await fetchJson(this.#metadataUrl ?? '', options)
    // OpenID Connect Discovery 1.0 §4.3, RFC 8414 §3.3: identical, or this is somebody else's metadata.
    if (metadata['issuer'] !== this.#issuer) {
      throw new TokenError('tokens.keys_unavailable', 'the metadata is of another issuer', { status: 503 })
    }
    const url = secureUrl('jwks_uri', metadata['jwks_uri'])
    // What is somewhere else must not send us to what listens on this machine alone.
    if (!url.startsWith('https:') && this.#issuer?.startsWith('https:') === true) {
      throw new TokenError('tokens.keys_unavailable', 'jwks_uri is not an https: URL', { status: 503 })
    }
    return url
  }

  #name(): string {
    return this.#url ?? this.#issuer ?? ''
  }

  #isWithin(since: number, span: number): boolean {
    // A clock that was set back must not stretch anything.
    const age = this.#clock.now() - since
    return age >= 0 && age < span
  }
}

function metadataUrl(issuer: string, kind: 'openid' | 'oauth'): string {
  // RFC 8414 §2: no query, behind which a path would be part of it.
  if (new URL(issuer).search !== '') throw new TokenError('tokens.options_invalid', 'issuer has a query')
  const trimmed = issuer.replace(/\/$/, '')
  if (kind === 'openid') return `${trimmed}/.well-known/openid-configuration`
  if (kind === 'oauth') {
    const { origin } = new URL(issuer)
    return `${origin}/.well-known/oauth-authorization-server${trimmed.slice(origin.length)}`
  }
  throw new TokenError('tokens.options_invalid', 'metadata must be openid or oauth')
}

/** Keys by the text of their JWK. */
type ImportedKeys = ReadonlyMap<string, VerificationKey>

/** @param before keys of the set before. One that has not changed stays the same object: verifiers remember tokens by it */
async function importSet(
  members: unknown,
  options: ImportOptions,
  before: ImportedKeys,
): Promise<{ keys: KeyIndex; ignored: readonly string[]; imported: ImportedKeys }> {
  if (!Array.isArray(members) || members.length > MAX_KEYS) {
    throw new TokenError('tokens.keys_unavailable', `the document is not a key set of at most ${MAX_KEYS} keys`, { status: 503 })
  }
  const usable: VerificationKey[] = []
  const imported = new Map<string, VerificationKey>()
  const ignored: string[] = []
  for (const member of members) {
    try {
      const text = JSON.stringify(member)
      const key = before.get(text) ?? (await importVerificationKey(member as JWK, options))
      usable.push(key)
      imported.set(text, key)
    } catch (error) {
      // RFC 7517 §5: what is not understood is passed over. A set with encryption keys in it is a good set.
      ignored.push(error instanceof TokenError ? error.code : 'tokens.key_malformed')
    }
  }
  const keys = new KeyIndex(usable)
  for (const _ of keys.duplicates) ignored.push('tokens.key_id_duplicate')
  return { keys, ignored, imported }
}
