import { type Collection, createMemoryStore, type Json, type Store, subscribe } from '@portcullis/core'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  type AccessSource,
  type AccessSourceOptions,
  createAccessSource,
  defineAccess,
  type RoleDefinitions,
} from '../src/index.ts'
import { user } from './ledger.ts'
import { request } from './request.ts'

const time = { now: 1_800_000_000_000 }
const clock = { now: () => time.now }
afterEach(() => {
  time.now = 1_800_000_000_000
})

const base = defineAccess({
  resources: { invoice: ['read', 'refund'] },
  fields: { invoice: { createdBy: 'string' } },
  roles: { clerk: { allow: ['invoice:read'] } },
  clock,
})
const more: RoleDefinitions = { clerk: { allow: ['invoice:read', 'invoice:refund'] }, head: { inherits: ['clerk'] } }
const own: RoleDefinitions = { clerk: { allow: [{ permission: 'invoice:read', when: { owner: 'createdBy' } }] } }
const clerk = user(['clerk'])
const acme = { tenant: 'acme' }

/** A store that can be told to fail, or to never answer. */
function breakable(store: Store): Store & { state: 'up' | 'down' | 'hung' } {
  const broken = { state: 'up' as 'up' | 'down' | 'hung' }
  const collection: Store['collection'] = <T extends Json>(declaration: { readonly name: string }) => {
    const real = store.collection<T>(declaration)
    return new Proxy(real, {
      get: (target, name: keyof Collection<T>) => {
        if (broken.state === 'up') return (target[name] as (...args: unknown[]) => unknown).bind(target)
        return () => (broken.state === 'down' ? Promise.reject(new Error('connection refused')) : new Promise(() => {}))
      },
    })
  }
  return Object.assign(broken, { collection })
}

type Permission = (typeof base)['permissions'][number]

async function open(store: Store, options: Partial<AccessSourceOptions<Permission>> = {}): Promise<AccessSource<Permission>> {
  const source = await createAccessSource({ access: base, store, every: 0, clock, timeout: 50, ...options })
  onTestFinished(() => source.close())
  return source
}

function events(): { type: string; data: object }[] {
  const seen: { type: string; data: object }[] = []
  onTestFinished(subscribe(({ type, data }) => seen.push({ type, data })))
  return seen
}

describe('rules from a store', () => {
  test('are the definition’s own until there are some', async () => {
    const { access, version, read } = await open(createMemoryStore())
    expect(version).toBeUndefined()
    expect(await read()).toBeUndefined()
    expect(access.can(clerk, 'invoice:read', acme)).toBe(true)
    expect(access.can(clerk, 'invoice:refund', acme)).toBe(false)
  })

  test('v5.0.0-8.3.2: a change counts at once where it was made, and elsewhere at the next look, in guards and what was bound, too', async () => {
    const store = createMemoryStore()
    const [here, there] = [await open(store), await open(store)]
    const guard = there.access.permit('invoice:refund').guard
    const bound = there.access.bind(clerk)
    const resolved = base.permission('invoice:refund')
    expect(await here.publish(more, undefined)).toMatchObject({ ok: true })
    expect(here.access.can(clerk, 'invoice:refund', acme)).toBe(true)
    expect(there.access.can(clerk, 'invoice:refund', acme)).toBe(false)
    expect(await there.refresh()).toBe(true)
    expect(there.access.can(clerk, resolved, acme)).toBe(true)
    expect(bound.canSome('invoice:refund')).toBe(true)
    expect(guard(request(clerk))).toMatchObject({ type: 'continue' })
    expect(there.access.roles).toEqual(['clerk', 'head'])
    expect(there.access.inherited('head')).toEqual(['clerk'])

    const { version } = (await here.read()) ?? {}
    expect(await there.publish(own, version)).toMatchObject({ ok: true })
    await here.refresh()
    expect(here.access.can(clerk, 'invoice:refund', acme)).toBe(false)
    expect(here.access.can(clerk, 'invoice:read', { ...acme, createdBy: 'u1' })).toBe(true)
    expect(here.access.can(clerk, 'invoice:read', { ...acme, createdBy: 'u2' })).toBe(false)
    expect(bound.canSome('invoice:refund')).toBe(false)
    expect(guard(request(clerk))).toMatchObject({ type: 'reply', reply: { status: 403 } })
  })

  test('reach a process that only looks from time to time', async () => {
    const store = createMemoryStore()
    const [here, there] = [await open(store), await open(store, { every: 10 })]
    await here.publish(more, undefined)
    await vi.waitFor(() => expect(there.access.can(clerk, 'invoice:refund', acme)).toBe(true))
  })

  test('casbin’s cached enforcer: still allowed after the policy is gone. Here not', async () => {
    const store = createMemoryStore()
    const source = await open(store)
    await source.publish(more, undefined)
    expect(source.access.can(clerk, 'invoice:refund', acme)).toBe(true)
    await source.publish({ clerk: {} }, source.version)
    for (const may of [source.access.can(clerk, 'invoice:read', acme), source.access.canSome(clerk, 'invoice:refund')]) {
      expect(may).toBe(false)
    }
  })

  test('of 30 who change them at once, one wins', async () => {
    const store = createMemoryStore()
    const source = await open(store)
    const results = await Promise.all(Array.from({ length: 30 }, () => source.publish(more, undefined)))
    expect(results.filter(({ ok }) => ok)).toHaveLength(1)
    const again = await Promise.all(Array.from({ length: 30 }, () => source.publish(own, source.version)))
    expect(again.filter(({ ok }) => ok)).toHaveLength(1)
  })

  test('are not changed by who read them before somebody else changed them', async () => {
    const source = await open(createMemoryStore())
    await source.publish(more, undefined)
    const read = source.version
    expect(await source.publish(own, read)).toMatchObject({ ok: true })
    const now = source.version
    expect(await source.publish(more, read)).toEqual({ ok: false, version: now })
    expect(await source.publish(more, undefined)).toEqual({ ok: false, version: now })
    expect((await source.read())?.roles).toEqual(own)
  })

  test.each<[string, object, string, readonly string[]]>([
    ['names nobody knows', { a: { allow: ['invoice:reed', 'x:*'] } }, 'rbac.permission_unknown', ['invoice:reed', 'x:*']],
    ['a function', { a: { allow: [{ permission: 'invoice:read', when: () => true }] } }, 'rbac.condition_invalid', []],
    ['a hidden prototype', JSON.parse('{"a":{"__proto__":{"allow":["*"]}}}'), 'rbac.definition_invalid', ['__proto__']],
  ])('are not published with %s', async (_name, roles, code, names) => {
    const source = await open(createMemoryStore())
    await expect(source.publish(roles as RoleDefinitions, undefined)).rejects.toMatchObject({ code, names })
    expect(await source.read()).toBeUndefined()
  })
})

