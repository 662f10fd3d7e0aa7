import { describe, expect, it, test } from 'vitest'
import {
  describePolicies,
  formatUncovered,
  type PolicyRow,
  type PolicyTestRunner,
  policyTests,
  type Uncovered,
} from '../src/testing.ts'
import { access } from './policy-kit.ts'

const grace = { roles: ['accountant'], tenant: 'acme' }

/** All of them. */
const rows = [
  { who: 'viewer', what: 'invoice:read', expected: 'allow', why: 'that is what viewers are for' },
  {
    who: 'viewer',
    what: ['invoice:create', 'invoice:update', 'invoice:refund', 'audit:read'],
    expected: 'deny',
    why: 'viewers look on',
  },
  {
    who: 'accountant',
    what: ['invoice:read', 'invoice:create', 'invoice:update'],
    expected: 'allow',
    why: 'they keep the books',
  },
  {
    who: 'accountant',
    what: ['invoice:refund', 'audit:read'],
    expected: 'deny',
    why: 'only owners give money back',
    because: 'rbac.role_lacks_permission',
  },
  {
    who: 'owner',
    what: ['invoice:read', 'invoice:create', 'invoice:update', 'invoice:refund', 'audit:read'],
    expected: 'allow',
    why: 'it is theirs',
  },
  { who: 'suspended', what: ['invoice:read', 'audit:read'], expected: 'deny', why: 'it grants nothing' },
  {
    who: ['owner', 'suspended'],
    what: ['invoice:create', 'invoice:update', 'invoice:refund'],
    expected: 'deny',
    why: 'a denial wins',
  },
  { who: 'grace', what: 'invoice:read', which: 'ours', expected: 'allow', why: 'of her tenant' },
  {
    who: 'grace',
    what: 'invoice:read',
    which: 'theirs',
    expected: 'deny',
    why: "another tenant's",
    because: 'rbac.tenant_mismatch',
  },
  { who: { roles: ['owner'], scopes: ['invoice:read'] }, what: 'audit:read', expected: 'deny', why: 'the token is limited' },
  { who: [], what: 'invoice:read', which: { tenant: 'acme' }, expected: 'deny', why: 'nobody in particular' },
] satisfies PolicyRow<(typeof access.permissions)[number], (typeof access.roles)[number], { tenant?: string }>[]
const names = { people: { grace }, records: { ours: { tenant: 'acme' }, theirs: { tenant: 'globex' } } }

// What it is for: this is how an application's own tests read.
describePolicies(access, rows, { describe, it, expect }, { ...names, name: 'the rules of a small application' })

test('reports each row by a sentence, with what came of it', async () => {
  const { passed, results, uncovered } = await policyTests(access, rows, names)
  expect(passed).toBe(true)
  expect(uncovered).toEqual([])
  expect(results.map(({ sentence }) => sentence)).toContain(
    'accountant may not invoice:refund on some: only owners give money back',
  )
  expect(results.map(({ sentence }) => sentence)).toContain("grace may not invoice:read on theirs: another tenant's")
  expect(results.map(({ sentence }) => sentence)).toContain('owner + suspended may not invoice:create on some: a denial wins')
  expect(results[0]).toMatchObject({ row: 1, passed: true, actual: 'allow', reason: { code: 'rbac.role_grants_permission' } })
})

