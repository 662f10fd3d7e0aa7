import { describe, expect, expectTypeOf, onTestFinished, test } from 'vitest'
import { defineAccess, recordDecision } from '../src/index.ts'
import { user } from './ledger.ts'
import { request } from './request.ts'

/** Ledger's rule: amount and customer by accountants and owners, status by owners. */
const access = defineAccess({
  resources: { invoice: ['read', 'create', 'update'] },
  fields: {
    invoice: { customer: 'string', amount: 'number', status: 'string', createdBy: 'string', note: 'string', toString: 'string' },
  },
  roles: {
    viewer: { allow: [{ permission: 'invoice:read', readable: ['customer', 'amount', 'status', 'toString'] }] },
    accountant: { inherits: ['viewer'], allow: [{ permission: 'invoice:update', writable: ['amount', 'customer'] }] },
    owner: {
      inherits: ['accountant'],
      allow: [
        { permission: 'invoice:update', writable: ['status'] },
        { permission: 'invoice:read', readable: '*' },
      ],
    },
    author: { allow: [{ permission: 'invoice:update', when: { owner: 'createdBy' }, writable: ['note'] }] },
    frozen: { deny: [{ permission: 'invoice:update', when: { field: 'status', eq: 'paid' }, writable: ['amount'] }] },
    plain: { allow: ['invoice:*'] },
  },
})

const invoice = { tenant: 'acme', customer: 'c', amount: 1, status: 'draft', createdBy: 'u1', note: 'n', secret: 's' }
const pick = (roles: string[], input: object, record: object = {}, unwritable?: 'strip') =>
  access.pick(user(roles), 'invoice:update', { ...invoice, ...record }, input, unwritable && { unwritable })

describe('v5.0.0-8.2.3: fields that may be written', () => {
  test.each<[string, string[], object, object, object | false]>([
    ['an accountant changes the amount', ['accountant'], { amount: 2 }, {}, { amount: 2 }],
    ['and the customer', ['accountant'], { amount: 2, customer: 'd' }, {}, { amount: 2, customer: 'd' }],
    ['but not the status', ['accountant'], { amount: 2, status: 'paid' }, {}, false],
    [
      'an owner changes all three',
      ['owner'],
      { amount: 2, customer: 'd', status: 'paid' },
      {},
      { amount: 2, customer: 'd', status: 'paid' },
    ],
    ['but nothing else', ['owner'], { note: 'x' }, {}, false],
    [
      'a role with a condition adds its field where it is met',
      ['accountant', 'author'],
      { note: 'x', amount: 2 },
      {},
      { note: 'x', amount: 2 },
    ],
    ['and not where it isn’t', ['accountant', 'author'], { note: 'x' }, { createdBy: 'u2' }, false],
    [
      'a denial takes a field, and leaves the others',
      ['accountant', 'frozen'],
      { customer: 'd' },
      { status: 'paid' },
      { customer: 'd' },
    ],
    ['where its condition is met', ['accountant', 'frozen'], { amount: 2 }, { status: 'paid' }, false],
    ['or unknown', ['accountant', 'frozen'], { amount: 2 }, { status: null }, false],
    ['and not elsewhere', ['accountant', 'frozen'], { amount: 2 }, {}, { amount: 2 }],
    ['a permission without fields writes none', ['plain'], { amount: 2 }, {}, false],
    ['who has not the permission writes none', ['viewer'], { amount: 2 }, {}, false],
    ['nor in another tenant', ['owner'], { amount: 2 }, { tenant: 'globex' }, false],
    ['nothing is written where nothing is given', ['accountant'], { status: undefined }, {}, {}],
  ])('%s', (_name, roles, input, record, expected) => {
    const picked = pick(roles, input, record)
    expect(picked.ok).toBe(expected !== false)
    if (picked.ok) expect(picked.value).toStrictEqual(expected)
  })

  test('mass assignment: tenant, owner and what nobody declared are refused by name, whoever writes', () => {
    const picked = pick(['owner'], { amount: 2, tenant: 'globex', createdBy: 'u2', isAdmin: true })
    expect(picked).toMatchObject({
      ok: false,
      fields: ['tenant', 'createdBy', 'isAdmin'],
      reason: { code: 'rbac.field_unwritable', failed: 'field' },
    })
  })

  test('tenant can’t be made writable, also where it is declared, and * does not mean it', () => {
    const define = (writable: '*' | readonly ['tenant'] | readonly ['amount']) =>
      defineAccess({
        resources: { invoice: ['update'] },
        fields: { invoice: { tenant: 'string', amount: 'number' } },
        roles: { owner: { allow: [{ permission: 'invoice:update', writable }] } },
      })
    expect(() => define(['tenant'])).toThrow(expect.objectContaining({ code: 'rbac.field_unknown', names: ['tenant'] }))
    expect(define('*').fields(user(['owner']), 'invoice:update', invoice).writable).toEqual(['amount'])
  })

  test('or stripped, and named', () => {
    expect(pick(['owner'], { amount: 2, tenant: 'globex', isAdmin: true }, {}, 'strip')).toEqual({
      ok: true,
      value: { amount: 2 },
      stripped: ['tenant', 'isAdmin'],
    })
    expect(pick(['viewer'], { amount: 2 }, {}, 'strip')).toMatchObject({
      ok: false,
      reason: { code: 'rbac.role_lacks_permission' },
    })
  })

  test('prototype pollution: __proto__ and what an input inherits are not written', () => {
    const input = JSON.parse('{"amount":2,"__proto__":{"status":"paid"},"constructor":1}')
    expect(pick(['owner'], input)).toMatchObject({ ok: false, fields: ['__proto__', 'constructor'] })
    const stripped = pick(['owner'], input, {}, 'strip')
    expect(stripped).toEqual({ ok: true, value: { amount: 2 }, stripped: ['__proto__', 'constructor'] })
    expect(stripped.ok && Object.getPrototypeOf(stripped.value)).toBe(Object.prototype)
    expect(pick(['owner'], Object.create({ status: 'paid' }))).toEqual({ ok: true, value: {}, stripped: [] })
    expect(pick(['owner'], ['x']).ok).toBe(false)
    expect(pick(['owner'], null as unknown as object).ok).toBe(false)
  })

  test('an input that answers differently each time is read once', () => {
    let reads = 0
    const input = {
      get amount() {
        return ++reads
      },
    }
    expect(pick(['owner'], input)).toMatchObject({ value: { amount: 1 } })
    expect(reads).toBe(1)
  })

  test('what is picked has the types of the input', () => {
    const picked = access.pick(user(['owner']), 'invoice:update', invoice, { amount: 1, status: 'x' as const })
    if (picked.ok) expectTypeOf(picked.value).toEqualTypeOf<{ readonly amount?: number; readonly status?: 'x' }>()
    expect(picked.ok).toBe(true)
  })
})

