import type { Principal } from '@portcullis/core'
import { afterEach, describe, expect, test } from 'vitest'
import { type Access, type AccessErrorCode, type Condition, defineAccess, type RoleDefinitions, type Rule } from '../src/index.ts'
import { clock, user } from './ledger.ts'
import { request } from './request.ts'

const resources = { invoice: ['read', 'update', 'refund'], note: ['read'] } as const
const fields = {
  invoice: { createdBy: 'string', status: 'string', amount: 'number', paid: 'boolean', due: 'number', day: 'string' },
  note: { createdBy: 'string', amount: 'string' },
} as const

/** An access in which `clerk` may read invoices on a condition. */
function when(condition: unknown): Access {
  return withRoles({ clerk: { allow: [{ permission: 'invoice:read', when: condition as Condition }] } })
}

function withRoles(roles: object): Access {
  const attributes = {
    limit: ({ subject }: Principal) => (subject === 'u1' ? 1000 : undefined),
    projects: () => ['p1', 'p2'],
    address: (_: Principal, req: { client: { ip: string | undefined } } | undefined) => req?.client.ip,
  }
  const access = defineAccess({ resources, fields, attributes, clock, roles: {} })
  return access.withRoles(roles as RoleDefinitions) as Access
}

const clerk = user(['clerk'])

function may(access: Access, record: object, principal: Principal = clerk): boolean {
  const invoice = { tenant: 'acme', ...record }
  const answer = access.can(principal, 'invoice:read', invoice)
  expect(access.decide(principal, 'invoice:read', invoice).allowed, 'decide').toBe(answer)
  expect(access.bind(principal).can('invoice:read', invoice), 'bind').toBe(answer)
  expect(access.filter(principal, 'invoice:read').matches(invoice), 'filter').toBe(answer)
  return answer
}

