import { createPrivateKey } from 'node:crypto'
import type { Clock } from '@portcullis/core'
import { afterEach, describe, expect, it } from 'vitest'
import {
  type Claims,
  createKeySet,
  createMemoryRevocationFeed,
  createRevocations,
  createVerifier,
  importVerificationKey,
  type Revocation,
  type RevocationFeed,
  type Revocations,
  type RevocationsOptions,
  revocationFeedLostEvent,
  revocationFeedRestoredEvent,
  revokedEvent,
} from '../src/index.ts'
import { codeOf, es256, forge, manualClock, now, START, testKey } from './support.ts'

const NOW = START / 1000
const LIFETIME = 3600
const TOLERANCE = 300

const CLAIMS: Claims = {
  iss: 'https://login.example',
  aud: 'api',
  iat: NOW,
  exp: NOW + LIFETIME,
  sub: 'user',
  client_id: 'client',
  jti: 'token',
  sid: 'session',
  grant_id: 'grant',
}

const opened: Revocations[] = []
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close()
})

/** A feed that can be told to fail, and that counts. */
function feedUnderTest(
  clock: Clock,
): Omit<RevocationFeed, 'interval'> & { interval: number; failing: boolean; reads: number; published: string[] } {
  const kept = createMemoryRevocationFeed({ clock })
  const feed = {
    retention: kept.retention,
    interval: 1000,
    failing: false,
    reads: 0,
    published: [] as string[],
    publish(entry: string) {
      if (feed.failing) return Promise.reject(new Error('the feed is down'))
      feed.published.push(entry)
      return kept.publish(entry)
    },
    follow() {
      const cursor = kept.follow()
      return {
        read: () => {
          feed.reads += 1
          return feed.failing ? Promise.reject(new Error('the feed is down')) : cursor.read()
        },
        close: () => cursor.close(),
      }
    },
    close: () => kept.close(),
  }
  return feed
}

function setUp(options: Partial<RevocationsOptions> = {}) {
  const clock = manualClock()
  const feed = feedUnderTest(clock)
  const revocations = createRevocations({ feed, clock, ...options })
  opened.push(revocations)
  return { clock, feed, revocations, peer: () => open({ feed, clock, ...options }) }
}

function open(options: RevocationsOptions): Revocations {
  const revocations = createRevocations(options)
  opened.push(revocations)
  return revocations
}

/** What `check` says: a code, `accepted`, or the code of what it threw. */
function verdict(revocations: Revocations, claims: Partial<Claims> = {}): string {
  try {
    return revocations.check({ ...CLAIMS, ...claims } as Claims)?.reason.code ?? 'accepted'
  } catch (error) {
    return (error as { code: string }).code
  }
}

function recorder(): { readonly events: readonly { type: string; data: object }[]; stop(): void } {
  const events: { type: string; data: object }[] = []
  const stops = [revocationFeedLostEvent, revocationFeedRestoredEvent, revokedEvent].map((type) =>
    type.subscribe(({ type, data }) => events.push({ type, data })),
  )
  return {
    events,
    stop: () => {
      for (const stop of stops) stop()
    },
  }
}

