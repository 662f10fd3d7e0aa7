import { describe, expect, expectTypeOf, test } from 'vitest'
import { type AccessReasonCode, defineAccess, type RecordDecision, type SomeDecision } from '../src/index.ts'
import { client, ledger, user } from './ledger.ts'
import { request } from './request.ts'

const acme = { tenant: 'acme' }

describe('v5.0.0-8.2.1: a function is denied unless a role grants it', () => {
  const all = ledger.permissions
  test.each<[string, readonly string[], readonly string[]]>([
    ['nobody', [], []],
    ['an undefined role', ['superadmin'], []],
    ['a viewer', ['viewer'], ['invoice:read']],
    ['an accountant', ['accountant'], ['invoice:read', 'invoice:create', 'invoice:update']],
    ['an owner', ['owner'], all],
    ['two roles together', ['suspended', 'viewer'], ['invoice:read']],
    ['one role named twice', ['viewer', 'viewer'], ['invoice:read']],
  ])('%s', (_name, roles, permissions) => {
    const principal = user(roles)
    const bound = ledger.bind(principal)
    for (const permission of all) {
      const expected = permissions.includes(permission)
      expect(ledger.canSome(principal, permission)).toBe(expected)
      expect(ledger.can(principal, permission, acme)).toBe(expected)
      expect(bound.allows(ledger.permission(permission))).toBe(expected)
      expect(bound.canSome(ledger.permission(permission))).toBe(expected)
    }
  })
})

describe('a denial wins', () => {
  const access = defineAccess({
    resources: { invoice: ['read', 'refund'] },
    roles: {
      careful: { deny: ['invoice:refund'] },
      bold: { allow: ['*'] },
      carefulChild: { inherits: ['careful'], allow: ['invoice:refund'] },
      carefulFirst: { inherits: ['careful', 'bold'] },
      boldFirst: { inherits: ['bold', 'careful'] },
      boldChild: { inherits: ['boldFirst'], allow: ['*'] },
      both: { allow: ['invoice:refund'], deny: ['invoice:refund'] },
    },
  })
  test.each<[string, readonly string[]]>([
    ['over another role, held before it', ['careful', 'bold']],
    ['over another role, held after it', ['bold', 'careful']],
    ['when it is inherited by the role that allows', ['carefulChild']],
    ['when it is inherited first', ['carefulFirst']],
    ['when it is inherited last', ['boldFirst']],
    ['when it is inherited from far', ['boldChild', 'bold']],
    ['in the same role', ['both']],
  ])('%s', (_name, roles) => {
    const decision = access.decideSome(user(roles), 'invoice:refund')
    expect(decision.allowed).toBe(false)
    expect(decision.reason.code).toBe('rbac.denied_by_role')
  })
})

describe('every decision says why', () => {
  test.each<[string, SomeDecision | RecordDecision, AccessReasonCode, string]>([
    [
      'the way to the role',
      ledger.decideSome(user(['owner']), 'invoice:read'),
      'rbac.role_grants_permission',
      'owner → accountant → viewer grants invoice:read',
    ],
    [
      'the shortest of them',
      ledger.decideSome(user(['owner', 'accountant']), 'invoice:read'),
      'rbac.role_grants_permission',
      'accountant → viewer grants invoice:read',
    ],
    [
      'the roles that lack it',
      ledger.decideSome(user(['accountant']), 'audit:read'),
      'rbac.role_lacks_permission',
      'no role grants audit:read: the caller holds accountant',
    ],
    [
      'that there are none',
      ledger.decideSome(user([]), 'audit:read'),
      'rbac.role_lacks_permission',
      'no role grants audit:read: the caller holds none',
    ],
    [
      'which are not defined',
      ledger.decideSome(user(['viewer', 'a\nb']), 'audit:read'),
      'rbac.role_lacks_permission',
      'no role grants audit:read: the caller holds viewer; not defined: "a\\nb"',
    ],
    [
      'the role that denies',
      ledger.decideSome(user(['owner', 'suspended']), 'invoice:refund'),
      'rbac.denied_by_role',
      'suspended denies invoice:refund',
    ],
    [
      'the scope that is missing',
      ledger.decideSome(user(['owner'], { scopes: ['invoice:read'] }), 'audit:read'),
      'rbac.scope_missing',
      'the credential lacks scope audit:read, which audit:read needs',
    ],
    [
      'the role first, where both are missing',
      ledger.decideSome(user(['viewer'], { scopes: [] }), 'audit:read'),
      'rbac.role_lacks_permission',
      'no role grants audit:read: the caller holds viewer',
    ],
    [
      'the tenants',
      ledger.decide(user(['owner']), 'invoice:read', { tenant: 'globex' }),
      'rbac.tenant_mismatch',
      'the record is of tenant "globex", the caller acts in "acme"',
    ],
    [
      'that clients may',
      ledger.decideSome(client(['invoice:read']), 'invoice:read'),
      'rbac.client_holds_permission',
      'clients may hold invoice:read',
    ],
    [
      'that clients may not',
      ledger.decideSome(client(['audit:read']), 'audit:read'),
      'rbac.client_lacks_permission',
      'clients may not hold audit:read',
    ],
  ])('%s', (_name, decision, code, message) => {
    expect(decision.reason.code).toBe(code)
    expect(decision.reason.message).toBe(message)
    expect(decision.allowed).toBe(code === 'rbac.role_grants_permission' || code === 'rbac.client_holds_permission')
  })

  test('an undefined role is named also when the same was asked before without it', () => {
    const before = ledger.decideSome(user(['viewer']), 'invoice:refund')
    const after = ledger.decideSome(user(['viewer', 'superadmin']), 'invoice:refund')
    expect(before.reason.message).toBe('no role grants invoice:refund: the caller holds viewer')
    expect(after.reason.message).toBe(`${before.reason.message}; not defined: "superadmin"`)
  })

  test('a rule is data, and names the wildcard that it is written with', () => {
    const access = defineAccess({ resources: { a: ['b'] }, roles: { low: { allow: ['a:*'] }, high: { inherits: ['low'] } } })
    const { reason } = access.decideSome(user(['high']), 'a:b')
    expect(reason.rule).toEqual({ path: ['high', 'low'], pattern: 'a:*' })
    expect(reason.message).toBe('high → low grants a:b by a:*')
    expect(JSON.parse(JSON.stringify(reason))).toEqual({
      code: 'rbac.role_grants_permission',
      rule: { path: ['high', 'low'], pattern: 'a:*' },
      message: 'high → low grants a:b by a:*',
    })
  })
})