describe('v5.0.0-8.2.2: a condition on a record', () => {
  const now = clock.time
  test.each<[string, unknown, object, boolean]>([
    ['the owner', { owner: 'createdBy' }, { createdBy: 'u1' }, true],
    ['another’s', { owner: 'createdBy' }, { createdBy: 'u2' }, false],
    ['nobody’s', { owner: 'createdBy' }, { createdBy: null }, false],
    ['an owner that prints like the caller', { owner: 'createdBy' }, { createdBy: ['u1'] }, false],
    ['equal', { field: 'status', eq: 'draft' }, { status: 'draft' }, true],
    ['another letter case', { field: 'status', eq: 'draft' }, { status: 'Draft' }, false],
    ['unequal', { field: 'status', ne: 'draft' }, { status: 'sent' }, true],
    ['unequal to what is missing', { field: 'status', ne: 'draft' }, {}, false],
    ['not equal to what is missing', { not: { field: 'status', eq: 'draft' } }, {}, false],
    ['one of', { field: 'status', in: ['draft', 'sent'] }, { status: 'sent' }, true],
    ['none of', { not: { field: 'status', in: ['draft', 'sent'] } }, { status: 'void' }, true],
    ['none of nothing, though it is missing', { not: { field: 'status', in: [] } }, {}, true],
    ['below', { field: 'amount', lt: 10 }, { amount: 9 }, true],
    ['not below', { field: 'amount', lt: 10 }, { amount: 10 }, false],
    ['at most', { field: 'amount', lte: 10 }, { amount: 10 }, true],
    ['above', { field: 'amount', gt: 10 }, { amount: 10 }, false],
    ['at least', { field: 'amount', gte: 10 }, { amount: 10 }, true],
    ['a number as text', { field: 'amount', lt: 10 }, { amount: '9' }, false],
    ['not a number', { field: 'amount', ne: 10 }, { amount: Number.NaN }, false],
    ['text by code point, not by half of a pair', { field: 'status', gt: '\uffff' }, { status: '😀' }, true],
    ['a longer text', { field: 'status', gt: 'ab' }, { status: 'abc' }, true],
    ['true', { field: 'paid', eq: true }, { paid: true }, true],
    ['1, which is not true', { field: 'paid', eq: true }, { paid: 1 }, false],
    ['there', { field: 'paid', exists: true }, { paid: false }, true],
    ['not there', { field: 'paid', exists: false }, { paid: null }, true],
    ['all', { all: [{ owner: 'createdBy' }, { field: 'amount', lt: 10 }] }, { createdBy: 'u1', amount: 9 }, true],
    ['not all', { all: [{ owner: 'createdBy' }, { field: 'amount', lt: 10 }] }, { createdBy: 'u1', amount: 10 }, false],
    ['any, though another is unknown', { any: [{ field: 'amount', lt: 1 }, { owner: 'createdBy' }] }, { createdBy: 'u1' }, true],
    ['none', { any: [{ field: 'amount', lt: 1 }, { owner: 'createdBy' }] }, { amount: 1, createdBy: 'u2' }, false],
    ['an attribute of ours', { field: 'amount', lte: { principal: 'limit' } }, { amount: 1000 }, true],
    ['an attribute that is a list', { field: 'status', in: { principal: 'projects' } }, { status: 'p2' }, true],
    ['a list where a value is needed', { field: 'status', eq: { principal: 'projects' } }, { status: 'p2' }, false],
    ['a value where a list is needed', { field: 'status', in: { principal: 'subject' } }, { status: 'u' }, false],
    ['roles of the caller', { field: 'status', in: { principal: 'roles' } }, { status: 'clerk' }, true],
    ['now, in milliseconds', { field: 'due', lt: { now: 'milliseconds' } }, { due: now - 1 }, true],
    ['now, in seconds', { field: 'due', lte: { now: 'seconds' } }, { due: now / 1000 }, true],
    ['now, as text', { field: 'day', gt: { now: 'rfc3339' } }, { day: '2026-01-01T00:00:00.000Z' }, false],
    ['a class with a getter', { owner: 'createdBy' }, Object.create({ createdBy: 'u1', tenant: 'acme' }), false],
  ])('%s', (_name, condition, record, expected) => {
    expect(may(when(condition), record)).toBe(expected)
  })

  test('a getter of a class is read, as ORMs have them', () => {
    class Row {
      get tenant() {
        return 'acme'
      }
      get createdBy() {
        return 'u1'
      }
    }
    expect(when({ owner: 'createdBy' }).can(clerk, 'invoice:read', new Row())).toBe(true)
  })

  test('v5.0.0-8.2.4: the address of the request decides, where there is a request', () => {
    const access = when({ field: 'status', eq: { principal: 'address' } })
    const record = { tenant: 'acme', status: '203.0.113.7' }
    expect(access.check(request(clerk), 'invoice:read', record)).toBe(true)
    expect(access.check(request(clerk), 'invoice:read', { ...record, status: '203.0.113.8' })).toBe(false)
    expect(access.can(clerk, 'invoice:read', record)).toBe(false)
  })

  test('an attribute that the caller does not have meets nothing, and neither does its negation', () => {
    const other = user(['clerk'], { subject: 'u2' })
    expect(may(when({ field: 'amount', lte: { principal: 'limit' } }), { amount: 1 }, other)).toBe(false)
    expect(may(when({ not: { field: 'amount', lte: { principal: 'limit' } } }), { amount: 1 }, other)).toBe(false)
  })

  test('several rules: one is enough, of whatever role', () => {
    const access = withRoles({
      clerk: { allow: [{ permission: 'invoice:*', when: { owner: 'createdBy' } }] },
      lead: { allow: [{ permission: ['invoice:read', 'invoice:update'], when: { field: 'amount', lt: 10 } }] },
    })
    const both = user(['clerk', 'lead'])
    expect(may(access, { createdBy: 'u1', amount: 100 }, both)).toBe(true)
    expect(may(access, { createdBy: 'u2', amount: 1 }, both)).toBe(true)
    expect(may(access, { createdBy: 'u2', amount: 100 }, both)).toBe(false)
    expect(access.can(both, 'invoice:refund', { tenant: 'acme', createdBy: 'u2', amount: 1 })).toBe(false)
  })
})

