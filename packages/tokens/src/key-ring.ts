import { type Clock, type Collection, PortcullisError, type Sealer, type Store, systemClock } from '@portcullis/core'
import type { JSONWebKeySet } from 'jose'
import { TokenError } from './errors.ts'
import { keyAddedEvent, keyRemovedEvent } from './events.ts'
import { type KeyHint, KeyIndex, type KeySource } from './key-source.ts'
import type { VerificationKey } from './keys.ts'
import { seconds } from './options.ts'
import { generateRecord, type KeyRecord, openRecord, type RingAlgorithm, type RingKey } from './ring-key.ts'
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
  /** How old a process's picture of the ring may get, in seconds. Default: 10. */
  readonly refreshInterval?: number
  readonly clock?: Clock
}

/** A key of a ring, as it may be shown. */
export interface RingKeyInfo {
  readonly kid: string
  readonly alg: RingAlgorithm
  /** `published`: in the JWKS and not signing yet; `active`: signs; `retired`: verifies what it signed before. */
  readonly state: 'published' | 'active' | 'retired'
  /** Milliseconds since the epoch; 0 for the first key of a ring. */
  readonly activatesAt: number
  /** When it leaves the ring: milliseconds since the epoch; `undefined` while it has no successor. */
  readonly removesAt: number | undefined
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
   * everything else here calls it when needed.
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
  /** The public keys (RFC 7517 §5): published, active and retired. @throws as `load` */
  jwks(): Promise<JSONWebKeySet>
  /** The keys and their states, oldest first. @throws as `load` */
  list(): Promise<readonly RingKeyInfo[]>
}