describe('what a caller can do is role and scope', () => {
  test.each<[string, readonly string[] | undefined, boolean]>([
    ['no limit', undefined, true],
    ['the scope', ['openid', 'invoice:refund'], true],
    ['another scope', ['invoice:read'], false],
    ['no scope at all', [], false],
    ['a wildcard, which is no scope', ['*', 'invoice:*'], false],
    ['another letter case', ['Invoice:Refund'], false],
  ])('%s', (_name, scopes, allowed) => {
    expect(ledger.canSome(user(['owner'], scopes ? { scopes } : {}), 'invoice:refund')).toBe(allowed)
  })

  test('a scope never gives what the role does not', () => {
    expect(ledger.canSome(user(['viewer'], { scopes: ['invoice:refund'] }), 'invoice:refund')).toBe(false)
  })

  test('several permissions can share a scope', () => {
    const access = defineAccess({
      resources: { invoice: ['read', 'create'], audit: ['read'] },
      roles: { owner: { allow: ['*'] } },
      scopeOf: (permission) => (permission === 'audit:read' ? 'admin' : 'invoices'),
    })
    const bound = access.bind(user(['owner'], { scopes: ['invoices'] }))
    expect(access.permissions.filter((permission) => bound.canSome(permission))).toEqual(['invoice:read', 'invoice:create'])
    expect(bound.decideSome('audit:read').reason.message).toBe('the credential lacks scope admin, which audit:read needs')
  })
})

describe('a program acting for itself', () => {
  test.each<[string, readonly string[] | undefined, AccessReasonCode]>([
    ['may what clients may hold and its scopes say', ['invoice:read'], 'rbac.client_holds_permission'],
    ['may nothing without the scope', ['openid'], 'rbac.scope_missing'],
    ['may nothing without scopes: it has no other grant', undefined, 'rbac.scope_missing'],
  ])('%s', (_name, scopes, code) => {
    expect(ledger.decideSome(client(scopes), 'invoice:read').reason.code).toBe(code)
  })

  test('holds no roles, whatever its token says', () => {
    const decision = ledger.decideSome(client(['audit:read'], { roles: ['owner'] }), 'audit:read')
    expect(decision.reason.code).toBe('rbac.client_lacks_permission')
  })

  test('may hold nothing by default', () => {
    const access = defineAccess({ resources: { a: ['b'] }, roles: { owner: { allow: ['*'] } } })
    expect(access.canSome(client(['a:b']), 'a:b')).toBe(false)
  })

  test('is bound to its tenant', () => {
    expect(ledger.can(client(['invoice:read']), 'invoice:read', acme)).toBe(true)
    expect(ledger.can(client(['invoice:read']), 'invoice:read', { tenant: 'globex' })).toBe(false)
  })

  test('a kind that nobody knows is treated as one, not as a person', () => {
    const robot = { ...user(['owner'], { scopes: ['audit:read', 'invoice:read'] }), kind: 'robot' as 'user' }
    expect(ledger.canSome(robot, 'audit:read')).toBe(false)
    expect(ledger.decideSome(robot, 'invoice:read').reason.code).toBe('rbac.client_holds_permission')
  })
})