describe('v5.0.0-8.2.3: fields that may be read', () => {
  test.each<[string, string[], object | false]>([
    ['a viewer sees what is listed', ['viewer'], { customer: 'c', amount: 1, status: 'draft' }],
    ['an owner sees what is declared', ['owner'], { customer: 'c', amount: 1, status: 'draft', createdBy: 'u1', note: 'n' }],
    ['a permission without fields shows none', ['plain'], {}],
    ['nobody sees nothing', [], false],
  ])('%s', (_name, roles, expected) => {
    const projected = access.project(user(roles), 'invoice:read', invoice)
    expect(projected.ok).toBe(expected !== false)
    if (projected.ok) expect(projected.value).toStrictEqual(expected)
  })

  test('another tenant’s record shows nothing', () => {
    expect(access.project(user(['owner']), 'invoice:read', { ...invoice, tenant: 'globex' })).toMatchObject({
      ok: false,
      reason: { code: 'rbac.tenant_mismatch' },
    })
  })

  test('both lists, for a form', () => {
    expect(access.fields(user(['accountant']), 'invoice:update', invoice)).toEqual({
      readable: [],
      writable: ['amount', 'customer'],
    })
    expect(access.fields(user(['accountant']), 'invoice:update', { tenant: 'globex' })).toEqual({ readable: [], writable: [] })
  })
})

test('what is picked for a request is published, with what was refused', () => {
  const events: unknown[] = []
  onTestFinished(recordDecision.subscribe((event) => events.push(event.data)))
  const asked = access.forRequest(request(user(['accountant'])))
  expect(asked.pick('invoice:update', invoice, { amount: 2 }).ok).toBe(true)
  expect(asked.pick('invoice:update', invoice, { status: 'paid' }).ok).toBe(false)
  expect(asked.project('invoice:read', invoice).ok).toBe(true)
  expect(events).toMatchObject([
    { permission: 'invoice:update', allowed: true },
    { permission: 'invoice:update', allowed: false, reason: { code: 'rbac.field_unwritable' } },
    { permission: 'invoice:read', allowed: true },
  ])
})
