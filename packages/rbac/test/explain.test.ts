import { describe, expect, test } from 'vitest'
import { type AccessDecision, type AccessTerm, defineAccess, explain } from '../src/index.ts'
import { client, clock, user } from './ledger.ts'

const access = defineAccess({
  resources: { invoice: ['read', 'update', 'refund'] },
  fields: { invoice: { createdBy: 'string', amount: 'number', status: 'string' } },
  roles: {
    clerk: {
      allow: [
        {
          permission: 'invoice:update',
          when: {
            all: [
              { owner: 'createdBy' },
              {
                any: [
                  { field: 'amount', lt: 1000 },
                  { field: 'status', eq: 'draft' },
                ],
              },
            ],
          },
        },
        { permission: 'invoice:refund', until: '2020-01-01T00:00:00Z' },
        'invoice:read',
      ],
      deny: [{ permission: 'invoice:update', when: { field: 'status', eq: 'paid' } }],
    },
    head: { inherits: ['clerk'] },
    support: { crossTenant: true, allow: ['invoice:read'] },
    suspended: { deny: ['*'] },
  },
  clients: { allow: ['invoice:read'] },
  clock,
})
const head = user(['head'])
const invoice = { tenant: 'acme', createdBy: 'u1', amount: 10, status: 'sent' }
const update = (record: object) => access.decide(head, 'invoice:update', { ...invoice, ...record })

describe('the explanation names the term that failed', () => {
  test.each<[AccessTerm | undefined, AccessDecision]>([
    [undefined, update({})],
    ['role', access.decide(user([]), 'invoice:read', invoice)],
    ['role', access.decideSome(client(['invoice:update']), 'invoice:update')],
    ['deny', access.decideSome(user(['head', 'suspended']), 'invoice:read')],
    ['deny', update({ status: 'paid' })],
    ['scope', access.decide(user(['head'], { scopes: [] }), 'invoice:read', invoice)],
    ['tenant', access.decide(head, 'invoice:read', { ...invoice, tenant: 'globex' })],
    ['tenant', update({ tenant: 'globex' })],
    ['tenant', access.decide(head, 'invoice:read', { tenant: undefined })],
    ['time', access.decideSome(head, 'invoice:refund')],
    ['condition', update({ createdBy: 'u2' })],
  ])('%s', (failed, decision) => {
    const explanation = explain(decision)
    expect(explanation.failed).toBe(failed)
    expect(explanation.allowed).toBe(failed === undefined)
    const outcomes = explanation.terms
      .slice(0, explanation.terms.length - (decision.considered?.length ?? 0))
      .map(({ outcome }) => outcome)
    expect(outcomes.filter((outcome) => outcome === 'unmet')).toHaveLength(failed === undefined ? 0 : 1)
    expect(explanation.code).toBe(decision.reason.code)
  })
})

describe('explain', () => {
  test('as a tree for people', () => {
    expect(explain(update({ createdBy: 'u2', amount: undefined })).text).toBe(
      `\
refused: invoice:update on this record (rbac.condition_unmet)
  head → clerk grants invoice:update only where createdBy is the caller’s subject and (amount is below 1000 or status is "draft")
  ✓ a role grants it
  ✓ the credential’s scope covers it
  ✓ no rule denies it
  ✓ the rule holds at this time
  ✓ the record is of a tenant in reach
  ✗ the rule’s condition is met
  ✓ head → clerk denies invoice:update: it does not apply
    ✗ status is "paid"
  ✗ head → clerk grants invoice:update: it does not apply
    ✗ createdBy is the caller’s subject and (amount is below 1000 or status is "draft")
      ✗ createdBy is the caller’s subject
      ? amount is below 1000 or status is "draft"
        ? amount is below 1000: the record has no amount
        ✗ status is "draft"`,
    )
  })

  test('of a role that reaches every tenant says so', () => {
    const { text } = explain(access.decide(user(['support']), 'invoice:read', { ...invoice, tenant: 'globex' }))
    expect(text).toContain('support grants invoice:read, in every tenant: it applies')
  })

  test('as JSON, which is all of it', () => {
    const explanation = explain(update({}))
    expect(JSON.parse(JSON.stringify(explanation))).toEqual(explanation)
  })

  test('v5.0.0-16.5.1: the client learns that it may not, and that another scope would do; no rule, no role, no field, no tenant', () => {
    const decisions = [
      update({ createdBy: 'u2' }),
      update({ tenant: 'globex' }),
      update({ status: 'paid' }),
      access.decide(user([]), 'invoice:update', invoice),
    ]
    for (const decision of decisions) {
      expect(explain(decision).client).toEqual({ permission: 'invoice:update', allowed: false })
    }
    expect(explain(access.decideSome(user(['head'], { scopes: [] }), 'invoice:read')).client).toEqual({
      permission: 'invoice:read',
      allowed: false,
      insufficientScope: true,
    })
  })

  test('v5.0.0-16.2.5: never says what is in a record', () => {
    const secrets = { createdBy: 'secret-owner', amount: 424_242, status: 'secret-status' }
    expect(JSON.stringify(explain(update(secrets)))).not.toMatch(/secret-|424242/)
    expect(JSON.stringify(update(secrets))).not.toMatch(/secret-|424242/)
  })

  test.each<[string, object, string]>([
    ['is missing', { amount: null, status: 'x' }, 'the record has no amount'],
    ['is of another type', { amount: '1', status: 'x' }, 'amount of the record is no number'],
  ])('says why a condition can’t be known: a field %s', (_name, record, because) => {
    expect(explain(update(record)).text).toContain(because)
  })
})
