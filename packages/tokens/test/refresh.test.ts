import { createHash } from 'node:crypto'
import type { Collection, Json, Sealer, Store } from '@portcullis/core'
import { beforeEach, describe, expect, it } from 'vitest'
import {
  createRefreshTokens,
  type RefreshGrant,
  type RefreshTokens,
  type RefreshTokensOptions,
  type Revocation,
  type RotateResult,
  refreshEndedEvent,
  refreshReuseEvent,
} from '../src/index.ts'
import { codeOf, manualClock, memoryStore, request, testSealer } from './support.ts'

const DAY = 86_400
const grant: RefreshGrant = {
  subject: 'user-1',
  clientId: 'web',
  scopes: ['openid'],
  sessionId: 's1',
  nested: { kept: [1, null] },
}
const client = { clientId: 'web' }

let clock: ReturnType<typeof manualClock>
let store: Store
let sealer: Sealer
let refresh: RefreshTokens

beforeEach(() => {
  clock = manualClock()
  store = memoryStore(clock)
  sealer = testSealer()
  refresh = refreshOf()
})

function refreshOf(options: Partial<RefreshTokensOptions> = {}): RefreshTokens {
  return createRefreshTokens({ store, sealer, clock, ...options })
}

function granted(result: RotateResult): Extract<RotateResult, { ok: true }> {
  if (!result.ok) throw new TypeError(`refused: ${result.reason.code}`)
  return result
}

describe('a refresh token', () => {
  it('is exchanged for its successor, with the grant as it was given', async () => {
    const first = await refresh.issue(grant)
    expect(first.expiresAt).toBe(clock.now() + 14 * DAY * 1000)
    const second = granted(await refresh.rotate(first.token, client))
    expect(second).toMatchObject({ grant, familyId: first.familyId })
    expect(second.token).not.toBe(first.token)
    expect(granted(await refresh.rotate(second.token, client)).grant).toEqual(grant)
  })

  it('has 256 random bits, and the store has its hash alone (v5.0.0-7.2.3)', async () => {
    const first = await refresh.issue(grant)
    expect(Buffer.from(first.token, 'base64url').length).toBeGreaterThanOrEqual(32 + 16)
    const second = granted(await refresh.rotate(first.token, client))
    const stored = await families().get(first.familyId)
    const kept = JSON.stringify(stored)
    for (const { token } of [first, second]) {
      expect(kept).not.toContain(token)
      expect(kept).not.toContain(token.slice(22))
      expect(kept).toContain(createHash('sha256').update(token).digest('base64url'))
    }
  })

  it("can not be made out of what is in logs: a family's id leads nowhere", async () => {
    const { token, familyId } = await refresh.issue(grant)
    const guessed = Buffer.concat([Buffer.from(familyId, 'base64url').subarray(0, 16), Buffer.alloc(32)]).toString('base64url')
    expect(codeOf(await refresh.rotate(guessed, client))).toBe('tokens.refresh_unknown')
    expect((await refresh.rotate(token, client)).ok).toBe(true)
  })

  it.each(['', 'x', 'A'.repeat(63), `${'A'.repeat(63)}=`, `${'A'.repeat(63)} `, undefined, null, 7, {}])(
    '%j is none',
    async (token) => {
      expect(codeOf(await refresh.rotate(token as never, client))).toBe('tokens.refresh_malformed')
      expect(await refresh.revoke(token as never, client)).toBe(false)
    },
  )

  it('needs somebody and something to be for', async () => {
    await expect(refresh.issue({ ...grant, subject: '' })).rejects.toMatchObject({ code: 'tokens.grant_invalid' })
    await expect(refresh.issue({ ...grant, clientId: '' })).rejects.toMatchObject({ code: 'tokens.grant_invalid' })
  })
})