describe('a store that fails', () => {
  test.each(['down', 'hung'] as const)('%s at the start: there is no access that could decide by nothing', async (state) => {
    const store = breakable(createMemoryStore())
    store.state = state
    await expect(open(store)).rejects.toMatchObject({ code: 'rbac.rules_unavailable' })
  })

  test('leaves the rules in force until the bound; then everything is refused, and said to be, until they can be read again', async () => {
    const store = breakable(createMemoryStore())
    const source = await open(store, { bound: 1000 })
    const seen = events()
    store.state = 'down'
    expect(await source.refresh()).toBe(false)
    time.now += 1000
    expect(source.stale).toBe(false)
    expect(source.access.can(clerk, 'invoice:read', acme)).toBe(true)
    time.now += 1
    const { access } = source
    const guard = access.permit('invoice:read').guard
    expect(source.stale).toBe(true)
    expect(access.can(clerk, 'invoice:read', acme)).toBe(false)
    expect(access.canSome(clerk, 'invoice:read')).toBe(false)
    expect(access.check(request(clerk), 'invoice:read', acme)).toBe(false)
    expect(access.decide(clerk, 'invoice:read', acme).reason).toMatchObject({ code: 'rbac.rules_stale', failed: 'rules' })
    expect(access.decideSome(clerk, 'invoice:read').reason.code).toBe('rbac.rules_stale')
    expect(access.filter(clerk, 'invoice:read').selects).toBe('none')
    expect(access.prefilter(clerk, 'invoice:read').matches(acme)).toBe(false)
    expect(access.pick(clerk, 'invoice:read', acme, {})).toMatchObject({ ok: false, reason: { code: 'rbac.rules_stale' } })
    expect(guard(request(clerk))).toMatchObject({ type: 'reply', reply: { status: 503 }, cause: { code: 'rbac.rules_stale' } })
    expect(access.permit(['invoice:read', 'invoice:refund']).guard(request(clerk))).toMatchObject({ reply: { status: 503 } })
    expect(seen.filter(({ type }) => type === 'rbac.rules_unavailable').map(({ data }) => data)).toMatchObject([
      { stale: false, reason: { code: 'rbac.rules_unavailable' } },
      { stale: true },
    ])
    store.state = 'up'
    expect(await source.refresh()).toBe(true)
    expect(access.can(clerk, 'invoice:read', acme)).toBe(true)
    expect(guard(request(clerk))).toMatchObject({ type: 'continue' })
  })

  test('or decide by what was read last, and say so, where that was chosen', async () => {
    const store = breakable(createMemoryStore())
    const source = await open(store, { bound: 1000, whenStale: 'allow' })
    expect(source.access.decide(clerk, 'invoice:read', acme)).not.toHaveProperty('stale')
    time.now += 1001
    expect(source.access.can(clerk, 'invoice:read', acme)).toBe(true)
    expect(source.access.decide(clerk, 'invoice:read', acme)).toMatchObject({ allowed: true, stale: true })
    expect(source.access.decideSome(clerk, 'invoice:read')).toMatchObject({ allowed: true, stale: true })
    const seen = events()
    source.access.check(request(clerk), 'invoice:read', acme)
    expect(seen).toMatchObject([{ type: 'rbac.record_decision', data: { allowed: true, stale: true } }])
  })

  test('stored rules that this version can’t read are not taken, and named', async () => {
    const store = createMemoryStore()
    const source = await open(store, { bound: 1000 })
    await source.publish(more, undefined)
    const seen = events()
    const stored = store.collection<{ roles: Json }>({ name: 'rbac.rules' })
    await stored.replace('rules', source.version ?? 0, { roles: { clerk: { allow: ['invoice:archive'] } } })
    expect(await source.refresh()).toBe(false)
    expect(source.access.can(clerk, 'invoice:refund', acme)).toBe(true)
    expect(seen).toMatchObject([{ data: { reason: { code: 'rbac.permission_unknown', names: ['invoice:archive'] } } }])
    time.now += 1001
    expect(source.access.can(clerk, 'invoice:refund', acme)).toBe(false)
  })
})

test.each([
  ['a bound below one look', { every: 1000, bound: 1000 }],
  ['no bound', { bound: Number.POSITIVE_INFINITY }],
  ['30 days, which a timer takes for at once', { every: 30 * 86_400_000, bound: 2 ** 31 - 1 }],
  ['half a millisecond', { every: 0.5 }],
])('%s is refused', async (_name, options) => {
  await expect(open(createMemoryStore(), options)).rejects.toMatchObject({ code: 'rbac.source_invalid' })
})
