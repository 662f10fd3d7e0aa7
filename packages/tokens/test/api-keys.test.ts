import { createHash } from 'node:crypto'
import { type Collection, type Json, type Store, type Stored, subscribe } from '@portcullis/core'
import { beforeEach, describe, expect, it } from 'vitest'
import {
  type ApiKeyInfo,
  type ApiKeyOwner,
  type ApiKeyRequest,
  type ApiKeyResult,
  type ApiKeys,
  type ApiKeysOptions,
  bearer,
  createApiKeys,
  type IssuedApiKey,
  principalFromClaims,
} from '../src/index.ts'
import { claimsOf, codeOf, made, manualClock, memoryStore, now, request } from './support.ts'

const DAY = 86_400
const issuer = 'https://login.example'
const audience = 'https://api.example'
const asked: ApiKeyRequest = { subject: 'user-1', tenant: 't1', scopes: ['invoice:read'], within: undefined, name: 'CI' }
const owner = { subject: 'user-1' }
const mine = { ...owner, within: undefined }

let clock: ReturnType<typeof manualClock>
let store: Store
let calls: string[]
let keys: ApiKeys

beforeEach(() => {
  clock = manualClock()
  calls = []
  store = watched(memoryStore(clock))
  keys = keysOf()
})

function keysOf(options: Partial<ApiKeysOptions> = {}): ApiKeys {
  return createApiKeys({ store, prefix: 'pc_live', issuer, audience, clock, ...options })
}

/** Every call that reaches the store; a write that went through has `!` behind it. */
function watched(inner: Store): Store {
  return {
    collection<T extends Json>(declaration: { name: string; indexes?: readonly string[] }): Collection<T> {
      const collection = inner.collection<T>(declaration)
      return new Proxy(collection, {
        get(target, name: keyof Collection<T>) {
          const method = target[name].bind(target) as (...all: unknown[]) => unknown
          return (...all: unknown[]) => {
            calls.push(name)
            const result = method(...all)
            if (name === 'replace') void (result as Promise<boolean>).then((done) => done && calls.push('replace!'))
            return result
          }
        },
      })
    },
  }
}

function issued(result: ApiKeyResult): IssuedApiKey {
  if (!result.ok) throw new TypeError(`refused: ${result.reason.code}`)
  return result
}

async function issue(changes: Partial<ApiKeyRequest> = {}, from = keys): Promise<IssuedApiKey> {
  return issued(await from.issue({ ...asked, ...changes }))
}

async function listed(of: ApiKeyOwner = owner): Promise<ApiKeyInfo[]> {
  const all: ApiKeyInfo[] = []
  for await (const info of keys.list(of)) all.push(info)
  return all
}

async function kept(id: string): Promise<Stored<{ readonly lastUsedAt?: number }> | undefined> {
  return store.collection<{ readonly lastUsedAt?: number }>({ name: 'tokens.api_keys', indexes: ['subject'] }).get(id)
}

function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