describe('a condition as a function', () => {
  const access = (test: (principal: Principal, record: Readonly<Record<string, unknown>>) => unknown) => when(test)
  test('decides, and only by true', () => {
    const own = access((principal, record) => record['createdBy'] === principal.subject)
    expect(own.can(clerk, 'invoice:read', { tenant: 'acme', createdBy: 'u1' })).toBe(true)
    expect(own.can(clerk, 'invoice:read', { tenant: 'acme', createdBy: 'u2' })).toBe(false)
    for (const answer of [1, 'yes', {}, Promise.resolve(true), undefined]) {
      expect(access(() => answer).can(clerk, 'invoice:read', { tenant: 'acme' })).toBe(false)
    }
  })

  test('is not asked about another tenant’s record', () => {
    const asked: unknown[] = []
    const curious = access((_, record) => asked.push(record) > 0)
    expect(curious.can(clerk, 'invoice:read', { tenant: 'globex' })).toBe(false)
    expect(curious.decide(clerk, 'invoice:read', { tenant: 'globex' }).allowed).toBe(false)
    expect(asked).toEqual([])
  })

  test('that denies does so unless it says false', () => {
    const denying = (answer: unknown) =>
      withRoles({ clerk: { allow: ['invoice:read'], deny: [{ permission: 'invoice:read', when: () => answer }] } })
    expect(denying(false).can(clerk, 'invoice:read', { tenant: 'acme' })).toBe(true)
    for (const answer of [true, undefined, 0, Promise.resolve(false)]) {
      expect(denying(answer).can(clerk, 'invoice:read', { tenant: 'acme' })).toBe(false)
    }
  })
})

describe('a rule that denies on a condition', () => {
  const access = withRoles({
    clerk: { allow: ['invoice:read'] },
    outsider: { deny: [{ permission: 'invoice:*', when: { not: { field: 'amount', lt: 10 } } }] },
    boss: { crossTenant: true, allow: ['*'] },
  })
  test.each<[string, readonly string[], object, boolean]>([
    ['does not where it is false', ['clerk', 'outsider'], { amount: 9 }, true],
    ['does where it is true', ['clerk', 'outsider'], { amount: 10 }, false],
    ['does where it is unknown', ['clerk', 'outsider'], {}, false],
    ['wins in any order', ['outsider', 'clerk'], { amount: 10 }, false],
    ['wins over a role that reaches every tenant', ['boss', 'outsider'], { tenant: 'globex', amount: 10 }, false],
    ['counts in every tenant', ['boss', 'outsider'], { tenant: 'globex', amount: 9 }, true],
  ])('%s', (_name, roles, record, expected) => {
    expect(may(access, record, user(roles))).toBe(expected)
  })

  test('leaves "may some" true', () => {
    expect(access.canSome(user(['clerk', 'outsider']), 'invoice:read')).toBe(true)
    expect(access.decideSome(user(['clerk', 'outsider']), 'invoice:read').reason.code).toBe('rbac.role_grants_on_condition')
  })
})

describe('v5.0.0-8.4.1: roles are held in the principal’s tenant', () => {
  const access = withRoles({
    clerk: { allow: ['invoice:read'] },
    support: { crossTenant: true, inherits: ['clerk'], allow: [{ permission: 'invoice:update', when: { owner: 'createdBy' } }] },
  })
  test('unless a role says that it reaches every tenant, and the explanation says so', () => {
    expect(may(access, { tenant: 'globex' })).toBe(false)
    expect(may(access, { tenant: 'globex' }, user(['support']))).toBe(true)
    const { reason } = access.decide(user(['support']), 'invoice:read', { tenant: 'globex' })
    expect(reason.message).toBe('support → clerk grants invoice:read, in every tenant')
    expect(reason.rule).toEqual({ path: ['support', 'clerk'], pattern: 'invoice:read', crossTenant: true })
  })

  test('a record that names no tenant is out of reach all the same', () => {
    for (const tenant of [undefined, null, '', 7]) expect(may(access, { tenant }, user(['support']))).toBe(false)
  })

  test('its conditions count in every tenant', () => {
    const support = user(['support'])
    expect(access.can(support, 'invoice:update', { tenant: 'globex', createdBy: 'u1' })).toBe(true)
    expect(access.can(support, 'invoice:update', { tenant: 'globex', createdBy: 'u2' })).toBe(false)
  })

  test('a role that inherits one has to say it, too', () => {
    const define = () => withRoles({ a: { crossTenant: true }, b: { inherits: ['a'] } })
    expect(define).toThrow(expect.objectContaining({ code: 'rbac.cross_tenant_implicit', names: ['b', 'a'] }))
  })

  test('what it reaches is not lent to another role that is held', () => {
    const both = withRoles({ clerk: { allow: ['invoice:update'] }, support: { crossTenant: true, allow: ['invoice:read'] } })
    const principal = user(['clerk', 'support'])
    expect(both.can(principal, 'invoice:update', { tenant: 'globex' })).toBe(false)
    expect(both.can(principal, 'invoice:read', { tenant: 'globex' })).toBe(true)
  })
})