describe('what is revoked', () => {
  const TABLE: readonly (readonly [Revocation, hit: Partial<Claims>, missed: Partial<Claims>])[] = [
    [{ kind: 'token', id: 'token', expiresAt: NOW + LIFETIME }, {}, { jti: 'other' }],
    [{ kind: 'token', id: 'token' }, {}, { jti: undefined as never }],
    [{ kind: 'grant', id: 'grant' }, { iat: NOW + 1 }, { grant_id: 'other' }],
    [{ kind: 'session', id: 'session' }, { iat: NOW + 1 }, { sid: 'other' }],
    [{ kind: 'session', id: 'session' }, {}, { iat: NOW + 2 }],
    [{ kind: 'session', id: 'session', before: NOW }, {}, { iat: NOW + 1 }],
    [{ kind: 'subject', id: 'user' }, {}, { iat: NOW + 1 }],
    [{ kind: 'subject', id: 'user' }, { iat: NOW - 1, exp: NOW + 60 }, { sub: 'other' }],
    [
      { kind: 'subject', id: 'user', before: NOW - 100 },
      { iat: NOW - 100, exp: NOW },
      { iat: NOW - 99, exp: NOW },
    ],
    [{ kind: 'subject', id: 'user', before: NOW + 300 }, { iat: NOW + 300 }, { iat: NOW + 301 }],
    [{ kind: 'client', id: 'client' }, { iat: NOW + 0.5 }, { client_id: 'other' }],
    [{ kind: 'client', id: 'client' }, {}, { iat: NOW + 1 }],
    [{ kind: 'all' }, {}, { iat: NOW + 1 }],
    [
      { kind: 'all', before: NOW - 10 },
      { iat: NOW - 10, exp: NOW + 60 },
      { iat: NOW - 9, exp: NOW + 60 },
    ],
  ]

  it.each(TABLE)('%o hits %o and not %o, here at once and elsewhere after a sync', async (revocation, hit, missed) => {
    const { revocations, peer } = setUp()
    const there = peer()
    await revocations.start()
    await there.start()
    expect(verdict(revocations, hit)).toBe('accepted')
    const done = revocations.revoke(revocation)
    // Not after the feed has it: whoever signs out in this process must not be let in by it while Redis takes its time.
    expect(verdict(revocations, hit)).toBe('tokens.revoked')
    expect(verdict(revocations, missed)).toBe('accepted')
    await done
    await there.sync()
    expect(verdict(there, hit)).toBe('tokens.revoked')
    expect(verdict(there, missed)).toBe('accepted')
  })

  it('keeps kinds apart: an id of one is no id of another', async () => {
    const { revocations } = setUp()
    await revocations.start()
    for (const kind of ['token', 'grant', 'session', 'subject', 'client'] as const) await revocations.revoke({ kind, id: 'x' })
    expect(verdict(revocations)).toBe('accepted')
    for (const claim of ['jti', 'grant_id', 'sid', 'sub', 'client_id']) {
      expect(verdict(revocations, { [claim]: 'x' }), claim).toBe('tokens.revoked')
    }
  })

  it('does not come back when a subject is revoked twice, the second time for less', async () => {
    const { revocations } = setUp()
    await revocations.start()
    await revocations.revoke({ kind: 'subject', id: 'user' })
    await revocations.revoke({ kind: 'subject', id: 'user', before: NOW - 1000 })
    await revocations.revoke({ kind: 'all', before: NOW - 500 })
    await revocations.revoke({ kind: 'all', before: NOW - 1000 })
    expect(verdict(revocations)).toBe('tokens.revoked')
    expect(verdict(revocations, { sub: 'other', iat: NOW - 500, exp: NOW + 60 })).toBe('tokens.revoked')
  })

  it('claims of the wrong type hit nothing, and break nothing', async () => {
    const { revocations } = setUp()
    await revocations.start()
    await revocations.revoke({ kind: 'session', id: '1' })
    await revocations.revoke({ kind: 'grant', id: 'constructor' })
    for (const sid of [1, null, ['1'], {}]) expect(verdict(revocations, { sid, grant_id: sid })).toBe('accepted')
  })

  it('is refused by a verifier, with its reason, though the token has not expired', async () => {
    const { clock, revocations } = setUp()
    await revocations.start()
    const key = await testKey()
    const verifier = createVerifier({
      issuer: CLAIMS.iss,
      audience: 'api',
      keys: createKeySet([await importVerificationKey(key.publicJwk)]),
      revocations,
      clock,
    })
    const sign = es256(createPrivateKey({ key: key.privateJwk as any, format: 'jwk' }))
    const token = forge({ alg: 'ES256', kid: 'k1', typ: 'at+jwt' }, CLAIMS, sign)
    expect(codeOf(now(verifier.verify(token)))).toBe('accepted')
    await revocations.revoke({ kind: 'session', id: 'session' })
    expect(codeOf(now(verifier.verify(token)))).toBe('tokens.revoked')
    const forever = forge({ alg: 'ES256', kid: 'k1', typ: 'at+jwt' }, { ...CLAIMS, sid: 'x', exp: NOW + LIFETIME + 1 }, sign)
    expect(codeOf(now(verifier.verify(forever)))).toBe('tokens.lifetime_too_long')
  })

  it.each<[string, any]>([
    ['a kind there is not', { kind: 'user', id: 'x' }],
    ['a kind out of the prototype', { kind: 'constructor', id: 'x' }],
    ['no id', { kind: 'session' }],
    ['an empty id', { kind: 'session', id: '' }],
    ['an id that is a number', { kind: 'subject', id: 1 }],
    ['an id longer than a token', { kind: 'token', id: 'x'.repeat(8193) }],
    ['milliseconds for seconds', { kind: 'subject', id: 'x', before: START }],
    ['everything, in milliseconds', { kind: 'all', before: START }],
    ['a time that is none', { kind: 'client', id: 'x', before: Number.NaN }],
    ['a negative time', { kind: 'all', before: -1 }],
    ['an expiry that is none', { kind: 'token', id: 'x', expiresAt: Number.POSITIVE_INFINITY }],
  ])('%s is refused, and changes nothing', async (_what, revocation) => {
    const { revocations, feed } = setUp()
    await revocations.start()
    await expect(revocations.revoke(revocation)).rejects.toThrow(expect.objectContaining({ code: 'tokens.revocation_invalid' }))
    expect(feed.published).toEqual([])
    expect(verdict(revocations)).toBe('accepted')
  })

  it('is told in an event, once, and only where it was revoked', async () => {
    const { revocations, peer } = setUp()
    const there = peer()
    await there.start()
    const { events, stop } = recorder()
    await revocations.revoke({ kind: 'session', id: 'session' })
    await revocations.revoke({ kind: 'subject', id: 'user' })
    await revocations.revoke({ kind: 'all' })
    await there.sync()
    stop()
    expect(events.map(({ data }) => data)).toEqual([
      { kind: 'session', id: 'session', before: NOW + 1 },
      { kind: 'subject', id: 'user', before: NOW },
      { kind: 'all', before: NOW },
    ])
  })
})