describe('an API key', () => {
  it('has the form that scanners look for: prefix, 256 random bits, CRC-32', async () => {
    const { key, id } = await issue()
    expect(key).toMatch(/^pc_live_[0-9A-Za-z]{65}$/)
    expect(key.slice('pc_live_'.length).startsWith(id)).toBe(true)
    expect(key).toBe(made(key.slice(0, -6)))
    expect(43 * Math.log2(62)).toBeGreaterThan(256)
    const found = new RegExp(keys.pattern, 'g')
    expect(`export KEY="${key}"\n${key}`.match(found)).toEqual([key, key])
    expect(`x${key} ${key}x ${key.slice(0, -1)}`.match(found)).toBeNull()
  })

  it('is kept as a hash, and shown once: nothing of it is in the store, in listings or in events', async () => {
    const heard: unknown[] = []
    const stop = subscribe((event) => heard.push(event))
    const { key, id } = await issue()
    await keys.verify(key)
    await settled()
    const next = issued(await keys.rotate(id, mine))
    await keys.revoke(next.id, owner)
    stop()
    const secrets = [key, next.key].map((one) => one.slice('pc_live_'.length + 16))
    const everything = JSON.stringify([await kept(id), await listed(), heard])
    for (const secret of secrets) expect(everything).not.toContain(secret.slice(0, 8))
    expect(JSON.stringify(await kept(id))).toContain(createHash('sha256').update(key).digest('base64url'))
    expect(heard).toMatchObject([
      { type: 'tokens.api_key_issued', data: { keyId: id, subject: 'user-1', tenant: 't1' } },
      { type: 'tokens.api_key_issued', data: { keyId: next.id } },
      { type: 'tokens.api_key_rotated', data: { keyId: id, replacedBy: next.id, endsAt: clock.now() + DAY * 1000 } },
      { type: 'tokens.api_key_revoked', data: { keyId: next.id, subject: 'user-1' } },
    ])
  })

  it('stands for claims as an access token does, and for a user of the tenant', async () => {
    const { key, id, expiresAt } = await issue({ roles: ['reader'] })
    const iat = clock.now() / 1000
    const claims = claimsOf((await keys.verify(key)) as never)
    expect(claims).toEqual({
      ...{ iss: issuer, aud: audience, sub: 'user-1', scope: 'invoice:read', tenant: 't1', roles: ['reader'] },
      ...{ jti: id, iat, exp: iat + 90 * DAY },
    })
    expect(expiresAt).toBe(clock.now() + 90 * DAY * 1000)
    expect(principalFromClaims(claims as never)).toEqual({
      ...{ subject: 'user-1', kind: 'user', tenant: 't1', roles: ['reader'], scopes: ['invoice:read'] },
    })
  })

  it('of a program that acts for itself makes a client of it', async () => {
    const { key } = await issue({ subject: 'job', clientId: 'job' })
    const claims = claimsOf((await keys.verify(key)) as never)
    expect(principalFromClaims(claims as never)).toMatchObject({ subject: 'job', kind: 'client', clientId: 'job' })
  })

  it('goes through bearer, and a refused one is in the event by its code', async () => {
    const heard: unknown[] = []
    const stop = subscribe((event) => event.type === 'tokens.rejected' && heard.push(event.data))
    const guard = bearer({ verifier: keys })
    const { key } = await issue()
    expect(await guard(request({ authorization: `Bearer ${key}` }))).toMatchObject({
      type: 'continue',
      principal: { subject: 'user-1' },
    })
    clock.advance(90 * DAY)
    expect(await guard(request({ authorization: `Bearer ${key}` }))).toMatchObject({ type: 'reply', reply: { status: 401 } })
    stop()
    expect(heard).toEqual([{ code: 'tokens.reference_unknown' }])
  })

  it('ends by our clock where the store’s is behind', async () => {
    const ahead = manualClock()
    const { key, id } = await issue({ lifetime: 60 })
    ahead.advance(60)
    const later = keysOf({ clock: ahead })
    expect(codeOf(await later.verify(key))).toBe('tokens.expired')
    expect(codeOf(await later.rotate(id, mine))).toBe('tokens.api_key_unknown')
  })

  it('of another issuer, audience or prefix in the same store is refused', async () => {
    const { key } = await issue()
    expect(codeOf(await keysOf({ issuer: 'https://other.example' }).verify(key))).toBe('tokens.issuer_mismatch')
    expect(codeOf(await keysOf({ audience: 'https://other.example' }).verify(key))).toBe('tokens.audience_mismatch')
    const renamed = made(`pc_test_${key.slice('pc_live_'.length, -6)}`)
    expect(codeOf(await keysOf({ prefix: 'pc_test' }).verify(renamed))).toBe('tokens.reference_mismatch')
  })
})

