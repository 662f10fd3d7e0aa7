import {
  type Clock,
  type Collection,
  PortcullisError,
  type Sealer,
  type Store,
  systemClock,
  type WriteOptions,
} from '@portcullis/core'
import type { JSONWebKeySet } from 'jose'
import { TokenError } from './errors.ts'
import { keyAddedEvent, keyRemovedEvent, keyRevokedEvent } from './events.ts'
import { askInTime } from './fetch-json.ts'
import type { KeyHint, KeySource } from './key-source.ts'
import type { VerificationKey } from './keys.ts'
import { seconds } from './options.ts'
import { generateRecord, type KeyRecord, openRecord, type RingAlgorithm, type RingKey, resealRecord } from './ring-key.ts'
import { type RingKeyInfo, RingPicture } from './ring-picture.ts'
import type { Signer } from './signer.ts'

/** Options of {@link createKeyRing}. */
export interface KeyRingOptions {
  readonly store: Store
  /** Keeps the private keys encrypted at rest. */
  readonly sealer: Sealer
  /** What new keys are for. Default: `ES256`. */
  readonly algorithm?: RingAlgorithm
  /** Tells the rings of one store apart: lower-case letters, digits and `_`. Default: `default`. */
  readonly name?: string
  /** The longest life of a token that this ring signs, in seconds: how long a retired key still verifies. Default: 3600. */
  readonly maxTokenLifetime?: number
  /** How long verifiers may keep the JWKS, in seconds. Default: 300. */
  readonly jwksMaxAge?: number
  /** How old a process's picture of the ring may get, in seconds: how long a revoked key may still be taken. Default: 10. */
  readonly refreshInterval?: number
  /**
   * How long a key signs, in seconds, before the next one does: whoever reads the ring and finds that it is time adds the next.
   * More than `jwksMaxAge` and `refreshInterval` together, in which a key is published and does not sign yet. Default: only
   * {@link KeyRing.rotate} adds keys.
   */
  readonly rotateEvery?: number
  /** Milliseconds for a call of the store, each. Default: 2000. */
  readonly timeout?: number
  readonly clock?: Clock
}

/** Signing keys with their times, shared by all processes on one store. */
export interface KeyRing {
  /** Verifies what this ring signed, here, without a call. */
  readonly keys: KeySource
  /** Seconds. */
  readonly maxTokenLifetime: number
  /** Seconds. */
  readonly jwksMaxAge: number
  /**
   * Reads the ring, and makes its first key when it has none. Call it at start-up, so that a missing sealing key is found there;
   * everything else here reads the ring when needed. What is sealed under a former key is sealed anew under the one that seals
   * now, here and nowhere else: two processes with different ones would go on for ever.
   * @throws SealerError `core.sealing_key_unknown`, `core.seal_broken`; TokenError `tokens.keys_unavailable` (503)
   */
  load(): Promise<void>
  /** The key that signs now. @throws as `load` */
  signer(): Promise<Signer>
  /**
   * Adds a key. It is published at once, and signs once every cached JWKS has it: after `jwksMaxAge` and `refreshInterval`. The
   * key before it then retires, and leaves after `maxTokenLifetime`. While a key waits to become active, that one is answered and
   * none is added, so that several processes may rotate on the same schedule.
   * @throws as `load`
   */
  rotate(): Promise<RingKeyInfo>
  /**
   * The emergency: a key that is in the wrong hands leaves the ring now, and nothing that it signed is accepted any more. If it was
   * the one that signs, a new key is made that signs at once, without having been published ahead: verifiers find it when they
   * meet it. Processes on this store notice within `refreshInterval`; verifiers elsewhere when they read the JWKS again, which is
   * within its `max-age` for those that obey it (`createRemoteJwks`: `cacheMaxAge`, and `staleIfError` more where the issuer can't
   * be reached). A process that still signs with the key in that time makes tokens that are refused.
   * @returns false: the ring has no such key
   * @throws as `load`
   */
  revoke(kid: string): Promise<boolean>
  /** The public keys (RFC 7517 §5): published, active and retired. @throws as `load` */
  jwks(): Promise<JSONWebKeySet>
  /** The keys and their states, oldest first. @throws as `load` */
  list(): Promise<readonly RingKeyInfo[]>
}

/**
 * A ring of signing keys in a store. Tokens that were issued before a restart still verify after it.
 *
 * Keys whose private half is elsewhere (a key management service) need no ring: that service keeps and rotates them. Give
 * `createTokenIssuer` a {@link Signer}, `jwksEndpoint` their public JWKs, and `createVerifier` a `createKeySet` of those.
 *
 * @throws TokenError `tokens.options_invalid`
 * @example const ring = createKeyRing({ store, sealer }); await ring.load()
 */
