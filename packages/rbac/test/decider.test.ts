import { type Decision, decide, type Principal } from '@portcullis/core'
import { describe, expect, test } from 'vitest'
import {
  type AccessDecider,
  checkBy,
  createDecider,
  type DeciderDecisionData,
  deciderDecision,
  deciderOf,
  type Opinion,
  permitBy,
  type Question,
} from '../src/decider.ts'
import { client, clock, user } from './ledger.ts'
import { access } from './policy-kit.ts'
import { request } from './request.ts'

function ask(over: Partial<Question> = {}): Question {
  return { subject: { type: 'user', id: 'u1' }, action: { name: 'read' }, resource: { type: 'invoice', id: 'i1' }, ...over }
}

const about = (id: string): Question => ask({ resource: { type: 'invoice', id } })
const never = (): Promise<boolean> => new Promise(() => {})

describe('createDecider', () => {
  test('takes true for a permit and false for a denial', async () => {
    const decider = createDecider({ name: 'fga', decide: ({ resource }) => resource.id === 'i1' })
    expect(await decider.decide(ask())).toEqual({
      allowed: true,
      failed: false,
      reason: { code: 'rbac.decider_allowed', message: 'fga allowed it' },
    })
    expect(await decider.decide(about('i2'))).toMatchObject({
      allowed: false,
      failed: false,
      reason: { code: 'rbac.decider_denied' },
    })
  })

  test('passes on reason and context', async () => {
    const opinion = { allowed: false, reason: { code: 'x.y', message: 'because' }, context: { acr_values: 'aal2' } }
    const decider = createDecider({ name: 'fga', decide: () => opinion })
    expect(await decider.decide(ask())).toEqual({ ...opinion, failed: false })
  })

  test.each<[what: string, answer: unknown]>([
    ['"true" as a text', 'true'],
    ['1', 1],
    ['nothing', undefined],
    ['null', null],
    ['an empty object', {}],
    ['allowed as a text', { allowed: 'true' }],
    ['a decision as AuthZEN writes it', { decision: true }],
    ['a permit that says it failed', { allowed: true, failed: true }],
    ['a function', () => true],
  ])('an answer that is no answer is a refusal, never a permit: %s', async (_, answer) => {
    const decider = createDecider({ name: 'fga', decide: () => answer as Opinion })
    const malformed = { allowed: false, failed: true, reason: { code: 'rbac.decider_answer_malformed' } }
    expect(await decider.decide(ask())).toMatchObject(malformed)
    expect(await decider.decideAll([ask(), ask()])).toMatchObject([malformed, malformed])
  })

  test('a decider that hangs is a refusal when its time is up, and is told so', async () => {
    const told: boolean[] = []
    const decider = createDecider({
      name: 'fga',
      timeout: 20,
      decide: (_, { signal }) => {
        signal.addEventListener('abort', () => told.push(true))
        return never()
      },
    })
    expect(await decider.decide(ask())).toMatchObject({
      allowed: false,
      failed: true,
      reason: { code: 'rbac.decider_unavailable', message: 'fga has not decided: no answer within 20 ms' },
    })
    expect(told).toEqual([true])
  })

  test('what is thrown becomes a refusal whose reason does not repeat it', async () => {
    const thrown = (): boolean => {
      throw new TypeError('password=hunter2')
    }
    for (const decide of [thrown, async () => thrown()]) {
      const decision = await createDecider({ name: 'fga', decide }).decide(ask())
      expect(decision).toMatchObject({ allowed: false, failed: true, reason: { code: 'rbac.decider_unavailable' } })
      expect(decision.reason.message).toBe('fga has not decided: TypeError was thrown while it was asked')
    }
  })

  test('polluting Object.prototype allows nothing', async () => {
    Object.assign(Object.prototype, { allowed: true })
    try {
      expect(await createDecider({ name: 'fga', decide: () => ({}) as Opinion }).decide(ask())).toMatchObject({ allowed: false })
    } finally {
      Reflect.deleteProperty(Object.prototype, 'allowed')
    }
  })

  describe('decideAll', () => {
    const odd = createDecider({ name: 'fga', decide: ({ resource }) => Number(resource.id) % 2 === 1 })
    const allowed = async (ids: readonly number[], stopOn?: 'denial' | 'permit'): Promise<boolean[]> =>
      (
        await odd.decideAll(
          ids.map((id) => about(String(id))),
          stopOn ? { stopOn } : {},
        )
      ).map((one) => one.allowed)

    test('answers in the order of the questions', async () => {
      const decider = createDecider({
        name: 'fga',
        decide: async ({ resource }) => {
          await new Promise((resolve) => setTimeout(resolve, resource.id === 'slow' ? 20 : 0))
          return resource.id === 'slow'
        },
      })
      const decisions = await decider.decideAll(['slow', 'a', 'b'].map(about))
      expect(decisions.map((one) => one.allowed)).toEqual([true, false, false])
    })

    test.each<[ids: number[], stopOn: 'denial' | 'permit' | undefined, answers: boolean[]]>([
      [[1, 2, 3], undefined, [true, false, true]],
      [[1, 2, 3], 'denial', [true, false]],
      [[1, 3], 'denial', [true, true]],
      [[2, 3, 4], 'permit', [false, true]],
      [[2, 4], 'permit', [false, false]],
      [[], 'permit', []],
    ])('%j with stopOn %s is %j', async (ids, stopOn, answers) => {
      expect(await allowed(ids, stopOn)).toEqual(answers)
    })

    test('asks nothing past the answer that ends it', async () => {
      const asked: string[] = []
      const decider = createDecider({
        name: 'fga',
        decide: ({ resource }) => {
          asked.push(resource.id)
          return false
        },
      })
      await decider.decideAll(['a', 'b'].map(about), { stopOn: 'denial' })
      expect(asked).toEqual(['a'])
    })

    test('asks no more at a time than it may', async () => {
      let underWay = 0
      let most = 0
      const decider = createDecider({
        name: 'fga',
        concurrency: 3,
        decide: async () => {
          most = Math.max(most, ++underWay)
          await new Promise((resolve) => setImmediate(resolve))
          underWay--
          return true
        },
      })
      expect(await decider.decideAll(Array.from({ length: 20 }, () => ask()))).toHaveLength(20)
      expect(most).toBe(3)
    })

    test('when time is up, what was answered stays, and the rest is refused', async () => {
      const decider = createDecider({
        name: 'fga',
        timeout: 30,
        decide: ({ resource }) => (resource.id === 'hangs' ? never() : true),
      })
      expect(await decider.decideAll(['a', 'hangs', 'c'].map(about))).toMatchObject([
        { allowed: true },
        { allowed: false, failed: true, reason: { code: 'rbac.decider_unavailable' } },
        { allowed: true },
      ])
      expect(await decider.decideAll(['a', 'hangs', 'c'].map(about), { stopOn: 'denial' })).toMatchObject([
        { allowed: true },
        { allowed: false, failed: true },
      ])
    })

    test('one that throws refuses that question alone', async () => {
      const decider = createDecider({
        name: 'fga',
        decide: ({ resource }) => {
          if (resource.id === 'b') throw new Error('no')
          return true
        },
      })
      const decisions = await decider.decideAll(['a', 'b', 'c'].map(about))
      expect(decisions.map((one) => one.allowed)).toEqual([true, false, true])
    })

    test.each([1, 3])('a batch that has %i answers to two questions answers none of them', async (count) => {
      const decider = createDecider({
        name: 'fga',
        decide: () => true,
        decideAll: async () => new Array<boolean>(count).fill(true),
      })
      const none = { allowed: false, failed: true, reason: { code: 'rbac.decider_answer_malformed' } }
      expect(await decider.decideAll([ask(), ask()])).toMatchObject([none, none])
    })
  })

  test.each([{ name: '' }, { timeout: 0 }, { timeout: Number.NaN }, { timeout: 1.5 }, { concurrency: 0 }, { decide: undefined }])(
    'refuses %j',
    (over) => {
      expect(() => createDecider({ name: 'fga', decide: () => true, ...(over as object) })).toThrow(
        expect.objectContaining({ code: 'rbac.decider_options_invalid' }),
      )
    },
  )
})

