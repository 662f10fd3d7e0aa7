import { type Collection, createSealer, type Json, type Store } from '@portcullis/core'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import {
  createKeyRing,
  createTokenIssuer,
  createVerifier,
  type KeyRing,
  type KeyRingOptions,
  keyAddedEvent,
  keyRemovedEvent,
  keyRevokedEvent,
} from '../src/index.ts'
import { codeOf, manualClock, memoryStore, now, testSealer } from './support.ts'

const issuer = 'https://issuer.example'
const audience = 'https://api.example'
const request = { subject: 'user-1', audience, clientId: 'web', scopes: [] }
const MAX_AGE = 300
const INTERVAL = 10
const LEAD = MAX_AGE + INTERVAL

let clock: ReturnType<typeof manualClock>
let store: Store
let sealer: ReturnType<typeof testSealer>

beforeEach(() => {
  clock = manualClock()
  store = memoryStore(clock)
  sealer = testSealer()
})

function ringOf(options: Partial<KeyRingOptions> = {}): KeyRing {
  return createKeyRing({
    store,
    sealer,
    clock,
    maxTokenLifetime: 600,
    jwksMaxAge: MAX_AGE,
    refreshInterval: INTERVAL,
    ...options,
  })
}

async function issue(ring: KeyRing): Promise<string> {
  return (await createTokenIssuer({ issuer, signer: ring, clock, lifetime: 600 }).accessToken(request)).token
}

async function verdict(ring: KeyRing, token: string): Promise<string> {
  return codeOf(await createVerifier({ issuer, audience, keys: ring.keys, clock, clockTolerance: 0 }).verify(token))
}

async function published(ring: KeyRing): Promise<(string | undefined)[]> {
  return (await ring.jwks()).keys.map((key) => key.kid)
}