describe('how long an entry stays', () => {
  // The longest that a token can live on: signed by a clock that is ahead, accepted by a verifier for its tolerance.
  const last: Partial<Claims> = { iat: NOW + TOLERANCE, exp: NOW + TOLERANCE + LIFETIME }

  it.each<[Revocation, Partial<Claims>]>([
    [{ kind: 'token', id: 'token', expiresAt: NOW + TOLERANCE + LIFETIME }, last],
    [{ kind: 'token', id: 'token' }, last],
    [{ kind: 'session', id: 'session', before: NOW + TOLERANCE }, last],
    [{ kind: 'grant', id: 'grant' }, last],
    [{ kind: 'subject', id: 'user', before: NOW + TOLERANCE }, last],
    [{ kind: 'client', id: 'client', before: NOW + TOLERANCE }, last],
    [{ kind: 'all', before: NOW + TOLERANCE }, last],
    [
      { kind: 'subject', id: 'user' },
      { iat: NOW, exp: NOW + LIFETIME },
    ],
  ])('%o: until the last moment in which a token that it hits can be accepted', async (revocation, claims) => {
    const { clock, revocations, peer } = setUp()
    await revocations.start()
    await revocations.revoke(revocation)
    const end = (claims.exp as number) + TOLERANCE
    clock.set(end * 1000 - 1)
    await revocations.sync()
    // Something is added, so that what is over would be dropped.
    for (let n = 0; n < 1000; n++) await revocations.revoke({ kind: revocation.kind as 'session', id: `other-${n}` })
    expect(verdict(revocations, claims)).toBe('tokens.revoked')
    const late = peer()
    await late.start()
    expect(verdict(late, claims)).toBe('tokens.revoked')
  })

  it('a token that lives longer than a revocation is remembered, or has no iat, is refused from the first', async () => {
    const { revocations } = setUp()
    await revocations.start()
    expect(verdict(revocations, { exp: NOW + LIFETIME })).toBe('accepted')
    expect(verdict(revocations, { exp: NOW + LIFETIME + 1 })).toBe('tokens.lifetime_too_long')
    expect(verdict(revocations, { iat: undefined as never })).toBe('tokens.lifetime_too_long')
    expect(verdict(revocations, { iat: Number.NaN })).toBe('tokens.lifetime_too_long')
  })

  it('what is over leaves memory', async () => {
    const { clock, revocations } = setUp()
    await revocations.start()
    for (let n = 0; n < 5000; n++) await revocations.revoke({ kind: 'session', id: `s-${n}` })
    expect(revocations.status().entries.session).toBe(5000)
    clock.advance(LIFETIME + 2 * TOLERANCE)
    await revocations.sync()
    expect(verdict(revocations, { iat: NOW + LIFETIME, exp: NOW + 2 * LIFETIME })).toBe('accepted')
    expect(revocations.status()).toMatchObject({ entries: { session: 0 }, bytes: 0 })
  })
})

