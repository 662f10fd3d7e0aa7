import { type Collection, createSealer, type Json, type Store } from '@portcullis/core'
import { beforeEach, describe, expect, it } from 'vitest'
import {
  createKeyRing,
  createTokenIssuer,
  createVerifier,
  type KeyRing,
  type KeyRingOptions,
  keyAddedEvent,
  keyRemovedEvent,
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

  it('shows public members and no others in its JWKS', async () => {
    for (const algorithm of ['ES256', 'RS256', 'EdDSA'] as const) {
      const { keys } = await ringOf({ algorithm, name: algorithm.toLowerCase() }).jwks()
      for (const secret of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k']) expect(keys[0]).not.toHaveProperty(secret)
    }
  })

  it('keeps private keys sealed: nothing in the store signs', async () => {
    await ringOf().load()
    for await (const { value } of collection().find('ring', 'default')) {
      expect(Object.keys(value as object).sort()).toEqual(['activatesAt', 'alg', 'kid', 'sealed'])
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

  it('verifies synchronously once it is loaded', async () => {
    const ring = ringOf()
    const token = await issue(ring)
    const verifier = createVerifier({ issuer, audience, keys: ring.keys, clock })
    expect(codeOf(now(verifier.verify(token)))).toBe('accepted')
    clock.advance(INTERVAL + 1)
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
})

describe('a store that does not answer', () => {
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

function failing(isDown: () => boolean): Store {
  return {
    collection<T extends Json>(declaration: Parameters<Store['collection']>[0]): Collection<T> {
      const real = store.collection<T>(declaration)
      const find: Collection<T>['find'] = (...args) => {
        if (isDown()) throw new TypeError('connection refused')
        return real.find(...args)
      }
      return {
        get: (id) => real.get(id),
        create: (...args) => real.create(...args),
        replace: (...args) => real.replace(...args),
        take: (id) => real.take(id),
        remove: (id) => real.remove(id),
        find,
      }
    },
  }
}