describe('a key ring', () => {
  it.each(['ES256', 'RS256', 'EdDSA'] as const)(
    'makes its first %s key by itself, and signs with it at once',
    async (algorithm) => {
      const ring = ringOf({ algorithm })
      expect(await verdict(ring, await issue(ring))).toBe('accepted')
      const { keys } = await ring.jwks()
      expect(keys).toHaveLength(1)
      expect(keys[0]).toMatchObject({ alg: algorithm, use: 'sig' })
    },
  )

  it('a key that takes longer to make than the store may take to answer is no failure of the store (an RSA key on a busy machine)', async () => {
    const { subtle } = globalThis.crypto
    const make = subtle.generateKey.bind(subtle)
    const slow = vi.spyOn(subtle, 'generateKey').mockImplementation((async (...args: Parameters<typeof make>) => {
      await new Promise((resolve) => setTimeout(resolve, 700))
      return make(...args)
    }) as typeof subtle.generateKey)
    const ring = ringOf({ timeout: 500 })
    await ring.load()
    await ring.rotate()
    slow.mockRestore()
    expect(await published(ring)).toHaveLength(2)
  })

  it('shows public members and no others in its JWKS', async () => {
    for (const algorithm of ['ES256', 'RS256', 'EdDSA'] as const) {
      const { keys } = await ringOf({ algorithm, name: algorithm.toLowerCase() }).jwks()
      for (const secret of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k']) expect(keys[0]).not.toHaveProperty(secret)
    }
  })

  it('keeps private keys sealed: nothing in the store signs', async () => {
    await ringOf().load()
    for await (const { value } of collection().find('ring', 'default')) {
      expect(Object.keys(value as object).sort()).toEqual(['activatesAt', 'alg', 'createdAt', 'kid', 'sealed'])
      expect(JSON.stringify(value)).not.toContain('"d"')
    }
  })

  it('has one first key when 20 processes start at once', async () => {
    const rings = Array.from({ length: 20 }, () => ringOf())
    await Promise.all(rings.map((ring) => ring.load()))
    const tokens = await Promise.all(rings.map(issue))
    for (const ring of rings) {
      expect(await published(ring)).toHaveLength(1)
      for (const token of tokens) expect(await verdict(ring, token)).toBe('accepted')
    }
  })

  it('verifies after a restart what was issued before it', async () => {
    const token = await issue(ringOf())
    expect(await verdict(ringOf(), token)).toBe('accepted')
  })

  it('verifies synchronously while its picture is young, and looks again after that', async () => {
    const ring = ringOf()
    const token = await issue(ring)
    const verifier = createVerifier({ issuer, audience, keys: ring.keys, clock })
    expect(codeOf(now(verifier.verify(token)))).toBe('accepted')
    clock.advance(INTERVAL + 1)
    expect(codeOf(await verifier.verify(token))).toBe('accepted')
    expect(codeOf(now(verifier.verify(token)))).toBe('accepted')
  })

  it('rings of other names in the same store have keys of their own', async () => {
    const other = ringOf({ name: 'other' })
    expect(await verdict(other, await issue(ringOf()))).toBe('tokens.key_unknown')
  })
})

describe('rotation', () => {
  it('publishes a key before it signs, and only then lets it sign (Hydra #2535)', async () => {
    const ring = ringOf()
    const first = (await ring.signer()).kid
    const added = await ring.rotate()
    expect(added).toMatchObject({ state: 'published', activatesAt: clock.now() + LEAD * 1000 })
    expect(await published(ring)).toEqual([first, added.kid])

    clock.advance(LEAD - 1)
    expect((await ring.signer()).kid).toBe(first)
    clock.advance(1)
    expect((await ring.signer()).kid).toBe(added.kid)
    expect((await ring.list()).map((key) => key.state)).toEqual(['retired', 'active'])
  })

  it('keeps a retired key until its last token is over, and then drops it', async () => {
    const removed: string[] = []
    const stop = keyRemovedEvent.subscribe(({ data }) => removed.push(data.kid))
    const ring = ringOf()
    const first = (await ring.signer()).kid
    const { kid: second } = await ring.rotate()
    clock.advance(LEAD - 1)
    const last = await issue(ring)
    clock.advance(599)
    expect(await verdict(ring, last)).toBe('accepted')
    expect(await published(ring)).toEqual([first, second])

    clock.advance(2)
    expect(await verdict(ring, last)).not.toBe('accepted')
    await ring.load()
    expect(await published(ring)).toEqual([second])
    stop()
    expect(removed).toEqual([first])
    expect(await verdict(ringOf(), await issue(ring))).toBe('accepted')
  })

  it('a key whose time is over verifies nothing, even in a picture from before', async () => {
    const ring = ringOf({ maxTokenLifetime: 5, refreshInterval: 1000 })
    const signer = await ring.signer()
    const held = await createTokenIssuer({ issuer, signer: () => signer, clock, lifetime: 5000 }).accessToken(request)
    const { activatesAt } = await ring.rotate()
    clock.set(activatesAt + 4999)
    await ring.load()
    expect(await verdict(ring, held.token)).toBe('accepted')
    clock.set(activatesAt + 5000)
    expect(await verdict(ring, held.token)).toBe('tokens.key_unknown')
  })

  it('adds one key when 20 processes rotate at once, and none while one waits', async () => {
    const added: string[] = []
    const stop = keyAddedEvent.subscribe(({ data }) => added.push(data.kid))
    await ringOf().load()
    const answers = await Promise.all(Array.from({ length: 20 }, () => ringOf().rotate()))
    clock.advance(60)
    answers.push(await ringOf().rotate())
    stop()
    expect(new Set(answers.map((answer) => answer.kid)).size).toBe(1)
    expect(added).toHaveLength(2)
  })

  it('reaches other processes before the new key signs anywhere', async () => {
    const [here, there] = [ringOf(), ringOf()]
    await there.load()
    await here.rotate()
    clock.advance(LEAD)
    const token = await issue(here)
    expect(await verdict(there, token)).toBe('accepted')
    expect((await there.signer()).kid).toBe((await here.signer()).kid)
  })

  it('may change the algorithm', async () => {
    const before = await issue(ringOf())
    const ring = ringOf({ algorithm: 'EdDSA' })
    expect((await ring.signer()).alg).toBe('ES256')
    await ring.rotate()
    clock.advance(LEAD)
    expect((await ring.signer()).alg).toBe('EdDSA')
    expect(await verdict(ring, before)).toBe('accepted')
  })
})

describe('rotation by schedule', () => {
  const EVERY = 3600

  it('lets each key sign for as long, and publishes the next one ahead of that', async () => {
    const ring = ringOf({ rotateEvery: EVERY })
    const first = (await ring.signer()).kid
    clock.advance(EVERY - LEAD - 1)
    await ring.load()
    expect(await published(ring)).toEqual([first])
    clock.advance(1)
    await ring.load()
    const [, second] = await published(ring)
    expect((await ring.signer()).kid).toBe(first)
    clock.advance(LEAD)
    expect((await ring.signer()).kid).toBe(second)
    clock.advance(EVERY)
    await ring.load()
    clock.advance(LEAD)
    expect((await ring.signer()).kid).not.toBe(second)
  })

  it('adds one key when ten processes notice at once, and one for any number of periods that were missed', async () => {
    await ringOf().load()
    const added: string[] = []
    const stop = keyAddedEvent.subscribe(({ data }) => added.push(data.kid))
    clock.advance(10 * EVERY)
    await Promise.all(Array.from({ length: 10 }, () => ringOf({ rotateEvery: EVERY }).load()))
    await ringOf({ rotateEvery: EVERY }).load()
    stop()
    expect(added).toHaveLength(1)
  })

  it('needs longer than a key is published before it signs', () => {
    expect(() => ringOf({ rotateEvery: LEAD })).toThrow(expect.objectContaining({ code: 'tokens.options_invalid' }))
  })
})

describe('the emergency', () => {
  it('a revoked key leaves at once, nothing it signed is accepted, and another signs', async () => {
    const revoked: string[] = []
    const stop = keyRevokedEvent.subscribe(({ data }) => revoked.push(data.kid))
    const ring = ringOf()
    const stolen = await issue(ring)
    const { kid } = await ring.signer()
    expect(await verdict(ring, stolen)).toBe('accepted')
    expect(await ring.revoke(kid)).toBe(true)
    stop()
    expect(revoked).toEqual([kid])
    expect(await verdict(ring, stolen)).toBe('tokens.key_unknown')
    expect(await published(ring)).not.toContain(kid)
    expect((await ring.signer()).kid).not.toBe(kid)
    expect(await verdict(ring, await issue(ring))).toBe('accepted')
    expect(await ring.revoke(kid)).toBe(false)
  })

  it('a verifier that remembers tokens forgets those of the key', async () => {
    const ring = ringOf()
    const token = await issue(ring)
    const verifier = createVerifier({ issuer, audience, keys: ring.keys, clock })
    expect(codeOf(await verifier.verify(token))).toBe('accepted')
    await ring.revoke((await ring.signer()).kid)
    expect(codeOf(await verifier.verify(token))).toBe('tokens.key_unknown')
  })

  it('other processes notice within the refresh interval, however quiet it was', async () => {
    const [here, there] = [ringOf(), ringOf()]
    const token = await issue(there)
    expect(await verdict(there, token)).toBe('accepted')
    await here.revoke((await here.signer()).kid)
    clock.advance(INTERVAL)
    expect(await verdict(there, token)).toBe('accepted')
    clock.advance(0.001)
    expect(await verdict(there, token)).toBe('tokens.key_unknown')
  })

  it('the new key is found by a process that has not seen it, though it signs at once', async () => {
    const [here, there] = [ringOf(), ringOf()]
    await there.load()
    await here.revoke((await here.signer()).kid)
    const token = await issue(here)
    clock.advance(1)
    expect(await verdict(there, token)).toBe('accepted')
  })

  it('two at once are one, and there is a key that signs at any moment', async () => {
    const rings = Array.from({ length: 10 }, () => ringOf())
    const { kid } = await rings[0]!.signer()
    const answers = await Promise.all(rings.map((ring) => ring.revoke(kid)))
    expect(answers.filter(Boolean)).toHaveLength(1)
    expect(await all()).toHaveLength(1)
    expect(await verdict(ringOf(), await issue(ringOf()))).toBe('accepted')
  })

  it('is ended by doing it again when it was interrupted', async () => {
    let down = false
    const real = store
    store = failing(
      () => false,
      () => down,
    )
    const ring = ringOf()
    const { kid } = await ring.signer()
    down = true
    await expect(ring.revoke(kid)).rejects.toMatchObject({ code: 'tokens.keys_unavailable' })
    down = false
    store = real
    expect(await all()).toHaveLength(2)
    expect(await ringOf().revoke(kid)).toBe(true)
    expect(await all()).toHaveLength(1)
  })

  it('a key that waits can be revoked as well, and the one that signs goes on', async () => {
    const ring = ringOf()
    const { kid: active } = await ring.signer()
    const { kid: waiting } = await ring.rotate()
    expect(await ring.revoke(waiting)).toBe(true)
    clock.advance(LEAD)
    expect((await ring.signer()).kid).toBe(active)
    const again = await ring.rotate()
    expect(again.kid).not.toBe(waiting)
    clock.advance(LEAD)
    expect((await ring.signer()).kid).toBe(again.kid)
  })

  it('with a key waiting, the new one signs now and goes on to', async () => {
    const ring = ringOf()
    const { kid } = await ring.signer()
    const { kid: waiting } = await ring.rotate()
    await ring.revoke(kid)
    const { kid: fresh } = await ring.signer()
    expect([kid, waiting]).not.toContain(fresh)
    clock.advance(LEAD)
    expect((await ring.signer()).kid).toBe(fresh)
    clock.advance(600)
    await ring.load()
    expect(await published(ring)).toEqual([fresh])
  })
})

describe('what is in the store', () => {
  it('a key that somebody planted there is not trusted, nor is one whose times were moved', async () => {
    const ring = ringOf()
    await ring.load()
    const [stored] = await all()
    const value = stored!.value as Record<string, Json>
    await collection().create('default.0000000002', value, { index: { ring: 'default' } })
    await expect(ringOf().load()).rejects.toMatchObject({ code: 'core.seal_broken' })

    await collection().remove('default.0000000002')
    await collection().replace(stored!.id, stored!.version, { ...value, activatesAt: 1 }, { index: { ring: 'default' } })
    await expect(ringOf().load()).rejects.toMatchObject({ code: 'core.seal_broken' })
  })

  it('a key of one ring is none of another, also when somebody indexes it there', async () => {
    await ringOf({ name: 'other' }).load()
    for await (const stored of collection().find('ring', 'other')) {
      await collection().replace(stored.id, stored.version, stored.value, { index: { ring: 'default' } })
    }
    await expect(ringOf().load()).rejects.toMatchObject({ code: 'tokens.key_malformed' })
  })

  it('without the sealing key the start fails, and no new key is made in silence (BuilderIO agent-native #2971)', async () => {
    await ringOf().load()
    await expect(
      ringOf({ sealer: createSealer({ current: 'other', keys: { other: Buffer.alloc(32, 1) } }) }).load(),
    ).rejects.toMatchObject({ code: 'core.sealing_key_unknown' })
    expect(await all()).toHaveLength(1)
  })

  it('a sealing key can be replaced while the old one still opens', async () => {
    const [a, b] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)]
    const before = ringOf({ sealer: createSealer({ current: 'a', keys: { a } }) })
    const token = await issue(before)
    const after = ringOf({ sealer: createSealer({ current: 'b', keys: { a, b } }) })
    expect(await verdict(after, token)).toBe('accepted')
  })

  it('loading seals everything anew, and the old sealing key may go: no signing key is lost', async () => {
    const [a, b] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)]
    const before = ringOf({ sealer: createSealer({ current: 'a', keys: { a } }) })
    const token = await issue(before)
    await before.rotate()
    expect((await before.list()).map((key) => key.sealedBy)).toEqual(['a', 'a'])
    const both = Array.from({ length: 5 }, () => ringOf({ sealer: createSealer({ current: 'b', keys: { a, b } }) }))
    await Promise.all(both.map((ring) => ring.load()))
    const after = ringOf({ sealer: createSealer({ current: 'b', keys: { b } }) })
    expect((await after.list()).map((key) => key.sealedBy)).toEqual(['b', 'b'])
    expect(await verdict(after, token)).toBe('accepted')
    expect((await after.signer()).kid).toBe((await both[0]!.signer()).kid)
  })

  it('two processes with different sealing keys do not seal against each other while they run', async () => {
    const [a, b] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)]
    const old = ringOf({ sealer: createSealer({ current: 'a', keys: { a, b } }) })
    const fresh = ringOf({ sealer: createSealer({ current: 'b', keys: { a, b } }) })
    await old.load()
    await fresh.load()
    for (let n = 0; n < 3; n++) {
      clock.advance(INTERVAL + 1)
      await old.signer()
      await fresh.signer()
      expect((await old.list())[0]!.sealedBy).toBe('b')
    }
  })

  it('a key that is sealed anew is still the same key to a verifier', async () => {
    const [a, b] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)]
    const ring = ringOf({ sealer: createSealer({ current: 'a', keys: { a, b } }) })
    const { kid } = await ring.signer()
    const before = await ring.keys.find({ kid, alg: 'ES256' })
    await ringOf({ sealer: createSealer({ current: 'b', keys: { a, b } }) }).load()
    clock.advance(INTERVAL + 1)
    const after = await ring.keys.find({ kid, alg: 'ES256' })
    expect((await ring.list())[0]!.sealedBy).toBe('b')
    expect(after).toBeDefined()
    expect(after).toBe(before)
  })
})