describe('a feed that is lost', () => {
  it('before start, nothing is let through, and one event says so', async () => {
    const { revocations } = setUp()
    const { events, stop } = recorder()
    for (let request = 0; request < 5; request++) expect(verdict(revocations)).toBe('tokens.revocations_unavailable')
    await revocations.start()
    expect(verdict(revocations)).toBe('accepted')
    stop()
    expect(events.map(({ type }) => type)).toEqual(['tokens.revocation_feed_lost', 'tokens.revocation_feed_restored'])
  })

  it('within the bound, tokens pass; behind it they do not; and two events for any number of requests', async () => {
    const { clock, feed, revocations } = setUp({ maxDelay: 10 })
    await revocations.start()
    const { events, stop } = recorder()
    feed.failing = true
    clock.advance(10)
    await expect(revocations.sync()).rejects.toThrow(
      expect.objectContaining({ code: 'tokens.revocations_unavailable', status: 503 }),
    )
    expect(verdict(revocations)).toBe('accepted')
    clock.advance(0.001)
    for (let request = 0; request < 5; request++) expect(verdict(revocations)).toBe('tokens.revocations_unavailable')
    await expect(revocations.sync()).rejects.toThrow()
    expect(revocations.status()).toMatchObject({ inSync: false, lastInSync: START, failure: 'Error' })
    feed.failing = false
    await revocations.sync()
    expect(verdict(revocations)).toBe('accepted')
    await revocations.sync()
    stop()
    expect(events).toEqual([
      { type: 'tokens.revocation_feed_lost', data: { lastInSync: START, cause: 'Error', whenLost: 'refuse' } },
      { type: 'tokens.revocation_feed_restored', data: { entries: 0 } },
    ])
    expect(revocations.status()).toMatchObject({ inSync: true, lastInSync: START + 10_001, failure: undefined })
  })

  it('is noticed without a request', async () => {
    const { clock, feed, revocations } = setUp({ maxDelay: 10 })
    await revocations.start()
    const { events, stop } = recorder()
    feed.failing = true
    clock.advance(11)
    await revocations.sync().catch(() => undefined)
    stop()
    expect(events.map(({ type }) => type)).toEqual(['tokens.revocation_feed_lost'])
  })

  it("that hangs in a read is noticed all the same, by a watch of this package's own", async () => {
    const clock = manualClock()
    const feed = feedUnderTest(clock)
    feed.interval = 1
    let hang = false
    const hanging: RevocationFeed = {
      ...feed,
      follow: () => {
        const cursor = feed.follow()
        return { read: () => (hang ? new Promise(() => {}) : cursor.read()), close: () => {} }
      },
    }
    const revocations = open({ feed: hanging, clock, maxDelay: 0.02 })
    await revocations.start()
    hang = true
    const { events, stop } = recorder()
    clock.advance(1)
    for (let wait = 0; wait < 100 && events.length === 0; wait++) await new Promise((resolve) => setTimeout(resolve, 5))
    stop()
    expect(events.map(({ type }) => type)).toEqual(['tokens.revocation_feed_lost'])
  })

  it('under accept, tokens pass, and those that are known to be revoked do not', async () => {
    const { clock, feed, revocations } = setUp({ whenLost: 'accept' })
    const { events, stop } = recorder()
    expect(verdict(revocations)).toBe('accepted')
    await revocations.start()
    await revocations.revoke({ kind: 'session', id: 'session' })
    feed.failing = true
    clock.advance(60)
    await revocations.sync().catch(() => undefined)
    expect(verdict(revocations)).toBe('tokens.revoked')
    expect(verdict(revocations, { sid: 'x' })).toBe('accepted')
    stop()
    expect(events.filter(({ type }) => type === 'tokens.revocation_feed_lost')).toHaveLength(2)
  })

  it('refuses what is known to be revoked as revoked, not as unknown', async () => {
    const { revocations } = setUp()
    await revocations.revoke({ kind: 'session', id: 'session' })
    expect(verdict(revocations)).toBe('tokens.revoked')
  })

  it('a clock that was set back does not stretch the bound', async () => {
    const { clock, revocations } = setUp({ maxDelay: 10 })
    await revocations.start()
    clock.advance(-11)
    expect(verdict(revocations, { iat: NOW - 20, exp: NOW })).toBe('tokens.revocations_unavailable')
  })

  it('keeps what was revoked here while it does not answer, and says that nobody else knows', async () => {
    const { feed, revocations, peer } = setUp()
    const there = peer()
    await revocations.start()
    await there.start()
    feed.failing = true
    const failed = revocations.revoke({ kind: 'session', id: 'session' })
    await expect(failed).rejects.toThrow(expect.objectContaining({ code: 'tokens.revocations_unavailable', status: 503 }))
    expect(verdict(revocations)).toBe('tokens.revoked')
    feed.failing = false
    await revocations.revoke({ kind: 'session', id: 'session' })
    await there.sync()
    expect(verdict(there)).toBe('tokens.revoked')
  })

  it('start rejects when it can not be read, and it is followed all the same', async () => {
    const clock = manualClock()
    const feed = feedUnderTest(clock)
    feed.interval = 5
    feed.failing = true
    const revocations = open({ feed, clock })
    await expect(revocations.start()).rejects.toThrow(expect.objectContaining({ code: 'tokens.revocations_unavailable' }))
    feed.failing = false
    for (let wait = 0; wait < 100 && !revocations.status().inSync; wait++) await new Promise((resolve) => setTimeout(resolve, 5))
    expect(verdict(revocations)).toBe('accepted')
  })

  it('that was closed is not known any more, and no event says what everybody knows', async () => {
    const { feed, revocations } = setUp()
    await revocations.start()
    const { events, stop } = recorder()
    await revocations.close()
    const { reads } = feed
    expect(verdict(revocations)).toBe('tokens.revocations_unavailable')
    await expect(revocations.sync()).rejects.toThrow()
    stop()
    expect([events, feed.reads]).toEqual([[], reads])
  })
})

