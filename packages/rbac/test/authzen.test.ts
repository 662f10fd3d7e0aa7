import { json, open, problem, type RoutePolicy } from '@portcullis/core'
import { describe, expect, test } from 'vitest'
import { type AuthzenEndpointsOptions, authzenEndpoints, createAuthzenDecider, discoverAuthzen } from '../src/authzen.ts'
import { createDecider, type DeciderDecisionData, deciderDecision, deciderOf, type Question } from '../src/decider.ts'
import { client, user } from './ledger.ts'
import { access, bearerOf, post, serve } from './policy-kit.ts'
import { request } from './request.ts'

const callers = {
  gateway: client(['pdp:ask'], { subject: 'gateway' }),
  u1: user(['viewer']),
  u2: user(['owner'], { subject: 'u2' }),
}
const guards = [bearerOf(callers)]
const mayAsk: NonNullable<AuthzenEndpointsOptions['mayAsk']> = (caller) => caller.scopes?.includes('pdp:ask') === true

/** What the specification's examples are about. */
const spec = createDecider({
  name: 'spec',
  decide: ({ subject, action, resource }) =>
    subject.id === 'alice@example.com' && ['read', 'can_read'].includes(action.name) && resource.id !== '2',
})

function pdp(over: Partial<AuthzenEndpointsOptions> = {}): Promise<string> {
  return serve((url) => authzenEndpoints({ url, decider: spec, guards, mayAsk, ...over }).endpoints)
}

const alice = { type: 'user', id: 'alice@example.com' }
const documents = ['1', '2', '3'].map((id) => ({ resource: { type: 'document', id } }))

describe('the examples of Authorization API 1.0', () => {
  test('§10.1.4: one evaluation, with its X-Request-ID', async () => {
    const url = await pdp()
    const answer = await post(
      `${url}/access/v1/evaluation`,
      {
        subject: alice,
        resource: { type: 'todo', id: '1' },
        action: { name: 'can_read', properties: { method: 'GET' } },
        context: { time: '1985-10-26T01:22-07:00' },
      },
      { 'X-Request-ID': 'bfe9eb29-ab87-4ca3-be83-a1d5d8305716' },
    )
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toBe('application/json')
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(answer.headers.get('x-request-id')).toBe('bfe9eb29-ab87-4ca3-be83-a1d5d8305716')
    expect(answer.body).toEqual({ decision: true })
  })

  test('§7.1: evaluations without defaults', async () => {
    const url = await pdp()
    const evaluations = ['boxcarring.md', 'subject-search.md', '2'].map((id) => ({
      subject: alice,
      action: { name: 'can_read' },
      resource: { type: 'document', id },
      context: { time: '2024-05-31T15:22-07:00' },
    }))
    const { body } = await post(`${url}/access/v1/evaluations`, { evaluations })
    expect(body).toEqual({ evaluations: [{ decision: true }, { decision: true }, { decision: false }] })
  })

  test('§7.1.1: defaults, one of them in another place', async () => {
    const url = await pdp()
    const { body } = await post(`${url}/access/v1/evaluations`, {
      subject: alice,
      context: { time: '2024-05-31T15:22-07:00' },
      action: { name: 'can_read' },
      evaluations: [
        { resource: { type: 'document', id: 'boxcarring.md' } },
        { resource: { type: 'document', id: 'subject-search.md' } },
        { action: { name: 'can_edit' }, resource: { type: 'document', id: 'resource-search.md' } },
      ],
    })
    expect(body).toEqual({ evaluations: [{ decision: true }, { decision: true }, { decision: false }] })
  })

  test.each([
    [{ evaluations_semantic: 'execute_all' }, [true, false, true]],
    [{ evaluations_semantic: 'deny_on_first_deny' }, [true, false]],
    [{ evaluations_semantic: 'permit_on_first_permit' }, [true]],
    [{ another_option: 'value' }, [true, false, true]],
    [undefined, [true, false, true]],
  ])('§7.1.2.1: read of three documents with options %j', async (options, decisions) => {
    const url = await pdp()
    const { body } = await post(`${url}/access/v1/evaluations`, {
      subject: alice,
      action: { name: 'read' },
      options,
      evaluations: documents,
    })
    expect(body).toEqual({ evaluations: decisions.map((decision) => ({ decision })) })
  })

  test.each([undefined, []])('§7.1: evaluations %j is one evaluation', async (evaluations) => {
    const url = await pdp()
    const body = { subject: alice, action: { name: 'read' }, resource: { type: 'document', id: '1' }, evaluations }
    expect((await post(`${url}/access/v1/evaluations`, body)).body).toEqual({ decision: true })
  })

  test('§9.2: metadata names what there is, and no more', async () => {
    const url = await pdp()
    const response = await fetch(`${url}/.well-known/authzen-configuration`)
    expect(response.headers.get('content-type')).toBe('application/json')
    expect(response.headers.get('cache-control')).toContain('max-age=3600')
    expect(await response.json()).toEqual({
      policy_decision_point: url,
      access_evaluation_endpoint: `${url}/access/v1/evaluation`,
      access_evaluations_endpoint: `${url}/access/v1/evaluations`,
    })
  })

  test('§9.2: the well-known part comes before the path of a tenant', () => {
    const { endpoints, metadata } = authzenEndpoints({ url: 'https://pdp.example.com/tenant1', decider: spec, guards })
    expect(endpoints.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'POST /tenant1/access/v1/evaluation',
      'POST /tenant1/access/v1/evaluations',
      'GET /.well-known/authzen-configuration/tenant1',
    ])
    expect(metadata.access_evaluation_endpoint).toBe('https://pdp.example.com/tenant1/access/v1/evaluation')
  })

  test('§10.1.1: members that nobody knows are passed over, null is as good as absent', async () => {
    const url = await pdp()
    const body = {
      subject: { ...alice, x: 1 },
      action: { name: 'read' },
      resource: { type: 'd', id: '1' },
      context: null,
      x: { y: [] },
    }
    expect((await post(`${url}/access/v1/evaluation`, body)).body).toEqual({ decision: true })
  })
})