describe('a store that does not answer', () => {
  it('is waited for no longer than the deadline, and then what is known serves', async () => {
    let hung = false
    const ring = ringOf({ store: hanging(() => hung), timeout: 250 })
    const token = await issue(ring)
    const verifier = createVerifier({ issuer, audience, keys: ring.keys, clock })
    hung = true
    clock.advance(INTERVAL + 1)
    expect(codeOf(await verifier.verify(token))).toBe('accepted')
    // And not for each token.
    expect(codeOf(now(verifier.verify(token)))).toBe('accepted')
    await expect(ring.signer()).rejects.toMatchObject({ code: 'tokens.keys_unavailable', status: 503 })
    clock.advance(MAX_AGE)
    await expect(verifier.verify(token)).rejects.toMatchObject({ code: 'tokens.keys_unavailable', status: 503 })
    await expect(ringOf({ store: hanging(() => true), timeout: 250 }).load()).rejects.toMatchObject({ status: 503 })
  })

  it('is borne for as long as verifiers keep a JWKS, and not longer', async () => {
    let down = false
    const ring = ringOf({ store: failing(() => down) })
    const token = await issue(ring)
    const verifier = createVerifier({ issuer, audience, keys: ring.keys, clock })
    down = true
    clock.advance(MAX_AGE)
    expect(codeOf(await verifier.verify(token))).toBe('accepted')
    await expect(ring.signer()).rejects.toMatchObject({ code: 'tokens.keys_unavailable', status: 503 })
    clock.advance(1)
    await expect(verifier.verify(token)).rejects.toMatchObject({ code: 'tokens.keys_unavailable' })
    down = false
    clock.advance(1)
    expect(codeOf(await verifier.verify(token))).toBe('accepted')
  })

  it('is not asked again for every unknown kid', async () => {
    let finds = 0
    const ring = ringOf({ store: failing(() => finds++ < 0) })
    await ring.load()
    clock.advance(INTERVAL + 1)
    finds = 0
    const answers = Array.from({ length: 1000 }, (_, i) => ring.keys.find({ alg: 'ES256', kid: `invented-${i}` }))
    expect((await Promise.all(answers)).every((key) => key === undefined)).toBe(true)
    for (let i = 0; i < 1000; i++) expect(ring.keys.find({ alg: 'ES256', kid: `more-${i}` })).toBeUndefined()
    expect(finds).toBe(1)
  })
})