describe('a sync', () => {
  it('counts from its beginning: what was published while it read may be missing', async () => {
    const { clock, feed, revocations } = setUp()
    const reading = revocations.sync()
    clock.advance(5)
    await reading
    expect(feed.reads).toBe(1)
    expect(revocations.status().lastInSync).toBeLessThanOrEqual(START + 5000)
    const slow: RevocationFeed = {
      ...feed,
      follow: () => ({
        read: async () => {
          clock.advance(3)
          return { entries: [], more: false }
        },
        close: () => {},
      }),
    }
    const other = open({ feed: slow, clock })
    const before = clock.now()
    await other.sync()
    expect(other.status().lastInSync).toBe(before)
  })

  it('reads again for whoever asks during a reading, once for all of them', async () => {
    const { feed, revocations, peer } = setUp()
    await revocations.start()
    const there = peer()
    await there.start()
    const { reads } = feed
    const first = there.sync()
    await Promise.resolve()
    await revocations.revoke({ kind: 'session', id: 'session' })
    await Promise.all([first, ...Array.from({ length: 50 }, () => there.sync())])
    expect(verdict(there)).toBe('tokens.revoked')
    expect(feed.reads - reads).toBeLessThanOrEqual(2)
  })

  it('never reads twice at once, and begins behind one that may have looked too early', async () => {
    const kept = createMemoryRevocationFeed()
    let release = (): void => {}
    let reading = 0
    let most = 0
    const held: RevocationFeed = {
      ...kept,
      retention: kept.retention,
      interval: 1000,
      publish: (entry) => kept.publish(entry),
      follow: () => {
        const cursor = kept.follow()
        return {
          read: async () => {
            reading += 1
            most = Math.max(most, reading)
            const batch = await cursor.read()
            await new Promise<void>((resolve) => {
              release = resolve
            })
            reading -= 1
            return batch
          },
          close: () => {},
        }
      },
      close: () => kept.close(),
    }
    const revocations = open({ feed: held })
    const turn = () => new Promise((resolve) => setImmediate(resolve))
    const early = revocations.sync()
    await turn()
    await kept.publish(JSON.stringify({ k: 'g', i: 'grant', r: Math.floor(Date.now() / 1000) }))
    const late = revocations.sync()
    await turn()
    release()
    await early
    expect(revocations.status().entries.grant).toBe(0)
    await turn()
    release()
    await late
    expect([most, revocations.status().entries.grant]).toEqual([1, 1])
  })

  it('measures how long what others revoked took, and not what was there before, nor what was revoked here', async () => {
    const { clock, revocations, peer } = setUp()
    await revocations.revoke({ kind: 'session', id: 'old' })
    const there = peer()
    clock.advance(100)
    await there.start()
    expect(there.status().delay).toEqual({ last: undefined, max: undefined })
    await revocations.revoke({ kind: 'session', id: 'a' })
    clock.advance(0.75)
    await there.sync()
    await revocations.revoke({ kind: 'session', id: 'b' })
    clock.advance(0.25)
    await there.sync()
    expect(there.status().delay).toEqual({ last: 250, max: 750 })
    expect(revocations.status().delay.last).toBeUndefined()
  })

  it('follows a feed in memory at once', async () => {
    const feed = createMemoryRevocationFeed()
    const [here, there] = [open({ feed }), open({ feed })]
    await here.start()
    await there.start()
    await here.revoke({ kind: 'session', id: 'session' })
    for (let turn = 0; turn < 20; turn++) await Promise.resolve()
    const iat = Math.floor(Date.now() / 1000)
    expect(verdict(there, { iat, exp: iat + 60 })).toBe('tokens.revoked')
  })
})