describe('a wrong request', () => {
  const right = { subject: alice, action: { name: 'read' }, resource: { type: 'document', id: '1' } }

  test.each<[what: string, body: unknown]>([
    ['without a subject', { ...right, subject: undefined }],
    ['without an action', { ...right, action: undefined }],
    ['without a resource', { ...right, resource: undefined }],
    ['with a subject that is a text', { ...right, subject: 'alice@example.com' }],
    ['with a subject that is an array', { ...right, subject: [alice] }],
    ['with a subject without a type', { ...right, subject: { id: 'x' } }],
    ['with a resource without an id', { ...right, resource: { type: 'document' } }],
    ['with an id that is a number', { ...right, resource: { type: 'document', id: 1 } }],
    ['with an id that is empty', { ...right, resource: { type: 'document', id: '' } }],
    [
      'with half a surrogate pair',
      '{"subject":{"type":"user","id":"\\ud800"},"action":{"name":"read"},"resource":{"type":"d","id":"1"}}',
    ],
    ['with properties that are an array', { ...right, subject: { ...alice, properties: [] } }],
    ['with a context that is a text', { ...right, context: 'now' }],
    ['that is an array', [right]],
    ['that is a text', '"x"'],
    ['that is no JSON', '{'],
    ['that is empty', ''],
    ['that is nested without end', { ...right, context: JSON.parse(`${'{"a":'.repeat(50)}1${'}'.repeat(50)}`) }],
  ])('§10.1.2: %s is 400, with what is wrong, and the same at both endpoints', async (_, body) => {
    const url = await pdp()
    for (const path of ['evaluation', 'evaluations']) {
      const answer = await post(`${url}/access/v1/${path}`, body, { 'X-Request-ID': 'r1' })
      expect(answer.status).toBe(400)
      expect(answer.headers.get('x-request-id')).toBe('r1')
      expect(answer.body.detail).toEqual(expect.any(String))
    }
  })

  test.each<[what: string, body: object]>([
    ['evaluations that are an object', { ...right, evaluations: {} }],
    ['an evaluation that is a text', { ...right, evaluations: ['x'] }],
    ['an evaluation without what no default gives', { subject: alice, evaluations: documents }],
    ['a semantic that there is not', { ...right, evaluations: documents, options: { evaluations_semantic: 'first' } }],
    ['a semantic that is a list', { ...right, evaluations: documents, options: { evaluations_semantic: ['execute_all'] } }],
    ['options that are a text', { ...right, evaluations: documents, options: 'execute_all' }],
  ])('§7.1: %s is 400', async (_, body) => {
    const url = await pdp()
    expect((await post(`${url}/access/v1/evaluations`, body)).status).toBe(400)
  })

  test('a body that is not JSON by its content type is 415', async () => {
    const url = await pdp()
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/json-seq']) {
      expect((await post(`${url}/access/v1/evaluation`, right, { 'content-type': type })).status).toBe(415)
    }
  })

  test('an X-Request-ID that can not be given back is 400', async () => {
    const url = await pdp()
    for (const id of ['x'.repeat(201), 'a b', 'ä']) {
      const answer = await post(`${url}/access/v1/evaluation`, right, { 'X-Request-ID': id })
      expect(answer.status).toBe(400)
      expect(answer.headers.get('x-request-id')).toBeNull()
    }
  })
})

