import { afterEach, describe, expect, test } from 'vitest'
import { type Access, AccessError, defineAccess } from '../src/index.ts'
import { ledger, user } from './ledger.ts'
import { request } from './request.ts'

const resources = { invoice: ['read', 'refund'] } as const

function define(definition: unknown): Access {
  return defineAccess(definition as Parameters<typeof defineAccess>[0])
}

describe('CASL CVE-2026-1774: prototype pollution from stored rules', () => {
  afterEach(() => {
    for (const name of ['allow', 'inherits', 'roles', 'clients', 'owner']) Reflect.deleteProperty(Object.prototype, name)
  })

  test.each(['__proto__'])('%s is no name for a role, a resource or an action', (name) => {
    const definitions = [
      `{"resources":{"invoice":["read"]},"roles":{"${name}":{"allow":["*"]}}}`,
      `{"resources":{"${name}":["read"]},"roles":{}}`,
      `{"resources":{"invoice":["${name}"]},"roles":{}}`,
    ]
    for (const text of definitions) {
      expect(() => define(JSON.parse(text))).toThrow(expect.objectContaining({ code: 'rbac.name_invalid' }))
    }
    expect(Object.hasOwn(Object.prototype, 'allow')).toBe(false)
  })

  test('a rule hidden in a __proto__ member is refused by name', () => {
    const roles = JSON.parse('{"viewer":{"__proto__":{"allow":["*"]}}}')
    expect(() => define({ resources, roles })).toThrow(expect.objectContaining({ names: ['__proto__'] }))
  })

  test('what a polluted Object.prototype says grants nothing', () => {
    Object.assign(Object.prototype, { allow: ['*'], inherits: ['owner'], clients: { allow: ['*'] }, owner: { allow: ['*'] } })
    const access = define({ resources, roles: { viewer: {}, other: {} } })
    expect(access.roles).toEqual(['viewer', 'other'])
    for (const role of ['viewer', 'other', 'owner']) {
      expect(access.canSome(user([role]), 'invoice:read')).toBe(false)
    }
    expect(access.canSome({ subject: 'c', kind: 'client', roles: [], scopes: ['invoice:read'] }, 'invoice:read')).toBe(false)
  })

  test('a role that was set as a prototype is not a role', () => {
    const roles = { viewer: {}, __proto__: { owner: { allow: ['*'] } } }
    const access = define({ resources, roles })
    expect(access.roles).toEqual(['viewer'])
    expect(access.canSome(user(['owner']), 'invoice:refund')).toBe(false)
  })

  test.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])(
    'a caller with role %s, or asking for it, gets nothing',
    (name) => {
      expect(ledger.canSome(user([name]), 'invoice:read')).toBe(false)
      expect(ledger.canSome(user(['owner'], { scopes: [name] }), 'invoice:read')).toBe(false)
      expect(() => ledger.decideSome(user(['owner']), name as 'invoice:read')).toThrow(AccessError)
    },
  )

  test('constructor and toString are names like others', () => {
    const access = defineAccess({
      resources: { constructor: ['toString'] },
      roles: { valueOf: { allow: ['constructor:toString'] }, none: {} },
    })
    expect(access.canSome(user(['valueOf']), 'constructor:toString')).toBe(true)
    expect(access.canSome(user(['none']), 'constructor:toString')).toBe(false)
  })
})

test('Flowise CVE-2026-30823, CVE-2026-41277: nothing in a record but its tenant counts', () => {
  const record = { tenant: 'globex', roles: ['owner'], allowed: true, principal: user(['owner'], { tenant: 'globex' }) }
  expect(ledger.can(user(['owner']), 'invoice:read', record)).toBe(false)
})

test('v5.0.0-8.3.1, Flowise GHSA-wvhq-wp8g-c7vq, Next.js CVE-2025-29927: nothing that a request says of itself counts', () => {
  const said = {
    role: 'owner',
    tenant: 'globex',
    'x-tenant-id': 'globex',
    'x-internal': '1',
    'x-middleware-subrequest': 'src/middleware',
  }
  const req = Object.assign(request(user(['viewer'])), { headers: said, target: '/api/invoices/1?role=owner&tenant=globex' })
  expect(ledger.check(req, 'invoice:refund', { tenant: 'acme' })).toBe(false)
  expect(ledger.check(req, 'invoice:read', { tenant: 'globex' })).toBe(false)
  expect(ledger.permit('invoice:refund').guard(req)).toMatchObject({ type: 'reply', reply: { status: 403 } })
  expect(ledger.check(req, 'invoice:read', { tenant: 'acme' })).toBe(true)
})

describe('a model without bits agrees', () => {
  // xorshift: the same cases in every run
  let seed = 0x2f6e2b1
  const random = (below: number): number => {
    seed ^= seed << 13
    seed ^= seed >>> 17
    seed ^= seed << 5
    return (seed >>> 0) % below
  }
  const pick = <T>(list: readonly T[], chance: number): T[] => list.filter(() => random(100) < chance)

  test('on 300 random definitions of up to 80 permissions and 12 roles', () => {
    for (let round = 0; round < 300; round++) {
      const actions = Array.from({ length: 1 + random(20) }, (_, at) => `a${at}`)
      const resources = Object.fromEntries(Array.from({ length: 1 + random(4) }, (_, at) => [`r${at}`, actions]))
      const permissions = Object.keys(resources).flatMap((resource) => actions.map((action) => `${resource}:${action}`))
      const patterns = [...permissions, ...Object.keys(resources).map((resource) => `${resource}:*`)]
      const names = Array.from({ length: 1 + random(12) }, (_, at) => `role${at}`)
      const roles = Object.fromEntries(
        names.map((name, at) => [
          name,
          { inherits: pick(names.slice(0, at), 30), allow: pick(patterns, 10), deny: pick(patterns, 2) },
        ]),
      )
      const clients = { allow: pick(patterns, 20) }
      const access = define({ resources, roles, clients })

      const matches = (list: readonly string[], permission: string) =>
        list.some((pattern) => pattern === permission || pattern === `${permission.split(':')[0]}:*`)
      const family = (name: string): string[] => [name, ...(roles[name]?.inherits ?? []).flatMap(family)]
      const kind = random(4) === 0 ? 'client' : 'user'
      const held = pick(names, 30)
      const scopes = random(2) === 0 ? pick(permissions, 50) : undefined
      const principal = user([...held, 'nobody'], { kind, ...(scopes ? { scopes } : {}) })
      for (const permission of permissions) {
        const lists = held.flatMap(family).map((name) => roles[name])
        const byRole =
          lists.some((role) => matches(role?.allow ?? [], permission)) &&
          !lists.some((role) => matches(role?.deny ?? [], permission))
        const expected =
          kind === 'client'
            ? matches(clients.allow, permission) && (scopes?.includes(permission) ?? false)
            : byRole && (scopes?.includes(permission) ?? true)
        const answers = [
          access.canSome(principal, permission),
          access.can(principal, permission, { tenant: 'acme' }),
          access.bind(principal).allows(access.permission(permission)),
        ]
        expect(answers, `${round} ${permission}`).toEqual([expected, expected, expected])
      }
    }
  })
})