describe('memory that is full', () => {
  it('says so, refuses everything rather than forget one, and is back once there is room', async () => {
    const { clock, revocations, peer } = setUp({ maxEntries: 10, maxDelay: 10 })
    const { events, stop } = recorder()
    await revocations.start()
    for (let n = 0; n < 10; n++) await revocations.revoke({ kind: 'grant', id: `s-${n}` })
    expect(verdict(revocations)).toBe('accepted')
    clock.advance(1000)
    const failed = revocations.revoke({ kind: 'grant', id: 'grant' })
    await expect(failed).rejects.toThrow(expect.objectContaining({ code: 'tokens.revocations_full', status: 503 }))
    const claims = { iat: NOW + 1000, exp: NOW + 1000 + LIFETIME }
    expect(verdict(revocations, { ...claims, grant_id: 'anything' })).toBe('tokens.revocations_unavailable')
    await expect(revocations.sync()).rejects.toThrow(expect.objectContaining({ code: 'tokens.revocations_full' }))
    expect(verdict(revocations, { ...claims, grant_id: 's-3' })).toBe('tokens.revoked')
    // Others have more room, and were told.
    const roomy = peer()
    await expect(roomy.start()).rejects.toThrow(expect.objectContaining({ code: 'tokens.revocations_full' }))
    clock.advance(LIFETIME + 2 * TOLERANCE - 1000)
    await revocations.sync()
    expect(verdict(revocations, claims)).toBe('tokens.revoked')
    expect(verdict(revocations, { ...claims, grant_id: 'anything' })).toBe('accepted')
    stop()
    const told = events.map(({ type }) => type).filter((type) => type !== 'tokens.revoked')
    expect(told).toContain('tokens.revocation_feed_lost')
    expect(told).toContain('tokens.revocation_feed_restored')
  })

  it('does not read the whole feed at each interval to find out', async () => {
    const { clock, feed, revocations } = setUp({ maxEntries: 1, maxDelay: 10 })
    await revocations.start()
    await revocations.revoke({ kind: 'session', id: 'a' })
    await revocations.revoke({ kind: 'session', id: 'b' }).catch(() => undefined)
    const { reads } = feed
    for (let second = 0; second < 30; second++) {
      clock.advance(1)
      await revocations.sync().catch(() => undefined)
    }
    expect(feed.reads).toBe(reads)
  })

  it('is not needed to raise what is there, nor for everything before a time', async () => {
    const { revocations } = setUp({ maxEntries: 1 })
    await revocations.start()
    await revocations.revoke({ kind: 'session', id: 'a' })
    // A feed may answer again what is known.
    await revocations.revoke({ kind: 'session', id: 'a' })
    await revocations.sync()
    expect(verdict(revocations)).toBe('accepted')
    await revocations.revoke({ kind: 'all' })
    expect(verdict(revocations)).toBe('tokens.revoked')
    expect(revocations.status().entries).toEqual({ token: 0, grant: 0, session: 1, subject: 0, client: 0, all: 1 })
  })
})