/**
 * A ring of signing keys in a store. Tokens that were issued before a restart still verify after it.
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
    jwks: async () => ({ keys: (await ring.current()).present().map((key) => key.publicJwk) }),
    list: async () => (await ring.current()).list(),
  }
}

const ALGORITHMS: readonly string[] = ['ES256', 'RS256', 'EdDSA'] satisfies readonly RingAlgorithm[]
// Between two attempts to read a ring whose store does not answer, while the keys from before are still good.
const RETRY_AFTER = 1000

class StoredKeyRing {
  readonly maxTokenLifetime: number
  readonly jwksMaxAge: number
  readonly #refreshInterval: number
  readonly #name: string
  readonly #algorithm: RingAlgorithm
  readonly #sealer: Sealer
  readonly #clock: Clock
  readonly #records: Collection<KeyRecord>
  #picture: Picture | undefined
  #reading: Promise<Picture> | undefined
  #attemptedAt = Number.NEGATIVE_INFINITY

  constructor(options: KeyRingOptions) {
    const { name = 'default', algorithm = 'ES256', clock = systemClock } = options
    if (!/^[a-z0-9_]{1,40}$/.test(name)) throw new TokenError('tokens.options_invalid', 'name must match [a-z0-9_]{1,40}')
    if (!ALGORITHMS.includes(algorithm)) {
      throw new TokenError('tokens.options_invalid', `algorithm must be one of ${ALGORITHMS.join(', ')}`)
    }
    this.maxTokenLifetime = seconds('maxTokenLifetime', options.maxTokenLifetime ?? 3600, { min: 1, max: 31_536_000 })
    this.jwksMaxAge = seconds('jwksMaxAge', options.jwksMaxAge ?? 300, { min: 1, max: 86_400 })
    this.#refreshInterval = seconds('refreshInterval', options.refreshInterval ?? 10, { min: 0, max: 3600 })
    this.#name = name
    this.#algorithm = algorithm
    this.#sealer = options.sealer
    this.#clock = clock
    this.#records = options.store.collection<KeyRecord>({ name: 'tokens.keys', indexes: ['ring'] })
  }

  async load(): Promise<void> {
    await this.#read()
  }

  /** The picture, not older than the refresh interval. */
  async current(): Promise<Picture> {
    const picture = this.#picture
    return picture !== undefined && this.#age(picture) <= this.#refreshInterval * 1000 ? picture : this.#read()
  }

  find(hint: KeyHint): VerificationKey | undefined | Promise<VerificationKey | undefined> {
    const picture = this.#picture
    // A ring that can't be read for longer than verifiers keep a JWKS must not be trusted any more than theirs.
    if (picture === undefined || this.#age(picture) > this.jwksMaxAge * 1000) return this.#read().then((read) => read.find(hint))
    const found = picture.find(hint)
    if (this.#age(picture) <= this.#refreshInterval * 1000) return found
    // A key is published long before it signs: whoever has looked within the interval has seen every key that may sign.
    if (found === undefined) return this.#read().then((read) => read.find(hint))
    if (Math.abs(this.#clock.now() - this.#attemptedAt) >= RETRY_AFTER) this.#read().catch(() => undefined)
    return found
  }

  async rotate(): Promise<RingKeyInfo> {
    const now = this.#clock.now()
    const { keys } = await this.#readAfresh()
    const last = keys.at(-1)
    if (last !== undefined && last.activatesAt <= now) {
      // Caches may have been filled just before this moment, from a process whose picture was about to be renewed.
      await this.#add(sequenceOf(last.id) + 1, now + (this.jwksMaxAge + this.#refreshInterval) * 1000)
    }
    const after = await this.#readAfresh()
    return after.list().at(-1) as RingKeyInfo
  }

  /** One key for each place: of any number of processes, one adds it, and the others find it there. */
  async #add(sequence: number, activatesAt: number): Promise<void> {
    const id = `${this.#name}.${String(sequence).padStart(10, '0')}`
    const record = await generateRecord(id, this.#algorithm, activatesAt, this.#sealer)
    if (await this.#records.create(id, record, { index: { ring: this.#name } })) {
      const { kid, alg } = record
      keyAddedEvent.publish({ ring: this.#name, kid, alg, activatesAt }, { clock: this.#clock })
    }
  }

  #read(): Promise<Picture> {
    this.#reading ??= this.#readAfresh().finally(() => {
      this.#reading = undefined
    })
    return this.#reading
  }

  async #readAfresh(): Promise<Picture> {
    const startedAt = this.#clock.now()
    this.#attemptedAt = startedAt
    try {
      let keys = await this.#open()
      if (keys.length === 0) {
        // The first key signs at once, by every clock: there is no verifier yet that could know another.
        await this.#add(1, 0)
        keys = await this.#open()
      }
      const picture = new Picture(keys, startedAt, this.maxTokenLifetime * 1000, this.#clock)
      // Two readings may end in another order than they began.
      if (this.#picture === undefined || this.#picture.readAt <= startedAt) this.#picture = picture
      await this.#sweep(picture)
      return picture
    } catch (cause) {
      if (cause instanceof PortcullisError) throw cause
      throw new TokenError('tokens.keys_unavailable', 'the key ring can not be read', { cause, status: 503 })
    }
  }

  async #open(): Promise<RingKey[]> {
    const known = new Map(this.#picture?.keys.map((key) => [key.id, key]))
    const keys: RingKey[] = []
    for await (const stored of this.#records.find('ring', this.#name)) {
      const before = known.get(stored.id)
      keys.push(before?.sealed === stored.value.sealed ? before : await openRecord(stored, this.#sealer))
    }
    return keys
  }

  async #sweep(picture: Picture): Promise<void> {
    for (const key of picture.gone()) {
      if (await this.#records.remove(key.id)) {
        keyRemovedEvent.publish({ ring: this.#name, kid: key.kid }, { clock: this.#clock })
      }
    }
  }

  #age(picture: Picture): number {
    // A clock that was set back makes a picture of unknown age, not a young one.
    return Math.abs(this.#clock.now() - picture.readAt)
  }
}

function sequenceOf(id: string): number {
  return Number(id.slice(id.lastIndexOf('.') + 1))
}

/** A ring as it was read at one moment; what its keys are follows from the time of asking. */
class Picture {
  readonly keys: readonly RingKey[]
  readonly readAt: number
  readonly #index: KeyIndex
  readonly #removesAt: ReadonlyMap<string, number>
  readonly #clock: Clock

  constructor(keys: readonly RingKey[], readAt: number, lifetime: number, clock: Clock) {
    this.keys = keys
    this.readAt = readAt
    this.#clock = clock
    this.#index = new KeyIndex(keys.map((key) => key.verificationKey))
    const removals = keys.map((key, place): [string, number] => {
      const successor = keys[place + 1]
      return [key.kid, successor === undefined ? Number.POSITIVE_INFINITY : successor.activatesAt + lifetime]
    })
    this.#removesAt = new Map(removals)
  }

  find(hint: KeyHint): VerificationKey | undefined {
    const found = this.#index.find(hint)
    return found?.kid !== undefined && this.#isPresent(found.kid) ? found : undefined
  }

  present(): readonly RingKey[] {
    return this.keys.filter((key) => this.#isPresent(key.kid))
  }

  gone(): readonly RingKey[] {
    return this.keys.filter((key) => !this.#isPresent(key.kid))
  }

  active(): RingKey {
    const now = this.#clock.now()
    const active = this.keys.findLast((key) => key.activatesAt <= now)
    if (active === undefined) throw new TokenError('tokens.keys_unavailable', 'no key of the ring is active yet', { status: 503 })
    return active
  }

  list(): readonly RingKeyInfo[] {
    const now = this.#clock.now()
    const active = this.active()
    return this.present().map((key) => {
      const removesAt = this.#removesAt.get(key.kid)
      return {
        kid: key.kid,
        alg: key.alg,
        state: key.activatesAt > now ? 'published' : key === active ? 'active' : 'retired',
        activatesAt: key.activatesAt,
        removesAt: removesAt === Number.POSITIVE_INFINITY ? undefined : removesAt,
      }
    })
  }

  #isPresent(kid: string): boolean {
    return this.#clock.now() < (this.#removesAt.get(kid) ?? 0)
  }
}