export function createKeyRing(options: KeyRingOptions): KeyRing {
  const ring = new StoredKeyRing(options)
  return {
    keys: { kind: 'asymmetric', find: (hint) => ring.find(hint) },
    maxTokenLifetime: ring.maxTokenLifetime,
    jwksMaxAge: ring.jwksMaxAge,
    load: () => ring.load(),
    signer: async () => (await ring.current()).active().signer,
    rotate: () => ring.rotate(),
    revoke: (kid) => ring.revoke(kid),
    jwks: async () => ({ keys: (await ring.current()).present().map((key) => key.publicJwk) }),
    list: async () => (await ring.current()).list(),
  }
}

const ALGORITHMS: readonly string[] = ['ES256', 'RS256', 'EdDSA'] satisfies readonly RingAlgorithm[]
// Milliseconds between two readings on behalf of keys that are not there, and after one that failed.
const RETRY_AFTER = 1000

class StoredKeyRing {
  readonly maxTokenLifetime: number
  readonly jwksMaxAge: number
  readonly #refreshInterval: number
  readonly #rotateEvery: number | undefined
  readonly #timeout: number
  readonly #name: string
  readonly #algorithm: RingAlgorithm
  readonly #sealer: Sealer
  readonly #clock: Clock
  readonly #records: Collection<KeyRecord>
  #picture: RingPicture | undefined
  #reading: Promise<RingPicture> | undefined
  #attemptedAt = Number.NEGATIVE_INFINITY
  #failure: unknown

  constructor(options: KeyRingOptions) {
    const { name = 'default', algorithm = 'ES256', clock = systemClock, rotateEvery } = options
    if (!/^[a-z0-9_]{1,40}$/.test(name)) throw new TokenError('tokens.options_invalid', 'name must match [a-z0-9_]{1,40}')
    if (!ALGORITHMS.includes(algorithm)) {
      throw new TokenError('tokens.options_invalid', `algorithm must be one of ${ALGORITHMS.join(', ')}`)
    }
    this.maxTokenLifetime = seconds('maxTokenLifetime', options.maxTokenLifetime ?? 3600, { min: 1, max: 31_536_000 })
    this.jwksMaxAge = seconds('jwksMaxAge', options.jwksMaxAge ?? 300, { min: 1, max: 86_400 })
    this.#refreshInterval = seconds('refreshInterval', options.refreshInterval ?? 10, { min: 0, max: 3600 })
    const least = this.jwksMaxAge + this.#refreshInterval + 1
    this.#rotateEvery =
      rotateEvery === undefined ? undefined : seconds('rotateEvery', rotateEvery, { min: least, max: 315_360_000 })
    this.#timeout = 1000 * seconds('timeout', (options.timeout ?? 2000) / 1000, { min: 0.001, max: 60 })
    this.#name = name
    this.#algorithm = algorithm
    this.#sealer = options.sealer
    this.#clock = clock
    this.#records = options.store.collection<KeyRecord>({ name: 'tokens.keys', indexes: ['ring'] })
  }

  async load(): Promise<void> {
    await this.#read()
    await this.#inTime(() => this.#reseal())
  }

  /** The picture, not older than the refresh interval. */
  async current(): Promise<RingPicture> {
    const picture = this.#picture
    return picture !== undefined && this.#age(picture) <= this.#refreshInterval * 1000 ? picture : this.#read()
  }