test.each<[what: string, row: PolicyRow, complaint: RegExp]>([
  [
    'allowed, and should not be',
    { who: 'owner', what: 'audit:read', expected: 'deny', why: 'x' },
    /^row 1: it is allowed \(rbac\.role_grants_permission: /,
  ],
  [
    'denied, and should not be',
    { who: 'viewer', what: 'audit:read', expected: 'allow', why: 'x' },
    /^row 1: it is denied \(rbac\.role_lacks_permission: /,
  ],
  [
    'denied for another reason',
    { who: 'viewer', what: 'audit:read', expected: 'deny', why: 'x', because: 'rbac.scope_missing' },
    /^row 1: it is so for another reason than rbac\.scope_missing \(rbac\.role_lacks_permission/,
  ],
])('complains about what is %s', async (_, row, complaint) => {
  const { passed, results } = await policyTests(access, [row as never])
  expect(passed).toBe(false)
  expect(results[0]?.complaint).toMatch(complaint)
})

test('names every unknown name of all rows at once, and runs none', async () => {
  const wrong = [
    { who: 'acountant', what: 'invoice:read', expected: 'allow', why: 'x' },
    { who: 'owner', what: ['invoice:raed', 'audit:read'], expected: 'deny', why: 'x' },
    { who: ['owner', 'constructor'], what: 'audit:read', which: 'toString', expected: 'deny', why: 'x' },
    { who: { roles: ['chief'] }, what: '__proto__', expected: 'deny', why: 'x' },
    { who: 'hasOwnProperty', what: 'audit:read', expected: 'deny', why: 'x' },
  ]
  await expect(policyTests(access, wrong as never)).rejects.toMatchObject({
    code: 'rbac.policy_name_unknown',
    names: ['acountant', 'invoice:raed', 'toString', 'constructor', 'chief', '__proto__', 'hasOwnProperty'],
  })
})

test.each<[what: string, rows: unknown]>([
  ['no rows', []],
  ['no list', {}],
  ['a row that is none', [null]],
  [
    'a misspelt member, by which "may this one" would be "may some"',
    [{ who: 'owner', what: 'audit:read', witch: {}, expected: 'allow', why: 'x' }],
  ],
  ['nobody', [{ what: 'audit:read', expected: 'allow', why: 'x' }]],
  ['a number for a role', [{ who: [1], what: 'audit:read', expected: 'allow', why: 'x' }]],
  ['no permission', [{ who: 'owner', what: [], expected: 'allow', why: 'x' }]],
  ['a boolean for what is expected', [{ who: 'owner', what: 'audit:read', expected: true, why: 'x' }]],
  ['no reason', [{ who: 'owner', what: 'audit:read', expected: 'allow', why: ' ' }]],
  ['a code that is no text', [{ who: 'owner', what: 'audit:read', expected: 'allow', why: 'x', because: 1 }]],
])('refuses a table with %s', async (_, wrong) => {
  await expect(policyTests(access, wrong as never)).rejects.toMatchObject({ code: 'rbac.policy_row_invalid' })
})

test('a record that is there, but null, is a record all the same', async () => {
  const { results } = await policyTests(
    access,
    [{ who: 'owner', what: 'audit:read', which: 'none', expected: 'deny', why: 'nobody’s' }],
    {
      records: { none: null as never },
    },
  )
  expect(results[0]).toMatchObject({ passed: true, reason: { code: 'rbac.tenant_missing' } })
})

test('lists permissions × roles without a row; several roles held together cover the one whose rule decided', async () => {
  const { uncovered } = await policyTests(access, [
    { who: ['owner', 'suspended'], what: 'invoice:refund', expected: 'deny', why: 'x' },
    { who: ['viewer', 'owner'], what: 'audit:read', expected: 'allow', why: 'x' },
    { who: 'owner', what: 'invoice:read', expected: 'allow', why: 'x' },
  ])
  expect(formatUncovered(uncovered)).toBe(
    [
      'viewer: invoice:read, invoice:create, invoice:update, invoice:refund, audit:read',
      'accountant: invoice:read, invoice:create, invoice:update, invoice:refund, audit:read',
      'owner: invoice:create, invoice:update, invoice:refund',
      'suspended: invoice:read, invoice:create, invoice:update, audit:read',
    ].join('\n'),
  )
})

describe('describePolicies', () => {
  type Test = readonly [name: string, body: () => Promise<void>]

  /** Collects tests as a framework does. */
  function collect(run: (runner: PolicyTestRunner) => void): readonly Test[] {
    const tests: Test[] = []
    run({ describe: (_, body) => body(), it: (...one) => tests.push(one), expect })
    return tests
  }

  const row = { who: 'owner', what: 'audit:read', expected: 'allow', why: 'x' } as const

  test('makes a test of each row, and one that fails when a pair has none', async () => {
    const tests = collect((runner) => describePolicies(access, [row, { ...row, expected: 'deny' }], runner))
    expect(tests.map(([name]) => name)).toEqual([
      'owner may audit:read on some: x',
      'owner may not audit:read on some: x',
      'every permission × role has a row',
    ])
    await expect(tests[0]![1]()).resolves.toBeUndefined()
    await expect(tests[1]![1]()).rejects.toThrow('it is allowed')
    await expect(tests[2]![1]()).rejects.toThrow('viewer: invoice:read')
  })

  test('tells pairs without a row to a function in place of failing', async () => {
    let told: readonly Uncovered[] = []
    const tests = collect((runner) => describePolicies(access, [row], runner, { uncovered: (pairs) => (told = pairs) }))
    await tests.at(-1)![1]()
    expect(told).toHaveLength(19)
  })

  test('a table that is wrong fails where it is described, so that no test passes', () => {
    expect(() => collect((runner) => describePolicies(access, [{ ...row, who: 'nobody' }] as never, runner))).toThrow(
      expect.objectContaining({ code: 'rbac.policy_name_unknown' }),
    )
  })
})