describe('a token that was used before', () => {
  it('gets the same answer again within the grace: a lost answer signs nobody out (Hydra #1831, #2022, #3860)', async () => {
    const { token } = await refresh.issue(grant)
    const once = granted(await refresh.rotate(token, client))
    clock.advance(9)
    const again = granted(await refresh.rotate(token, client))
    expect(again).toEqual(once)
    expect((await refresh.rotate(once.token, client)).ok).toBe(true)
  })

  it('ends the family beyond the grace, and says so (RFC 9700 §4.14.2, v5.0.0-10.4.5)', async () => {
    const heard: unknown[] = []
    const stops = [
      refreshReuseEvent.subscribe((event) => heard.push(event)),
      refreshEndedEvent.subscribe((event) => heard.push(event)),
    ]
    const { token, familyId } = await refresh.issue(grant)
    const { token: second } = granted(await refresh.rotate(token, client))
    clock.advance(10)
    const req = request()
    expect(codeOf(await refresh.rotate(token, client, { request: req }))).toBe('tokens.refresh_reused')
    for (const stop of stops) stop()
    expect(codeOf(await refresh.rotate(second, client))).toBe('tokens.refresh_unknown')
    const data = { familyId, subject: 'user-1', clientId: 'web', sessionId: 's1' }
    expect(heard).toMatchObject([
      { type: 'tokens.refresh_reuse', ip: '192.0.2.1', data },
      { type: 'tokens.refresh_ended', data },
    ])
    expect(JSON.stringify(heard)).not.toContain(token)
  })

  it('ends the family when it is older than the last one, whatever the grace', async () => {
    const { token: first } = await refresh.issue(grant)
    const { token: second } = granted(await refresh.rotate(first, client))
    const { token: third } = granted(await refresh.rotate(second, client))
    expect(codeOf(await refresh.rotate(first, client))).toBe('tokens.refresh_reused')
    expect(codeOf(await refresh.rotate(third, client))).toBe('tokens.refresh_unknown')
  })

  it('has no second chance where the grace is 0', async () => {
    const strict = refreshOf({ grace: 0 })
    const { token } = await strict.issue(grant)
    await strict.rotate(token, client)
    expect(codeOf(await strict.rotate(token, client))).toBe('tokens.refresh_reused')
  })

  it('a clock that was set back does not stretch the grace', async () => {
    const { token } = await refresh.issue(grant)
    await refresh.rotate(token, client)
    clock.advance(-3600)
    expect(codeOf(await refresh.rotate(token, client))).toBe('tokens.refresh_reused')
  })
})

describe('200 rotations of one token at once', () => {
  it('all get one answer, and leave one family with one live token', async () => {
    const { token, familyId } = await refresh.issue(grant)
    const answers = await Promise.all(Array.from({ length: 200 }, () => refresh.rotate(token, client)))
    expect(new Set(answers.map((answer) => granted(answer).token)).size).toBe(1)
    expect(await live()).toEqual([familyId])
    const next = granted(answers[0]!).token
    expect((await refresh.rotate(next, client)).ok).toBe(true)
  })

  it('without a grace let one through at most, and then end the family', async () => {
    const strict = refreshOf({ grace: 0 })
    const { token } = await strict.issue(grant)
    const answers = await Promise.all(Array.from({ length: 200 }, () => strict.rotate(token, client)))
    expect(answers.filter((answer) => answer.ok)).toHaveLength(1)
    expect(await live()).toEqual([])
  })

  it('never bring an ended family back', async () => {
    const { token, familyId } = await refresh.issue(grant)
    const work = Array.from({ length: 200 }, (_, i) => (i === 100 ? refresh.endFamily(familyId) : refresh.rotate(token, client)))
    await Promise.all(work)
    expect(await live()).toEqual([])
  })

  it('an attacker among them has no branch of his own: two tokens of one family are never good together', async () => {
    const { token } = await refresh.issue(grant)
    const current = granted(await refresh.rotate(token, client)).token
    clock.advance(11)
    const mixed = Array.from({ length: 200 }, (_, i) => refresh.rotate(i % 2 === 0 ? current : token, client))
    await Promise.all(mixed)
    expect(await live()).toEqual([])
  })
})