describe('deciderOf', () => {
  const people: Readonly<Record<string, Principal>> = {
    u1: user(['viewer']),
    u2: user(['owner'], { subject: 'u2' }),
  }
  const invoices: Readonly<Record<string, { tenant: string }>> = { i1: { tenant: 'acme' }, i2: { tenant: 'globex' } }
  const loads: string[] = []
  const decider = deciderOf(access, {
    principal: ({ id }) => {
      loads.push(id)
      return Object.hasOwn(people, id) ? people[id] : undefined
    },
    record: async ({ id }) => (Object.hasOwn(invoices, id) ? invoices[id] : undefined),
  })

  test.each<[what: string, over: Partial<Question>, allowed: boolean, code: string]>([
    ['a role that grants it', {}, true, 'rbac.role_grants_permission'],
    ['a role that does not', { action: { name: 'refund' } }, false, 'rbac.role_lacks_permission'],
    ['a record of another tenant', { resource: { type: 'invoice', id: 'i2' } }, false, 'rbac.tenant_mismatch'],
    ['a record that there is not', { resource: { type: 'invoice', id: 'i9' } }, false, 'rbac.record_unknown'],
    ['a subject that there is not', { subject: { type: 'user', id: 'u9' } }, false, 'rbac.subject_unknown'],
    ['an action that there is not', { action: { name: 'steal' } }, false, 'rbac.permission_unknown'],
    ['an action named as a member of Object', { action: { name: '__proto__' } }, false, 'rbac.permission_unknown'],
    ['a record named as a member of Object', { resource: { type: 'invoice', id: 'constructor' } }, false, 'rbac.record_unknown'],
  ])('v5.0.0-8.2.2: %s', async (_, over, allowed, code) => {
    expect(await decider.decide(ask(over))).toMatchObject({ allowed, failed: false, reason: { code } })
  })

  test('what the asker says of roles and tenants does not count', async () => {
    const properties = { roles: ['owner'], tenant: 'globex' }
    const question = ask({
      subject: { type: 'user', id: 'u1', properties },
      resource: { type: 'invoice', id: 'i2', properties: { tenant: 'acme' } },
    })
    expect((await decider.decide(question)).allowed).toBe(false)
    expect(
      (await decider.decide({ ...question, action: { name: 'refund' }, resource: { type: 'invoice', id: 'i1' } })).allowed,
    ).toBe(false)
  })

  test('by default it knows the caller, with the scopes of his token, and nobody else', async () => {
    const alone = deciderOf(access, { record: ({ id }) => invoices[id] })
    expect((await alone.decide(ask(), { caller: user(['viewer']) })).allowed).toBe(true)
    expect(await alone.decide(ask(), { caller: user(['viewer'], { scopes: [] }) })).toMatchObject({
      allowed: false,
      reason: { code: 'rbac.scope_missing' },
    })
    for (const caller of [user(['owner'], { subject: 'u2' }), client(['invoice:read'], { subject: 'u1' }), undefined]) {
      expect(await alone.decide(ask(), caller ? { caller } : {})).toMatchObject({
        allowed: false,
        reason: { code: 'rbac.subject_unknown' },
      })
    }
  })

  test('loads the subject of a batch once', async () => {
    loads.length = 0
    const decisions = await decider.decideAll([
      ask(),
      ask({ action: { name: 'refund' } }),
      ask({ subject: { type: 'user', id: 'u2' } }),
    ])
    expect(decisions.map((one) => one.allowed)).toEqual([true, false, true])
    expect(loads.sort()).toEqual(['u1', 'u2'])
  })

  test('a loader that fails is a refusal with failed', async () => {
    const broken = deciderOf(access, { record: () => Promise.reject(new Error('the database is down')) })
    expect(await broken.decide(ask(), { caller: user(['viewer']) })).toMatchObject({ allowed: false, failed: true })
  })

  test('permission says what a question is about', async () => {
    const named = deciderOf(access, {
      record: ({ id }) => invoices[id],
      permission: ({ resource, action }) => `${resource.type}:${action.name.replace(/^can_/, '')}`,
    })
    expect((await named.decide(ask({ action: { name: 'can_read' } }), { caller: user(['viewer']) })).allowed).toBe(true)
  })
})