describe('v5.0.0-8.4.1: a record of another tenant, or of none, is out of reach', () => {
  const none = { tenant: undefined }
  test.each<[string, string | undefined, unknown, AccessReasonCode]>([
    ['another tenant', 'acme', { tenant: 'globex' }, 'rbac.tenant_mismatch'],
    ['another letter case', 'acme', { tenant: 'Acme' }, 'rbac.tenant_mismatch'],
    ['a record without tenant', 'acme', none, 'rbac.tenant_missing'],
    ['a caller without tenant', undefined, { tenant: 'acme' }, 'rbac.tenant_missing'],
    ['neither has one', undefined, none, 'rbac.tenant_missing'],
    ['both are empty', '', { tenant: '' }, 'rbac.tenant_missing'],
    ['a list that prints like the tenant', 'acme', { tenant: ['acme'] }, 'rbac.tenant_missing'],
    ['a record that was not found', 'acme', undefined, 'rbac.tenant_missing'],
    ['null', 'acme', null, 'rbac.tenant_missing'],
  ])('%s', (_name, tenant, record, code) => {
    const { tenant: _, ...nobody } = user(['owner'])
    const principal = tenant === undefined ? nobody : { ...nobody, tenant }
    const decision = ledger.decide(principal, 'invoice:read', record as typeof acme)
    expect(decision.allowed).toBe(false)
    expect(decision.reason.code).toBe(code)
  })
})

describe('CASL #399, #456, #641, #810, #1019, #1065; Infisical #5991: "may some" taken for "may this one"', () => {
  const principal = user(['owner'])

  test('the answers have different types, and neither passes for the other', () => {
    const some = ledger.decideSome(principal, 'invoice:read')
    const one = ledger.decide(principal, 'invoice:read', acme)
    expectTypeOf(some).toEqualTypeOf<SomeDecision>()
    expectTypeOf(one).toEqualTypeOf<RecordDecision>()
    const send = (decision: RecordDecision): boolean => decision.allowed
    expect(send(one)).toBe(true)
    // @ts-expect-error: an answer about no record does not release one
    send(some)
    expect([some.about, one.about]).toEqual(['some', 'record'])
  })

  test('an answer for an `if` is a boolean, and false when it denies', () => {
    expectTypeOf(ledger.can).returns.toEqualTypeOf<boolean>()
    expectTypeOf(ledger.canSome).returns.toEqualTypeOf<boolean>()
    expectTypeOf(ledger.check).returns.toEqualTypeOf<boolean>()
    const nobody = user([])
    const answers = [
      ledger.can(nobody, 'invoice:read', acme),
      ledger.canSome(nobody, 'invoice:read'),
      ledger.check(request(nobody), 'invoice:read', acme),
      ledger.bind(nobody).can('invoice:read', acme),
      ledger.bind(nobody).canSome('invoice:read'),
      ledger.bind(nobody).allows(ledger.permission('invoice:read')),
      ledger.forRequest(request(nobody)).can('invoice:read', acme),
    ]
    expect(answers).toEqual(answers.map(() => false))
  })

  test('neither question can be asked with the arguments of the other', () => {
    const unexpected = expect.objectContaining({ code: 'rbac.record_unexpected' })
    // @ts-expect-error: a record is not looked at by canSome
    expect(() => ledger.canSome(principal, 'invoice:read', acme)).toThrow(unexpected)
    // @ts-expect-error: nor by decideSome
    expect(() => ledger.decideSome(principal, 'invoice:read', acme)).toThrow(unexpected)
    // @ts-expect-error: nor when the principal is bound
    expect(() => ledger.bind(principal).canSome('invoice:read', acme)).toThrow(unexpected)
    // @ts-expect-error: without a record there is nothing to allow
    expect(ledger.can(principal, 'invoice:read')).toBe(false)
    // @ts-expect-error: something that names no tenant is no record
    expect(ledger.can(principal, 'invoice:read', { id: 1 })).toBe(false)
  })

  test('a role that may on a condition may some, and says so; it may not any', () => {
    const access = defineAccess({
      resources: { invoice: ['read'] },
      fields: { invoice: { createdBy: 'string' } },
      roles: { clerk: { allow: [{ permission: 'invoice:read', when: { owner: 'createdBy' } }] } },
    })
    const clerk = user(['clerk'])
    expect(access.canSome(clerk, 'invoice:read')).toBe(true)
    expect(access.decideSome(clerk, 'invoice:read').reason).toMatchObject({
      code: 'rbac.role_grants_on_condition',
      message: 'clerk grants invoice:read, on a condition',
    })
    expect(access.can(clerk, 'invoice:read', { tenant: 'acme', createdBy: 'u2' })).toBe(false)
    expect(access.can(clerk, 'invoice:read', acme)).toBe(false)
    expect(access.can(clerk, 'invoice:read', { tenant: 'acme', createdBy: 'u1' })).toBe(true)
  })
})