describe('time', () => {
  afterEach(() => {
    clock.time = 1_800_000_000_000
  })
  const access = withRoles({
    clerk: { allow: [{ permission: 'invoice:read', from: '2027-01-15T08:00:00Z', until: '2027-01-15T10:00:00+01:00' }] },
    audit: { allow: ['invoice:read'], deny: [{ permission: 'invoice:read', from: '2027-01-15T08:00:00Z' }] },
  })
  const begin = Date.parse('2027-01-15T08:00:00Z')
  test.each<[string, number, string, boolean]>([
    ['before', begin - 1, 'clerk', false],
    ['from that moment', begin, 'clerk', true],
    ['until that moment', begin + 3_599_999, 'clerk', true],
    ['after it', begin + 3_600_000, 'clerk', false],
    ['before a denial begins', begin - 1, 'audit', true],
    ['when a denial begins', begin, 'audit', false],
  ])('a rule holds in its time: %s', (_name, time, role, expected) => {
    clock.time = time
    const principal = user([role])
    expect(may(access, {}, principal)).toBe(expected)
    expect(access.canSome(principal, 'invoice:read')).toBe(expected)
    expect(access.decideSome(principal, 'invoice:read').allowed).toBe(expected)
    expect(access.bind(principal).allows(access.permission('invoice:read'))).toBe(expected)
    expect(access.permit('invoice:read').guard(request(principal))).toMatchObject({ type: expected ? 'continue' : 'reply' })
  })

  test('the reason names the time', () => {
    clock.time = begin - 1
    expect(access.decideSome(clerk, 'invoice:read').reason).toMatchObject({ code: 'rbac.outside_time', failed: 'time' })
    expect(access.decide(clerk, 'invoice:read', { tenant: 'acme' }).reason.code).toBe('rbac.outside_time')
  })

  test('a scope still narrows it', () => {
    clock.time = begin
    const limited = user(['clerk'], { scopes: ['note:read'] })
    expect(access.canSome(limited, 'invoice:read')).toBe(false)
    expect(access.decideSome(limited, 'invoice:read').reason.code).toBe('rbac.scope_missing')
  })
})