  find(hint: KeyHint): VerificationKey | undefined | Promise<VerificationKey | undefined> {
    const picture = this.#picture
    const known = picture?.find(hint)
    const isYoung = picture !== undefined && this.#age(picture) <= this.#refreshInterval * 1000
    // A key is published long before it signs, except in an emergency: then it signs before all have seen it.
    if (isYoung && (known !== undefined || this.#hasTriedLately())) return known
    if (this.#mayServe(picture) && this.#hasTriedLately()) return known
    return this.#readOrKeep().then((read) => read.find(hint))
  }

  async rotate(): Promise<RingKeyInfo> {
    const { keys } = await this.#read()
    const last = keys.at(-1)
    if (last !== undefined && last.activatesAt <= this.#clock.now()) await this.#addNext(last)
    const after = await this.#readAnew()
    return after.list().at(-1) as RingKeyInfo
  }

  async revoke(kid: string): Promise<boolean> {
    const picture = await this.#readAnew()
    const key = picture.keys.find((one) => one.kid === kid)
    const last = picture.keys.at(-1)
    if (key === undefined || last === undefined) return false
    // The new key first: at no moment is there none, and whoever is interrupted here begins again and ends it.
    if (picture.active() === key) await this.#add(sequenceOf(last.id) + 1, this.#clock.now())
    const removed = await this.#inTime(() => this.#records.remove(key.id))
    if (removed) keyRevokedEvent.publish({ ring: this.#name, kid }, { clock: this.#clock })
    await this.#readAnew()
    return removed
  }

  /** Published at once; signs when every cache that was filled just before this moment has been filled again. */
  #addNext(last: RingKey): Promise<void> {
    return this.#add(sequenceOf(last.id) + 1, this.#clock.now() + this.#lead)
  }

  get #lead(): number {
    return (this.jwksMaxAge + this.#refreshInterval) * 1000
  }

  /** One key for each place: of any number of processes, one adds it, and the others find it there. */
  async #add(sequence: number, activatesAt: number): Promise<void> {
    const id = `${this.#name}.${String(sequence).padStart(10, '0')}`
    const times = { createdAt: this.#clock.now(), activatesAt }
    // Not within the time that the store has: an RSA key may take seconds, and no failure of the store is to be seen in that.
    const record = await generateRecord(id, this.#algorithm, times, this.#sealer)
    if (await this.#inTime(() => this.#records.create(id, record, this.#kept))) {
      const { kid, alg } = record
      keyAddedEvent.publish({ ring: this.#name, kid, alg, activatesAt }, { clock: this.#clock })
    }
  }

  get #kept(): WriteOptions {
    return { index: { ring: this.#name } }
  }

  /** As fresh as it can be had: where the store does not answer, the picture in hand serves for a while. */
  async #readOrKeep(): Promise<RingPicture> {
    try {
      if (this.#failure !== undefined && this.#hasTriedLately()) throw this.#failure
      return await this.#read()
    } catch (error) {
      const picture = this.#picture
      if (picture !== undefined && this.#mayServe(picture)) return picture
      throw error
    }
  }

  /** A ring that can't be read for longer than verifiers keep a JWKS must not be trusted any more than theirs. */
  #mayServe(picture: RingPicture | undefined): boolean {
    return picture !== undefined && this.#age(picture) <= this.jwksMaxAge * 1000
  }

  #hasTriedLately(): boolean {
    return Math.abs(this.#clock.now() - this.#attemptedAt) < RETRY_AFTER
  }

  /** Joins a reading that is under way. */
  #read(): Promise<RingPicture> {
    this.#reading ??= this.#readAnew().finally(() => {
      this.#reading = undefined
    })
    return this.#reading
  }

  /** Sees everything that was written before the call. */
  async #readAnew(): Promise<RingPicture> {
    const startedAt = this.#clock.now()
    this.#attemptedAt = startedAt
    try {
      const picture = await this.#look(startedAt)
      this.#failure = undefined
      return picture
    } catch (error) {
      this.#failure = error
      throw error
    }
  }

  /** @throws TokenError `tokens.keys_unavailable` (503), also when it takes too long */
  async #inTime<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await askInTime(this.#timeout, work)
    } catch (cause) {
      if (cause instanceof PortcullisError) throw cause
      throw new TokenError('tokens.keys_unavailable', 'the key ring can not be read', { cause, status: 503 })
    }
  }

  async #look(startedAt: number): Promise<RingPicture> {
    let keys = await this.#inTime(() => this.#open())
    if (keys.length === 0) {
      // The first key signs at once, by every clock: there is no verifier yet that could know another.
      await this.#add(1, 0)
      keys = await this.#inTime(() => this.#open())
    }
    const last = keys.at(-1)
    if (last !== undefined && this.#isDue(last)) {
      await this.#addNext(last)
      keys = await this.#inTime(() => this.#open())
    }
    const picture = new RingPicture(keys, startedAt, this.maxTokenLifetime * 1000, this.#clock)
    // Two readings may end in another order than they began.
    if (this.#picture === undefined || this.#picture.readAt <= startedAt) this.#picture = picture
    await this.#inTime(() => this.#sweep(picture))
    return picture
  }

  /** Whether the key after this one must be published now to sign when it is time. */
  #isDue(last: RingKey): boolean {
    if (this.#rotateEvery === undefined) return false
    const signsSince = Math.max(last.createdAt, last.activatesAt)
    return this.#clock.now() >= signsSince + this.#rotateEvery * 1000 - this.#lead
  }

  async #open(): Promise<RingKey[]> {
    const known = new Map(this.#picture?.keys.map((key) => [key.id, key]))
    const keys: RingKey[] = []
    for await (const stored of this.#records.find('ring', this.#name)) {
      // Where a record is indexed is not sealed; its id is, and has the ring's name in it.
      if (!stored.id.startsWith(`${this.#name}.`)) {
        throw new TokenError('tokens.key_malformed', 'a key of another ring stands in this one')
      }
      keys.push(await openRecord(stored, this.#sealer, known.get(stored.id)))
    }
    return keys
  }

  async #reseal(): Promise<void> {
    for await (const stored of this.#records.find('ring', this.#name)) {
      if (!this.#sealer.isStale(stored.value.sealed)) continue
      // False: somebody else did, or the key has gone.
      await this.#records.replace(stored.id, stored.version, resealRecord(stored, this.#sealer), this.#kept)
    }
  }

  async #sweep(picture: RingPicture): Promise<void> {
    for (const key of picture.gone()) {
      if (await this.#records.remove(key.id)) {
        keyRemovedEvent.publish({ ring: this.#name, kid: key.kid }, { clock: this.#clock })
      }
    }
  }

  #age(picture: RingPicture): number {
    // A clock that was set back makes a picture of unknown age, not a young one.
    return Math.abs(this.#clock.now() - picture.readAt)
  }
}

function sequenceOf(id: string): number {
  return Number(id.slice(id.lastIndexOf('.') + 1))
}