describe('an entry that can not be read', () => {
  it.each([
    'nonsense',
    '',
    '[]',
    '{"k":"x","i":"a","r":1}',
    '{"k":"constructor","i":"a","r":1}',
    '{"k":"s","r":1}',
    '{"k":"s","i":5,"r":1}',
    '{"k":"s","i":"a"}',
    '{"k":"s","i":"a","r":-1}',
    '{"k":"s","i":"a","r":1e300}',
    '{"k":"u","i":"a","r":1}',
    '{"k":"a","r":1}',
    '{"k":"a","i":"x","r":1,"t":1}',
    '{"k":"s","i":"a","i":"b","r":1}',
  ])('%s: nobody knows what it revokes, so nothing passes until it is too old to matter', async (entry) => {
    const { clock, feed, revocations } = setUp()
    await revocations.start()
    await feed.publish(entry)
    await expect(revocations.sync()).rejects.toThrow(expect.objectContaining({ code: 'tokens.revocations_unavailable' }))
    expect(verdict(revocations)).toBe('tokens.revocations_unavailable')
    await expect(revocations.sync()).rejects.toThrow()
    expect(revocations.status().failure).toBe('tokens.revocation_invalid')
    clock.advance(feed.retention)
    await revocations.sync()
    expect(revocations.status().inSync).toBe(true)
  })
})

describe('a feed with such an entry', () => {
  it('is read again at the pace of the bound, not at each interval', async () => {
    const { clock, feed, revocations } = setUp({ maxDelay: 10 })
    await revocations.start()
    await feed.publish('nonsense')
    const { reads } = feed
    for (let second = 0; second < 30; second++) {
      await revocations.sync().catch(() => undefined)
      clock.advance(1)
    }
    expect(feed.reads - reads).toBe(3)
  })
})

describe('options', () => {
  const clock = manualClock()
  const feed = createMemoryRevocationFeed({ clock })
  it.each<[string, any]>([
    ['no feed', {}],
    ['a feed that is none', { feed: {} }],
    ['a lifetime that is no number', { feed, maxTokenLifetime: Number.NaN }],
    ['a lifetime of nothing', { feed, maxTokenLifetime: 0 }],
    ['a lifetime longer than the feed keeps entries', { feed, maxTokenLifetime: 3601 }],
    ['a bound that is no number', { feed, maxDelay: Number.NaN }],
    ['a bound without end', { feed, maxDelay: Number.POSITIVE_INFINITY }],
    ['a bound shorter than two readings', { feed, maxDelay: 1.9 }],
    ['whenLost that is neither', { feed, whenLost: 'ignore' }],
    ['no room', { feed, maxEntries: 0 }],
    ['room that is no number', { feed, maxEntries: Number.POSITIVE_INFINITY }],
  ])('%s is refused', (_what, options) => {
    expect(() => createRevocations(options)).toThrow(expect.objectContaining({ code: 'tokens.options_invalid' }))
  })

  it.each<[string, any]>([
    ['a lifetime that is no number', { maxTokenLifetime: Number.NaN }],
    ['no room', { maxEntries: 0 }],
  ])('of a feed in memory: %s is refused', (_what, options) => {
    expect(() => createMemoryRevocationFeed(options)).toThrow(expect.objectContaining({ code: 'tokens.options_invalid' }))
  })
})

describe('a feed in memory', () => {
  it('is bounded, drops what is over, and keeps its followers in their place', async () => {
    const clock = manualClock()
    const feed = createMemoryRevocationFeed({ clock, maxEntries: 2 })
    const cursor = feed.follow()
    await feed.publish('a')
    await cursor.read()
    await feed.publish('b')
    await expect(feed.publish('c')).rejects.toThrow(expect.objectContaining({ code: 'tokens.revocations_full' }))
    clock.advance(feed.retention)
    await feed.publish('d')
    expect((await cursor.read()).entries.map(({ entry }) => entry)).toEqual(['d'])
  })
})