describe('what is no key', () => {
  it('is refused before the store is asked when its checksum is wrong', async () => {
    const { key } = await issue()
    calls.length = 0
    const at = 'pc_live_'.length + 20
    const mistyped = key.slice(0, at) + (key[at] === 'x' ? 'y' : 'x') + key.slice(at + 1)
    const result = now(keys.verify(mistyped))
    expect(codeOf(result)).toBe('tokens.reference_checksum')
    expect(result).toMatchObject({ answer: { error: 'invalid_token' } })
    expect(calls).toEqual([])
  })

  it.each([
    ...['', 'pc_live_', 'pc_live', 'x', `pc_live_${'a'.repeat(64)}`, `pc_live_${'a'.repeat(66)}`, `pc_live_${'-'.repeat(65)}`],
    ...[
      `pc_live_${'ä'.repeat(65)}`,
      `PC_LIVE_${'a'.repeat(65)}`,
      `${made(`pc_live_${'a'.repeat(59)}`)}\n`,
      undefined,
      null,
      7,
      {},
    ],
  ])('%j is refused by its form', (text) => {
    expect(codeOf(now(keys.verify(text as never)))).toBe('tokens.reference_malformed')
    expect(calls).toEqual([])
  })

  it('an id with an invented secret is refused, checksum or not', async () => {
    const { id } = await issue()
    expect(codeOf(await keys.verify(made(`pc_live_${id}${'a'.repeat(43)}`)))).toBe('tokens.reference_mismatch')
    expect(codeOf(await keys.verify(made(`pc_live_${'b'.repeat(16)}${'a'.repeat(43)}`)))).toBe('tokens.reference_unknown')
  })
})

describe('the owner of a key', () => {
  it('is asked for each time: another one’s key can be neither ended, replaced nor seen (better-auth CVE-2025-61928)', async () => {
    const { id, key } = await issue()
    for (const other of [{ subject: 'user-2' }, { subject: 'user-1', tenant: 't2' }, { subject: undefined as never }]) {
      expect(await keys.revoke(id, other)).toBe(false)
      expect(codeOf(await keys.rotate(id, { ...other, within: undefined }))).toBe('tokens.api_key_unknown')
    }
    expect(await listed({ subject: 'user-2' })).toEqual([])
    expect(await listed({ subject: 'user-1', tenant: 't2' })).toEqual([])
    expect(await keys.revokeAll({ subject: 'user-2' })).toBe(0)
    expect((await keys.verify(key)).ok).toBe(true)
    expect(await keys.revoke(id, { subject: 'user-1', tenant: 't1' })).toBe(true)
    expect(codeOf(await keys.verify(key))).toBe('tokens.reference_unknown')
    expect(await keys.revoke(id, owner)).toBe(false)
  })

  it.each(['', 'x', '\0', 'a'.repeat(600), '../x', undefined])('an id such as %j is as if it were not there', async (id) => {
    expect(await keys.revoke(id as never, owner)).toBe(false)
    expect(codeOf(await keys.rotate(id as never, mine))).toBe('tokens.api_key_unknown')
  })

  it('gets no key that holds more than the credential it was asked with', async () => {
    const narrow = { scopes: ['invoice:read', 'invoice:write'], within: ['invoice:read', 'key:write'] }
    expect(codeOf(await keys.issue({ ...asked, ...narrow }))).toBe('tokens.api_key_scope_exceeded')
    expect(codeOf(await keys.issue({ ...asked, within: [] }))).toBe('tokens.api_key_scope_exceeded')
    expect(await listed()).toEqual([])
    expect((await keys.issue({ ...asked, within: ['invoice:read'] })).ok).toBe(true)
  })

  it('does not get the wider key handed out again by a narrower credential through a rotation', async () => {
    const { id, key } = await issue()
    expect(codeOf(await keys.rotate(id, { ...owner, within: ['key:write'] }))).toBe('tokens.api_key_scope_exceeded')
    expect(await listed()).toHaveLength(1)
    clock.advance(8 * DAY)
    expect((await keys.verify(key)).ok).toBe(true)
  })

  it('ends all keys at once, of one tenant or of every one', async () => {
    await issue()
    await issue({ tenant: 't2' })
    await issue({ subject: 'user-2' })
    expect(await keys.revokeAll({ subject: 'user-1', tenant: 't2' })).toBe(1)
    expect(await listed()).toMatchObject([{ tenant: 't1' }])
    expect(await keys.revokeAll(owner)).toBe(1)
    expect(await listed()).toEqual([])
    expect(await listed({ subject: 'user-2' })).toHaveLength(1)
  })
})