describe('what is written wrong is refused, with its place', () => {
  const rule = (more: object) => ({ clerk: { allow: [{ permission: 'invoice:read', ...more }] } })
  const deep = (depth: number): object => (depth === 0 ? { owner: 'createdBy' } : { not: deep(depth - 1) })
  test.each<[string, object, AccessErrorCode, readonly string[]]>([
    ['every unknown field', rule({ when: { any: [{ owner: 'by' }, { field: 'x', eq: 1 }] } }), 'rbac.field_unknown', ['by', 'x']],
    [
      'a field of another resource',
      { a: { allow: [{ permission: 'note:read', when: { field: 'paid', eq: true } }] } },
      'rbac.field_unknown',
      ['paid'],
    ],
    [
      'a field with two types',
      { a: { allow: [{ permission: '*', when: { field: 'amount', eq: 1 } }] } },
      'rbac.condition_invalid',
      [],
    ],
    ['an unknown attribute', rule({ when: { field: 'status', eq: { principal: 'mail' } } }), 'rbac.attribute_unknown', ['mail']],
    [
      'an attribute of Object',
      rule({ when: { field: 'status', eq: { principal: 'toString' } } }),
      'rbac.attribute_unknown',
      ['toString'],
    ],
    ['a field of Object', rule({ when: { field: 'constructor', exists: true } }), 'rbac.field_unknown', ['constructor']],
    ['an unknown member', rule({ where: {} }), 'rbac.definition_invalid', ['where']],
    ['an unknown comparison', rule({ when: { field: 'status', like: '%' } }), 'rbac.definition_invalid', ['like']],
    ['two comparisons', rule({ when: { field: 'amount', gt: 1, lt: 2 } }), 'rbac.condition_invalid', []],
    ['two kinds', rule({ when: { owner: 'createdBy', all: [] } }), 'rbac.condition_invalid', []],
    ['nothing', rule({ when: {} }), 'rbac.condition_invalid', []],
    ['no object', rule({ when: 'true' }), 'rbac.definition_invalid', []],
    ['a value of another type', rule({ when: { field: 'amount', eq: '1' } }), 'rbac.condition_invalid', []],
    ['null', rule({ when: { field: 'amount', eq: null } }), 'rbac.condition_invalid', []],
    ['an infinite number', rule({ when: { field: 'amount', lt: Number.POSITIVE_INFINITY } }), 'rbac.condition_invalid', []],
    ['U+0000', rule({ when: { field: 'status', eq: 'a\0' } }), 'rbac.condition_invalid', []],
    ['half of a surrogate pair', rule({ when: { field: 'status', eq: '\ud800' } }), 'rbac.condition_invalid', []],
    ['an order of booleans', rule({ when: { field: 'paid', lt: true } }), 'rbac.condition_invalid', []],
    ['an owner that is a number', rule({ when: { owner: 'amount' } }), 'rbac.condition_invalid', []],
    ['now in hours', rule({ when: { field: 'due', lt: { now: 'hours' } } }), 'rbac.condition_invalid', []],
    ['now in another type', rule({ when: { field: 'due', lt: { now: 'rfc3339' } } }), 'rbac.condition_invalid', []],
    ['a condition too deep', rule({ when: deep(40) }), 'rbac.condition_invalid', []],
    [
      'a condition too large',
      rule({ when: { any: Array.from({ length: 300 }, () => ({ owner: 'createdBy' })) } }),
      'rbac.condition_invalid',
      [],
    ],
    ['a function inside data', rule({ when: { not: () => true } }), 'rbac.definition_invalid', []],
    ['a time without offset', rule({ from: '2027-01-15T08:00:00' }), 'rbac.definition_invalid', []],
    ['a day that does not exist', rule({ from: '2027-02-30T08:00:00Z' }), 'rbac.definition_invalid', []],
    [
      'a time that ends before it begins',
      rule({ from: '2027-01-02T00:00:00Z', until: '2027-01-01T00:00:00Z' }),
      'rbac.definition_invalid',
      [],
    ],
    ['no permission', { a: { allow: [{ when: { owner: 'createdBy' } }] } }, 'rbac.definition_invalid', []],
    [
      'an unknown permission',
      { a: { allow: [{ permission: ['invoice:reed'], when: { owner: 'zz' } }] } },
      'rbac.permission_unknown',
      ['invoice:reed'],
    ],
    ['crossTenant that is no boolean', { a: { crossTenant: 'yes' } }, 'rbac.definition_invalid', []],
    ['a tenant that may be written', rule({ writable: ['tenant'] }), 'rbac.field_unknown', ['tenant']],
    ['fields that are none', rule({ readable: ['status', 'nope'] }), 'rbac.field_unknown', ['nope']],
  ])('%s', (_name, roles, code, names) => {
    expect(() => withRoles(roles)).toThrow(expect.objectContaining({ code, names }))
  })

  test('the compiler finds most of it', () => {
    type Written = Rule<typeof resources, typeof fields, 'limit'>
    const right: Written[] = [
      'invoice:read',
      {
        permission: ['invoice:read', 'invoice:update'],
        when: { field: 'amount', lte: { principal: 'limit' } },
        writable: ['status'],
      },
      { permission: 'note:*', when: { not: { owner: 'createdBy' } }, readable: '*' },
      { permission: 'invoice:read', when: (principal, record) => record['createdBy'] === principal.subject },
    ]
    expect(() => withRoles({ clerk: { allow: right } })).not.toThrow()
    const wrong: Written[] = [
      // @ts-expect-error: no such field
      { permission: 'invoice:read', when: { owner: 'by' } },
      // @ts-expect-error: a number as text
      { permission: 'invoice:read', when: { field: 'amount', eq: 'x' } },
      // @ts-expect-error: a field of another resource
      { permission: 'note:read', when: { field: 'paid', eq: true } },
      // @ts-expect-error: no such attribute
      { permission: 'invoice:read', when: { field: 'status', eq: { principal: 'x' } } },
      // @ts-expect-error: an order of booleans
      { permission: 'invoice:read', when: { field: 'paid', lt: true } },
      // @ts-expect-error: no such field to write
      { permission: 'invoice:update', writable: ['nope'] },
      // @ts-expect-error: no such permission
      { permission: 'invoice:updat', writable: ['status'] },
    ]
    for (const rule of wrong) expect(() => withRoles({ clerk: { allow: [rule] } }), JSON.stringify(rule)).toThrow()
    // @ts-expect-error: fields of what is no resource
    expect(() => defineAccess({ resources, fields: { bill: { a: 'string' } }, roles: {} })).toThrow()
  })
})