describe('another client', () => {
  it('is refused, and ends nothing', async () => {
    const { token } = await refresh.issue(grant)
    expect(codeOf(await refresh.rotate(token, { clientId: 'other' }))).toBe('tokens.refresh_client_mismatch')
    const { token: second } = granted(await refresh.rotate(token, client))
    clock.advance(60)
    expect(codeOf(await refresh.rotate(token, { clientId: 'other' }))).toBe('tokens.refresh_client_mismatch')
    expect(await refresh.revoke(second, { clientId: 'other' })).toBe(false)
    expect((await refresh.rotate(second, client)).ok).toBe(true)
  })
})

describe('time', () => {
  it('ends a family that nobody uses (v5.0.0-7.3.1), and use prolongs it', async () => {
    const { token } = await refresh.issue(grant)
    clock.advance(14 * DAY - 1)
    const second = granted(await refresh.rotate(token, client))
    expect(second.expiresAt).toBe(clock.now() + 14 * DAY * 1000)
    clock.advance(14 * DAY)
    expect((await refresh.rotate(second.token, client)).ok).toBe(false)
  })

  it('ends every family in the end, however much it is used (v5.0.0-7.3.2, v5.0.0-10.4.8)', async () => {
    let { token, expiresAt } = await refresh.issue(grant)
    const end = clock.now() + 30 * DAY * 1000
    while (clock.now() + 10 * DAY * 1000 < end) {
      clock.advance(10 * DAY)
      ;({ token, expiresAt } = granted(await refresh.rotate(token, client)))
    }
    expect(expiresAt).toBe(end)
    clock.advance(10 * DAY)
    expect((await refresh.rotate(token, client)).ok).toBe(false)
  })

  it("is checked here too, should the store's clock be slow", async () => {
    const slow = createRefreshTokens({ store: memoryStore(manualClock()), sealer, clock })
    const { token } = await slow.issue(grant)
    clock.advance(14 * DAY)
    expect(codeOf(await slow.rotate(token, client))).toBe('tokens.refresh_expired')
  })

  it.each([{ idleLifetime: 0 }, { absoluteLifetime: Number.NaN }, { grace: 61 }, { grace: Number.POSITIVE_INFINITY }])(
    '%j is a mistake',
    (options) => {
      expect(() => refreshOf(options)).toThrow(expect.objectContaining({ code: 'tokens.options_invalid' }))
    },
  )
})

describe('ending', () => {
  it('one family, by any token of it (RFC 7009) or by its id', async () => {
    const first = await refresh.issue(grant)
    const { token: second } = granted(await refresh.rotate(first.token, client))
    expect(await refresh.revoke(first.token, client)).toBe(true)
    expect(await refresh.revoke(second, client)).toBe(false)
    expect(codeOf(await refresh.rotate(second, client))).toBe('tokens.refresh_unknown')

    const other = await refresh.issue(grant)
    expect(await refresh.endFamily(other.familyId)).toBe(true)
    expect(await refresh.endFamily(other.familyId)).toBe(false)
    expect((await refresh.rotate(other.token, client)).ok).toBe(false)
  })

  it("all of a subject (v5.0.0-7.4.2), or all of a session, and nobody else's", async () => {
    const mine = [await refresh.issue(grant), await refresh.issue(grant), await refresh.issue({ ...grant, sessionId: 's2' })]
    const other = await refresh.issue({ ...grant, subject: 'user-2', sessionId: 's3' })
    // Rotated ones are found as well.
    await refresh.rotate(mine[0]!.token, client)
    expect(await refresh.endSession('s1')).toBe(2)
    expect(await live()).toEqual([mine[2]!.familyId])
    expect(await refresh.endAll('user-1')).toBe(1)
    expect((await refresh.rotate(other.token, client)).ok).toBe(true)
    expect(await refresh.endAll('user-1')).toBe(0)
  })
})