describe('the end of all keys', () => {
  it('is the end of one that a rotation makes meanwhile too', async () => {
    const { id } = await issue()
    let rotated: ApiKeyResult | undefined
    const between: Store = {
      collection<T extends Json>(declaration: { name: string; indexes?: readonly string[] }): Collection<T> {
        const collection = store.collection<T>(declaration)
        const take = async (one: string): Promise<T | undefined> => {
          rotated ??= await keys.rotate(id, mine)
          return collection.take(one)
        }
        return Object.assign(Object.create(collection), { take })
      },
    }
    expect(await keysOf({ store: between }).revokeAll(owner)).toBe(2)
    expect((await keys.verify(issued(rotated!).key)).ok).toBe(false)
    expect(await listed()).toEqual([])
  })
})

describe('a rotation', () => {
  it('hands over to a key with the same grants, and lets both work while they overlap', async () => {
    const old = await issue({ lifetime: 10 * DAY, roles: ['reader'] })
    clock.advance(DAY)
    const next = issued(await keys.rotate(old.id, { ...mine, overlap: 3600 }))
    expect(next).toMatchObject({ ...{ name: 'CI', tenant: 't1', scopes: ['invoice:read'], replaces: old.id } })
    expect(next.expiresAt).toBe(clock.now() + 10 * DAY * 1000)
    const chain = (await listed()).sort((a, b) => a.createdAt - b.createdAt)
    expect(chain).toMatchObject([
      { id: old.id, replacedBy: next.id, expiresAt: clock.now() + 3_600_000 },
      { id: next.id, replaces: old.id },
    ])
    clock.advance(3599)
    for (const { key } of [old, next]) expect((await keys.verify(key)).ok).toBe(true)
    clock.advance(1)
    expect((await keys.verify(old.key)).ok).toBe(false)
    expect(claimsOf((await keys.verify(next.key)) as never)).toMatchObject({ sub: 'user-1', roles: ['reader'], jti: next.id })
    expect(codeOf(await keys.rotate(old.id, mine))).toBe('tokens.api_key_unknown')
  })

  it('ends the old key at once where nothing shall overlap, and never gives it more time than it had', async () => {
    const old = await issue()
    await keys.rotate(old.id, { ...mine, overlap: 0 })
    expect((await keys.verify(old.key)).ok).toBe(false)
    const short = await issue({ lifetime: 60 })
    await keys.rotate(short.id, mine)
    clock.advance(60)
    expect((await keys.verify(short.key)).ok).toBe(false)
  })

  it('takes no more time than keys may have by now', async () => {
    const { id } = await issue({ lifetime: 100 * DAY })
    const next = issued(await keysOf({ maxLifetime: 30 * DAY }).rotate(id, mine))
    expect(next.expiresAt).toBe(clock.now() + 30 * DAY * 1000)
  })

  it('of a key that was replaced is refused, and that of its successor is not: a lost answer locks nobody out', async () => {
    const old = await issue()
    const lost = issued(await keys.rotate(old.id, mine))
    expect(codeOf(await keys.rotate(old.id, mine))).toBe('tokens.api_key_rotated')
    expect((await keys.rotate(lost.id, mine)).ok).toBe(true)
  })

  it.each([-1, Number.NaN, Number.POSITIVE_INFINITY, 604_801])('takes no overlap of %s seconds', async (overlap) => {
    const { id } = await issue()
    await expect(keys.rotate(id, { ...mine, overlap })).rejects.toMatchObject({ code: 'tokens.options_invalid' })
  })

  it('has one winner of 200 at once, and leaves two keys', async () => {
    const { id } = await issue()
    const results = await Promise.all(Array.from({ length: 200 }, () => keys.rotate(id, mine)))
    const codes = results.map(codeOf).sort()
    expect(codes[0]).toBe('accepted')
    expect(new Set(codes.slice(1))).toEqual(new Set(['tokens.api_key_rotated']))
    const winner = issued(results.find((one) => one.ok)!)
    expect((await listed()).map((one) => one.id).sort()).toEqual([id, winner.id].sort())
    expect((await keys.verify(winner.key)).ok).toBe(true)
  })

  it('goes through while the key is in use, and brings no key back that is ended meanwhile', async () => {
    const { id, key } = await issue()
    const [rotated] = await Promise.all([keys.rotate(id, mine), ...Array.from({ length: 200 }, () => keys.verify(key))])
    expect(rotated.ok).toBe(true)
    for (let i = 0; i < 20; i++) {
      const one = await issue()
      const racing = Array.from({ length: 10 }, (_, at) => (at === i % 10 ? keys.revokeAll(owner) : keys.rotate(one.id, mine)))
      await Promise.all(racing)
      expect(await listed()).toEqual([])
    }
  })
})