describe('CASL CVE-2026-1774: prototype pollution, by rules that are stored and by records', () => {
  afterEach(() => {
    for (const name of ['owner', 'when', 'eq', 'field', 'tenant', 'createdBy', 'crossTenant', 'readable']) {
      Reflect.deleteProperty(Object.prototype, name)
    }
  })
  test.each([
    '{"clerk":{"allow":[{"permission":"invoice:read","when":{"__proto__":{"any":[]}}}]}}',
    '{"clerk":{"allow":[{"permission":"invoice:read","when":{"field":"__proto__","exists":true}}]}}',
    '{"clerk":{"allow":[{"permission":"invoice:read","when":{"field":"status","eq":{"__proto__":{"principal":"subject"}}}}]}}',
    '{"clerk":{"allow":[{"permission":"invoice:read","__proto__":{"until":"2099-01-01T00:00:00Z"}}]}}',
    '{"clerk":{"allow":[{"permission":"invoice:update","writable":["__proto__"]}]}}',
  ])('%s is refused', (text) => {
    expect(() => withRoles(JSON.parse(text))).toThrow(expect.objectContaining({ code: expect.stringMatching(/^rbac\./) }))
    expect(Object.keys(Object.prototype)).toEqual([])
  })

  test('a polluted Object.prototype gives no record an owner or a tenant, and no rule a condition less', () => {
    const access = when({ owner: 'createdBy' })
    const plain = withRoles({ clerk: { allow: ['invoice:read'] } })
    Object.assign(Object.prototype, { tenant: 'acme', createdBy: 'u1', crossTenant: true, readable: '*' })
    expect(access.can(clerk, 'invoice:read', { tenant: 'acme' })).toBe(false)
    expect(access.filter(clerk, 'invoice:read').matches({ tenant: 'acme' })).toBe(false)
    expect(plain.can(clerk, 'invoice:read', {})).toBe(false)
    const late = withRoles({ clerk: { allow: [{ permission: 'invoice:read' }] } })
    expect(late.can(clerk, 'invoice:read', { tenant: 'globex' })).toBe(false)
    expect(late.fields(clerk, 'invoice:read', { tenant: 'acme' }).readable).toEqual([])
  })
})

test('v5.0.0-8.3.3: the person behind an exchanged token decides, not the program that acts; both only narrow', () => {
  const access = withRoles({
    clerk: { allow: [{ permission: ['invoice:read', 'invoice:update'], when: { owner: 'createdBy' } }] },
  })
  const mine = { tenant: 'acme', createdBy: 'u1' }
  const exchanged = user(['clerk'], { clientId: 'report-service', scopes: ['invoice:read'] })
  expect(access.can(exchanged, 'invoice:read', mine)).toBe(true)
  expect(access.can(exchanged, 'invoice:read', { ...mine, createdBy: 'report-service' })).toBe(false)
  expect(access.decide(exchanged, 'invoice:update', mine).reason).toMatchObject({ code: 'rbac.scope_missing', failed: 'scope' })
  expect(access.can(user([], { clientId: 'report-service', scopes: ['invoice:read'] }), 'invoice:read', mine)).toBe(false)
})

test('a program that acts for itself has conditions, too', () => {
  const access = defineAccess({
    resources,
    fields,
    roles: { clerk: { allow: ['*'] } },
    clients: { allow: [{ permission: 'invoice:read', when: { owner: 'createdBy' } }], deny: ['invoice:refund'] },
  })
  const program: Principal = {
    subject: 'c1',
    kind: 'client',
    tenant: 'acme',
    roles: ['clerk'],
    scopes: ['invoice:read', 'invoice:refund'],
  }
  expect(access.can(program, 'invoice:read', { tenant: 'acme', createdBy: 'c1' })).toBe(true)
  expect(access.can(program, 'invoice:read', { tenant: 'acme', createdBy: 'u1' })).toBe(false)
  expect(access.canSome(program, 'invoice:refund')).toBe(false)
  expect(access.decideSome(program, 'invoice:read').reason.code).toBe('rbac.client_holds_on_condition')
})