describe('who may ask', () => {
  const question = (id: string): object => ({
    subject: { type: 'user', id },
    action: { name: 'read' },
    resource: { type: 'invoice', id: 'i1' },
  })
  const decider = deciderOf(access, {
    principal: ({ id }) => (id === 'u1' ? callers.u1 : id === 'u2' ? callers.u2 : undefined),
    record: () => ({ tenant: 'acme' }),
  })

  test('v5.0.0-8.3.1: nobody without a credential, and the answer says how to get one', async () => {
    const url = await pdp()
    const answer = await post(`${url}/access/v1/evaluation`, question('u1'), { as: 'nobody', 'X-Request-ID': 'r1' })
    expect(answer.status).toBe(401)
    expect(answer.headers.get('www-authenticate')).toContain('Bearer')
    expect(answer.headers.get('x-request-id')).toBe('r1')
  })

  test('a policy may be asked for besides', async () => {
    const reply = problem({ status: 403 })
    const policy: RoutePolicy = { kind: 'permission', label: 'pdp:ask', permissions: [], guard: () => ({ type: 'reply', reply }) }
    const url = await pdp({ policy })
    expect((await post(`${url}/access/v1/evaluation`, question('u1'))).status).toBe(403)
  })

  test('subject spoofing: by default, a caller asks about himself and nobody else, in a batch neither', async () => {
    const url = await serve((at) => authzenEndpoints({ url: at, decider, guards }).endpoints)
    const ask = async (path: string, body: object, as: string): Promise<unknown> => {
      const answer = await post(`${url}/access/v1/${path}`, body, { as })
      return answer.status === 200 ? answer.body : answer.status
    }
    expect(await ask('evaluation', question('u1'), 'u1')).toEqual({ decision: true })
    expect(await ask('evaluation', question('u2'), 'u1')).toBe(403)
    expect(await ask('evaluation', { ...question('u1'), subject: { type: 'client', id: 'u1' } }, 'u1')).toBe(403)
    expect(await ask('evaluations', question('u2'), 'u1')).toBe(403)
    expect(await ask('evaluations', { evaluations: [question('u1'), question('u2')] }, 'u1')).toBe(403)
    expect(await ask('evaluations', { ...question('u1'), evaluations: [{}, question('u2')] }, 'u1')).toBe(403)
    expect(await ask('evaluations', { ...question('u2'), evaluations: [question('u1')] }, 'u1')).toEqual({
      evaluations: [{ decision: true }],
    })
    expect(await ask('evaluation', question('u1'), 'gateway')).toBe(403)
  })

  test('mayAsk must say true, and nothing that is only truthy', async () => {
    const url = await pdp({ decider, mayAsk: (async () => 'yes') as never })
    expect((await post(`${url}/access/v1/evaluation`, question('u1'))).status).toBe(403)
  })

  test('a refused question reaches no decider', async () => {
    let asked = 0
    const counting = createDecider({ name: 'counting', decide: () => ++asked > 0 })
    const url = await serve((at) => authzenEndpoints({ url: at, decider: counting, guards }).endpoints)
    await post(`${url}/access/v1/evaluation`, question('u2'), { as: 'u1' })
    await post(`${url}/access/v1/evaluations`, { evaluations: [question('u1'), question('u2')] }, { as: 'u1' })
    expect(asked).toBe(0)
  })

  test.each<[what: string, over: Partial<AuthzenEndpointsOptions>]>([
    ['no guard', { guards: [] }],
    ['an open policy', { policy: open('for all') }],
    ['plain HTTP', { url: 'http://pdp.example' }],
    ['a URL with a query', { url: 'https://pdp.example?x' }],
    ['a URL with credentials', { url: 'https://a:b@pdp.example' }],
    ['a batch of 0', { maxEvaluations: 0 }],
    ['a search without a sealer', { search: {} }],
  ])('endpoints with %s are refused at the start', (_, over) => {
    expect(() => authzenEndpoints({ url: 'https://pdp.example', decider: spec, guards, ...over })).toThrow(
      expect.objectContaining({ code: 'rbac.decider_options_invalid' }),
    )
  })
})