describe('the last use of a key', () => {
  it('is written once a minute, whatever the number of requests', async () => {
    const { id, key } = await issue()
    const use = async (): Promise<void> => {
      await Promise.all(Array.from({ length: 200 }, () => keys.verify(key)))
      await settled()
    }
    await use()
    expect(calls.filter((name) => name === 'replace!')).toHaveLength(1)
    expect(calls.filter((name) => name === 'replace')).toHaveLength(1)
    expect(await listed()).toMatchObject([{ lastUsedAt: clock.now() }])
    clock.advance(59)
    await use()
    expect(calls.filter((name) => name === 'replace!')).toHaveLength(1)
    clock.advance(1)
    await use()
    expect(calls.filter((name) => name === 'replace!')).toHaveLength(2)
    expect((await kept(id))?.value.lastUsedAt).toBe(clock.now())
  })

  it('is written for the right key alone, and moves nothing else', async () => {
    const { id, key, expiresAt } = await issue()
    await keys.verify(made(`pc_live_${id}${'a'.repeat(43)}`))
    await settled()
    expect((await kept(id))?.value.lastUsedAt).toBeUndefined()
    await keys.verify(key)
    await settled()
    expect(await listed()).toMatchObject([{ id, expiresAt, name: 'CI' }])
    expect((await kept(id))?.expiresAt).toBe(expiresAt)
  })

  it('holds up no request and fails none when it can not be written', async () => {
    const { key } = await issue()
    for (const broken of [() => Promise.reject(new Error('down')), () => new Promise(() => {})]) {
      const failing: Store = {
        collection: (declaration) => Object.assign(Object.create(store.collection(declaration)), { replace: broken }),
      }
      expect((await keysOf({ store: failing }).verify(key)).ok).toBe(true)
    }
    await settled()
  })

  it('brings no key back that was ended meanwhile', async () => {
    const { key, id } = await issue()
    await Promise.all([keys.verify(key), keys.revoke(id, owner), keys.verify(key)])
    await settled()
    expect(await kept(id)).toBeUndefined()
  })
})

describe('what is configured or asked wrongly', () => {
  it.each([
    ['prefix', ['', 'a', 'Pc', 'pc_', '_pc', 'p-c', '1pc', 'p c', 'a'.repeat(33), undefined, 7]],
    ['issuer', ['', undefined]],
    ['audience', ['', [], undefined]],
    ['store', [undefined, {}]],
    ['lifetime', [0, -1, Number.NaN]],
    ['maxLifetime', [0, Number.NaN, Number.POSITIVE_INFINITY, 315_360_001]],
  ] as [keyof ApiKeysOptions, unknown[]][])('%s', (name, values) => {
    for (const value of values) {
      expect(() => keysOf({ [name]: value }), String(value)).toThrow(expect.objectContaining({ code: 'tokens.options_invalid' }))
    }
  })

  it('there is no key without an end', async () => {
    await expect(issue({ lifetime: 366 * DAY })).rejects.toMatchObject({ code: 'tokens.lifetime_too_long' })
    await expect(issue({ lifetime: Number.POSITIVE_INFINITY })).rejects.toMatchObject({ code: 'tokens.options_invalid' })
  })

  it.each([{ subject: '' }, { clientId: '' }, { scopes: ['a b'] }, { scopes: [''] }, { name: '' }, { name: 'x'.repeat(101) }])(
    '%j',
    async (changes) => {
      await expect(issue(changes)).rejects.toMatchObject({ code: 'tokens.claim_invalid' })
    },
  )

  it('claims that the key sets itself', async () => {
    await expect(issue({ claims: { sub: 'admin' } })).rejects.toMatchObject({ code: 'tokens.claim_reserved' })
  })
})