describe('options', () => {
  it.each([
    { algorithm: 'HS256' as never },
    { name: 'Not a name' },
    { maxTokenLifetime: Number.NaN },
    { jwksMaxAge: 0 },
    { refreshInterval: -1 },
  ])('%j is a mistake', (options) => {
    expect(() => ringOf(options)).toThrow(expect.objectContaining({ code: 'tokens.options_invalid' }))
  })
})

function collection(): Collection<Json> {
  return store.collection<Json>({ name: 'tokens.keys', indexes: ['ring'] })
}

async function all(): Promise<{ id: string; version: number; value: Json }[]> {
  const found = []
  for await (const stored of collection().find('ring', 'default')) found.push(stored)
  return found
}

function failing(isDown: () => boolean, mayNotRemove: () => boolean = () => false): Store {
  return standIn((real) => ({
    find: (...args) => {
      if (isDown()) throw new TypeError('connection refused')
      return real.find(...args)
    },
    remove: async (id) => {
      if (mayNotRemove()) throw new TypeError('connection refused')
      return real.remove(id)
    },
  }))
}

function hanging(isHung: () => boolean): Store {
  return standIn((real) => ({
    async *find(...args) {
      if (isHung()) await new Promise(() => {})
      yield* real.find(...args)
    },
  }))
}

/** The store, with some verbs of its collections replaced. */
function standIn(change: (real: Collection<any>) => Partial<Collection<any>>): Store {
  const behind = store
  return {
    collection<T extends Json>(declaration: Parameters<Store['collection']>[0]): Collection<T> {
      const real = behind.collection<T>(declaration)
      return {
        get: (id) => real.get(id),
        create: (...args) => real.create(...args),
        replace: (...args) => real.replace(...args),
        take: (id) => real.take(id),
        remove: (id) => real.remove(id),
        find: (...args) => real.find(...args),
        ...change(real),
      }
    },
  }
}