describe('binding', () => {
  test('decisions are frozen, and shared by everybody with the same roles', () => {
    const one = ledger.decideSome(user(['viewer', 'accountant']), 'invoice:read')
    const other = ledger.decideSome(user(['accountant', 'viewer'], { subject: 'u2', tenant: 'globex' }), 'invoice:read')
    expect(other).toBe(one)
    expect(Object.isFrozen(one) && Object.isFrozen(one.reason) && Object.isFrozen(one.reason.rule)).toBe(true)
    const record = ledger.decide(user(['viewer']), 'invoice:read', acme)
    expect(ledger.decide(user(['viewer'], { subject: 'u2' }), 'invoice:read', acme)).toBe(record)
  })

  test('what is bound stays as the principal was', () => {
    const roles = ['owner']
    const bound = ledger.bind(user(roles))
    roles[0] = 'viewer'
    expect(bound.canSome('audit:read')).toBe(true)
    expect(ledger.bind(user(roles)).canSome('audit:read')).toBe(false)
  })

  test('a principal that is changed in place is not answered from before (casbin: still allowed after the policy is gone)', () => {
    const roles = ['owner']
    const scopes = ['audit:read']
    const principal = { ...user(roles, { scopes }) }
    const may = () => ledger.can(principal, 'audit:read', acme)
    expect(may()).toBe(true)
    roles[0] = 'viewer'
    expect(may()).toBe(false)
    roles[0] = 'owner'
    expect(may()).toBe(true)
    scopes.pop()
    expect(may()).toBe(false)
    scopes.push('audit:read')
    principal.tenant = 'globex'
    expect(may()).toBe(false)
    principal.tenant = 'acme'
    principal.kind = 'client'
    expect(may()).toBe(false)
  })

  test('two definitions do not share answers about one principal', () => {
    const strict = defineAccess({ resources: { invoice: ['read'] }, roles: { owner: {} } })
    const principal = user(['owner'])
    expect(ledger.canSome(principal, 'invoice:read')).toBe(true)
    expect(strict.canSome(principal, 'invoice:read')).toBe(false)
  })

  test('role names that run together do not meet in one answer', () => {
    const access = defineAccess({
      resources: { a: ['b'] },
      roles: { x: { allow: ['a:b'] }, y: {}, z: {} },
    })
    expect(access.canSome(user(['x', 'y']), 'a:b')).toBe(true)
    expect(access.canSome(user(['x,y', 'z']), 'a:b')).toBe(false)
    expect(access.canSome(user(['x,y']), 'a:b')).toBe(false)
    expect(access.canSome(user(['0', '1']), 'a:b')).toBe(false)
  })

  test('a thousand combinations of roles are answered right, though not all are kept', () => {
    const roles = Object.fromEntries(Array.from({ length: 12 }, (_, at) => [`r${at}`, { allow: [`a:p${at}`] }]))
    const access = defineAccess({
      resources: { a: Array.from({ length: 12 }, (_, at) => `p${at}`) },
      roles: roles as object as Record<string, { allow: `a:p${number}`[] }>,
    })
    for (let round = 0; round < 2; round++) {
      for (let set = 0; set < 1024; set++) {
        const held = Array.from({ length: 12 }, (_, at) => at).filter((at) => set & (1 << at))
        const bound = access.bind(user(held.map((at) => `r${at}`)))
        for (let at = 0; at < 12; at++) expect(bound.allows(access.permission(`a:p${at}`))).toBe(held.includes(at))
      }
    }
  })
})

test('200 requests at once, of two tenants and three roles, are each answered for themselves', async () => {
  const kinds = (['viewer', 'accountant', 'owner'] as const).flatMap((role) =>
    ['acme', 'globex'].map((tenant) => ({ role, tenant })),
  )
  const answers = await Promise.all(
    Array.from({ length: 200 }, async (_, at) => {
      const { role, tenant } = kinds[at % kinds.length]!
      const principal = user([role], { tenant, subject: `u${at}` })
      await Promise.resolve()
      return [role, tenant, ledger.can(principal, 'invoice:create', acme)] as const
    }),
  )
  for (const [role, tenant, allowed] of answers) expect(allowed).toBe(tenant === 'acme' && role !== 'viewer')
})