describe('permitBy', () => {
  const resource = { type: 'tenant', id: 'acme' }
  const decider = createDecider({ name: 'fga', decide: ({ subject }) => subject.id === 'u1' })

  async function run(policy: ReturnType<typeof permitBy>, principal?: Principal): Promise<Decision> {
    return policy.guard(request(principal))
  }

  test('is a rule that names action, resource and decider', () => {
    expect(permitBy(decider, { action: 'create', resource, stepUp: { maxAge: 60 } })).toMatchObject({
      kind: 'permission',
      label: 'tenant:create (fga)',
      permissions: [],
      stepUp: { maxAge: 60 },
    })
    expect(permitBy(decider, { action: 'create', resource: () => resource, label: 'tenant:create' }).label).toBe(
      'tenant:create (fga)',
    )
  })

  test('lets go on whom the decider allows, with its reason', async () => {
    expect(await run(permitBy(decider, { action: 'create', resource }), user([]))).toEqual({
      type: 'continue',
      reason: { code: 'rbac.decider_allowed', message: 'fga allowed it' },
    })
  })

  test('tells the decider who asks, and about what', async () => {
    const asked: unknown[] = []
    const asking = createDecider({
      name: 'fga',
      decide: (question, { caller }) => {
        asked.push(question, caller)
        return true
      },
    })
    const caller = user(['owner'])
    const context = () => ({ ip: '203.0.113.7' })
    await run(
      permitBy(asking, {
        action: 'create',
        label: 'x',
        resource: (_, { tenant = '' }) => ({ type: 'tenant', id: tenant }),
        context,
      }),
      caller,
    )
    expect(asked).toEqual([
      { subject: { type: 'user', id: 'u1' }, action: { name: 'create' }, resource, context: { ip: '203.0.113.7' } },
      caller,
    ])
  })

  test('v5.0.0-8.2.1: refuses with 403 whom the decider denies, and says nothing of the reason to him', async () => {
    const refusal = await run(permitBy(decider, { action: 'create', resource }), user([], { subject: 'u2' }))
    expect(refusal).toMatchObject({ type: 'reply', reply: { status: 403 }, cause: { code: 'rbac.decider_denied' } })
    expect(refusal.type === 'reply' && String(refusal.reply.body)).not.toContain('fga')
  })

  test.each<[what: string, decider: AccessDecider]>([
    ['hangs', createDecider({ name: 'fga', timeout: 10, decide: never })],
    ['throws', createDecider({ name: 'fga', decide: () => Promise.reject(new Error('down')) })],
    ['answers "true" as a text', createDecider({ name: 'fga', decide: () => 'true' as never })],
  ])('refuses with 503 when the decider %s', async (_, broken) => {
    expect(await run(permitBy(broken, { action: 'create', resource }), user([]))).toMatchObject({
      type: 'reply',
      reply: { status: 503 },
    })
  })

  test("somebody else's decider that answers 'yes' for allowed allows nothing", async () => {
    const decision = { allowed: 'yes' as never, failed: false, reason: { code: 'x', message: '' } }
    const foreign: AccessDecider = { name: 'foreign', decide: async () => decision, decideAll: async () => [decision] }
    expect(await run(permitBy(foreign, { action: 'create', resource }), user([]))).toMatchObject({ reply: { status: 403 } })
  })

  test('refuses when the request names no resource', async () => {
    const policy = permitBy(decider, { action: 'create', label: 'x', resource: () => undefined })
    expect(await run(policy, user([]))).toMatchObject({ reply: { status: 403 }, cause: { code: 'rbac.record_unknown' } })
  })

  test('a resource function that throws refuses the request', async () => {
    const policy = permitBy(decider, { action: 'create', label: 'x', resource: () => Promise.reject(new Error('no')) })
    expect(await decide(request(user([])), [], policy)).toMatchObject({ type: 'reply', reply: { status: 500 } })
  })

  test('step-up is asked last', async () => {
    const policy = permitBy(decider, { action: 'create', resource, stepUp: { maxAge: 60 }, clock })
    const now = clock.time / 1000
    expect(await run(policy, user([], { authTime: now - 61 }))).toMatchObject({ reply: { status: 401 } })
    expect(await run(policy, user([], { authTime: now - 59 }))).toMatchObject({ type: 'continue' })
    expect(await run(policy, user([], { subject: 'u2', authTime: now - 61 }))).toMatchObject({ reply: { status: 403 } })
  })

  test('a route without an authenticating guard is a mistake, not a denial', async () => {
    await expect(run(permitBy(decider, { action: 'create', resource }))).rejects.toMatchObject({ code: 'core.principal_missing' })
  })

  test.each([{ action: '' }, { resource: () => resource }, { label: '' }])('refuses the options %j', (over) => {
    expect(() => permitBy(decider, { action: 'create', resource, ...over })).toThrow(
      expect.objectContaining({ code: 'rbac.decider_options_invalid' }),
    )
  })
})

test('v5.0.0-16.3.2: checkBy publishes every decision, with who asked and why, and without properties', async () => {
  const events: DeciderDecisionData[] = []
  const stop = deciderDecision.subscribe(({ data }) => events.push(data))
  const decider = createDecider({ name: 'fga', decide: ({ resource }) => resource.id === 'i1' })
  const resource = { type: 'invoice', id: 'i1', properties: { iban: 'DE02' } }
  try {
    expect((await checkBy(decider, request(user([])), 'read', resource)).allowed).toBe(true)
    expect((await checkBy(decider, request(user([])), { name: 'read' }, { type: 'invoice', id: 'i2' }, { clock })).allowed).toBe(
      false,
    )
  } finally {
    stop()
  }
  expect(events).toMatchObject([
    { decider: 'fga', action: 'read', allowed: true, failed: false, caller: { subject: 'u1', kind: 'user', tenant: 'acme' } },
    { resource: { type: 'invoice', id: 'i2' }, allowed: false, reason: { code: 'rbac.decider_denied' } },
  ])
  expect(JSON.stringify(events)).not.toContain('DE02')
})