describe('what is told', () => {
  const right = { subject: alice, action: { name: 'read' }, resource: { type: 'document', id: '2' } }

  test('nothing of the reason, unless it is asked for by the code', async () => {
    expect((await post(`${await pdp()}/access/v1/evaluation`, right)).body).toEqual({ decision: false })
    expect((await post(`${await pdp({ reasons: 'code' })}/access/v1/evaluation`, right)).body).toEqual({
      decision: false,
      context: { reason: 'rbac.decider_denied' },
    })
  })

  test('a decider that has not decided is 503, and in a batch an error of that evaluation', async () => {
    const decider = createDecider({
      name: 'fga',
      decide: ({ resource }) => {
        if (resource.id === '2') throw new Error('down')
        return true
      },
    })
    const url = await pdp({ decider })
    expect((await post(`${url}/access/v1/evaluation`, right)).status).toBe(503)
    expect((await post(`${url}/access/v1/evaluations`, { ...right, evaluations: documents })).body).toEqual({
      evaluations: [
        { decision: true },
        { decision: false, context: { error: { status: 503, message: 'Not decided' } } },
        { decision: true },
      ],
    })
  })

  test('v5.0.0-16.3.2: every evaluation is an event, with who asked about whom', async () => {
    const events: DeciderDecisionData[] = []
    const stop = deciderDecision.subscribe(({ data }) => events.push(data))
    try {
      const url = await pdp()
      await post(`${url}/access/v1/evaluation`, { ...right, subject: { ...alice, properties: { iban: 'DE02' } } })
      await post(`${url}/access/v1/evaluations`, {
        ...right,
        evaluations: documents,
        options: { evaluations_semantic: 'deny_on_first_deny' },
      })
    } finally {
      stop()
    }
    expect(events.map(({ subject, resource, allowed, caller }) => [caller.subject, subject.id, resource.id, allowed])).toEqual([
      ['gateway', alice.id, '2', false],
      ['gateway', alice.id, '1', true],
      ['gateway', alice.id, '2', false],
    ])
    expect(JSON.stringify(events)).not.toContain('DE02')
  })
})