function families(): Collection<Json> {
  return store.collection<Json>({ name: 'tokens.refresh', indexes: ['subject', 'session'] })
}

async function live(): Promise<string[]> {
  const found = []
  for await (const { id } of families().find('subject', 'user-1')) found.push(id)
  return found
}

describe('a refresh token that is bound to a key (RFC 9449 §5)', () => {
  const bound = { ...grant, jkt: 'key-1' }

  it('is good for whoever proves to hold that key, and for nobody else', async () => {
    const { token } = await refresh.issue(bound)
    expect(codeOf(await refresh.rotate(token, client))).toBe('tokens.refresh_key_mismatch')
    expect(codeOf(await refresh.rotate(token, { ...client, jkt: 'key-2' }))).toBe('tokens.refresh_key_mismatch')
    // Those who do not hold it have ended nothing.
    const next = granted(await refresh.rotate(token, { ...client, jkt: 'key-1' }))
    expect(next.grant['jkt']).toBe('key-1')
    expect(codeOf(await refresh.rotate(next.token, { ...client, jkt: 'key-2' }))).toBe('tokens.refresh_key_mismatch')
  })

  it('gives no second answer within the grace to one without the key, and does not end for him', async () => {
    const { token } = await refresh.issue(bound)
    const next = granted(await refresh.rotate(token, { ...client, jkt: 'key-1' }))
    expect(codeOf(await refresh.rotate(token, client))).toBe('tokens.refresh_key_mismatch')
    expect(granted(await refresh.rotate(token, { ...client, jkt: 'key-1' })).token).toBe(next.token)
  })

  it('that is not bound is good with any key: the client authenticates itself', async () => {
    const { token } = await refresh.issue(grant)
    expect((await refresh.rotate(token, { ...client, jkt: 'key-1' })).ok).toBe(true)
  })
})

describe('access tokens', () => {
  const heard: string[] = []
  let works = true
  const revocations = {
    revoke: async (revocation: Revocation) => {
      if (revocation.kind !== 'all') heard.push(`${revocation.kind} ${revocation.id}`)
      if (!works) throw new TypeError('the feed is away')
    },
  }

  beforeEach(() => {
    heard.length = 0
    works = true
    refresh = refreshOf({ revocations })
  })

  it('end with their family, whatever ends it (RFC 7009 §2.1)', async () => {
    const [a, b, c] = [await refresh.issue(grant), await refresh.issue(grant), await refresh.issue(grant)]
    await refresh.endFamily(a.familyId)
    expect(heard).toEqual([`grant ${a.familyId}`])
    await refresh.revoke(b.token, client)
    expect(heard).toContain(`grant ${b.familyId}`)
    const next = granted(await refresh.rotate(c.token, client))
    await refresh.rotate(next.token, client)
    clock.advance(60)
    expect(codeOf(await refresh.rotate(c.token, client))).toBe('tokens.refresh_reused')
    expect(heard).toContain(`grant ${c.familyId}`)
  })

  it('end with all of a session or a subject, also where no family is left', async () => {
    await refresh.endSession('s1')
    await refresh.endAll('user-1')
    expect(heard).toEqual(['session s1', 'subject user-1'])
  })

  it("are nobody else's to end: an id or a token that is not known calls nothing back", async () => {
    const { token } = await refresh.issue(grant)
    await refresh.endFamily('nothing')
    await refresh.revoke('A'.repeat(64), client)
    await refresh.revoke(token, { clientId: 'other' })
    expect(heard).toEqual([])
  })

  it('go before the family, so that one who is interrupted can end it again', async () => {
    const { token, familyId } = await refresh.issue(grant)
    works = false
    await expect(refresh.endFamily(familyId)).rejects.toThrow('away')
    works = true
    expect(await refresh.endFamily(familyId)).toBe(true)
    expect(codeOf(await refresh.rotate(token, client))).toBe('tokens.refresh_unknown')
  })
})