describe('attacks on a policy decision point', () => {
  const right = '"action":{"name":"read"},"resource":{"type":"document","id":"1"}'
  const path = '/access/v1/evaluation'

  test.each([
    ['a duplicate subject', `{"subject":{"type":"user","id":"bob"},"subject":{"type":"user","id":"alice@example.com"},${right}}`],
    ['a duplicate id', `{"subject":{"type":"user","id":"bob","id":"alice@example.com"},${right}}`],
    ['a duplicate id in another spelling', `{"subject":{"type":"user","id":"bob","\\u0069d":"alice@example.com"},${right}}`],
    ['a duplicate deep in properties', `{"subject":{"type":"user","id":"b","properties":{"a":[{"x":1,"x":2}]}},${right}}`],
  ])('I-JSON (RFC 7493 §2.3): %s is refused, since readers differ in which they take', async (_, body) => {
    const answer = await post((await pdp()) + path, body)
    expect(answer.status).toBe(400)
    expect(answer.body.detail).toContain('two members of one name')
  })

  test('the same name in two objects, and in texts, is no duplicate', async () => {
    const body = `{"subject":{"type":"user","id":"alice@example.com","properties":{"id":"\\"id\\":1,\\"id\\":","a":[{"id":1},{"id":2}]}},${right}}`
    expect((await post((await pdp()) + path, body)).body).toEqual({ decision: true })
  })

  test.each([
    `{"__proto__":{"subject":{"type":"user","id":"alice@example.com"}},${right}}`,
    `{"subject":{"__proto__":{"type":"user","id":"alice@example.com"}},${right}}`,
    `{"subject":{"type":"user","id":"a","properties":{"\\u005f_proto__":{"admin":true}}},${right}}`,
  ])('CASL CVE-2026-1774, prototype pollution: a member __proto__ is refused wherever it stands', async (body) => {
    const answer = await post((await pdp()) + path, body)
    expect(answer.status).toBe(400)
    expect(({} as Record<string, unknown>)['admin']).toBeUndefined()
  })

  test('a polluted Object.prototype supplies no member that was not sent', async () => {
    const url = await pdp()
    const polluted = { subject: { value: alice, configurable: true }, evaluations: { value: [{}], configurable: true } }
    Object.defineProperties(Object.prototype, polluted)
    try {
      for (const endpoint of ['evaluation', 'evaluations']) {
        expect((await post(`${url}/access/v1/${endpoint}`, `{${right}}`)).status).toBe(400)
      }
    } finally {
      for (const name of Object.keys(polluted)) Reflect.deleteProperty(Object.prototype, name)
    }
  })

  test('a giant batch is refused before anything is decided', async () => {
    let asked = 0
    const decider = createDecider({ name: 'counting', decide: () => ++asked > 0 })
    const url = await pdp({ decider })
    const body = { subject: alice, action: { name: 'read' }, resource: { type: 'd', id: '1' } }
    const of = (count: number): object => ({ ...body, evaluations: new Array(count).fill({}) })
    expect((await post(`${url}/access/v1/evaluations`, of(101))).status).toBe(400)
    expect(asked).toBe(0)
    expect((await post(`${url}/access/v1/evaluations`, of(100))).body.evaluations).toHaveLength(100)
    expect((await post(`${url}/access/v1/evaluations`, of(30_000))).status).toBe(413)
    expect((await post((await pdp({ maxBytes: 50 })) + path, body)).status).toBe(413)
  })

  test('bytes that are no UTF-8 are refused', async () => {
    const url = await pdp()
    const body = Buffer.from(`{"subject":{"type":"user","id":"\xff"},${right}}`, 'latin1')
    const headers = { 'content-type': 'application/json', authorization: 'Bearer gateway' }
    expect((await fetch(url + path, { method: 'POST', headers, body })).status).toBe(400)
  })

  test('behind a body parser, which hides duplicates, there is no answer: adapters are told, and the endpoint looks', async () => {
    const { endpoints } = authzenEndpoints({ url: 'https://pdp.example', decider: spec, guards })
    const posts = endpoints.filter(({ method }) => method === 'POST')
    expect(posts.map(({ rawBody }) => rawBody)).toEqual([true, true])
    const parsed = { subject: alice, action: { name: 'read' }, resource: { type: 'document', id: '1' } }
    for (const { endpoint } of posts) {
      const view = { ...request(user([])), headers: { 'content-type': 'application/json' }, body: async () => ({ parsed }) }
      await expect(endpoint(view)).rejects.toMatchObject({ code: 'core.body_consumed' })
    }
  })

  test('an answer of a metadata document of another policy decision point is not used (mix-up, §9.2.3)', async () => {
    const url = await serve(() => [
      {
        method: 'GET',
        path: '/.well-known/authzen-configuration',
        policy: open('test'),
        endpoint: async () =>
          json({ policy_decision_point: 'https://other.example', access_evaluation_endpoint: 'https://other.example/e' }),
      },
    ])
    await expect(discoverAuthzen(url, { timeout: 20_000 })).rejects.toMatchObject({ code: 'rbac.decider_answer_malformed' })
  })
})

test('the client and the endpoints agree, over HTTP, question by question', async () => {
  const url = await pdp({ reasons: 'code' })
  const decider = createAuthzenDecider({
    url,
    metadata: await discoverAuthzen(url, { timeout: 20_000 }),
    timeout: 20_000,
    headers: async () => ({ authorization: 'Bearer gateway' }),
    maxEvaluations: 2,
  })
  const questions: Question[] = ['1', '2', '3', '2', '1'].map((id) => ({
    subject: alice,
    action: { name: 'read' },
    resource: { type: 'd', id },
  }))
  for (const stopOn of [undefined, 'denial', 'permit'] as const) {
    const options = stopOn ? { stopOn } : {}
    const ours = (await decider.decideAll(questions, options)).map(({ allowed, failed }) => [allowed, failed])
    expect(ours).toEqual((await spec.decideAll(questions, options)).map(({ allowed, failed }) => [allowed, failed]))
  }
  expect(await decider.decide(questions[1]!)).toEqual({
    allowed: false,
    failed: false,
    reason: { code: 'rbac.decider_denied', message: 'authzen denied it: "rbac.decider_denied"' },
    context: { reason: 'rbac.decider_denied' },
  })
})
