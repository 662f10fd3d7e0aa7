import type { IncomingMessage, ServerResponse } from 'node:http'
import { backendLostEvent } from '@portcullis/core'
import { describe, expect, test } from 'vitest'
import { type AuthzenDeciderOptions, createAuthzenDecider, createAuthzenSearch, discoverAuthzen } from '../src/authzen.ts'
import type { AccessDecider, DeciderDecision, Question } from '../src/decider.ts'
import { listen } from './policy-kit.ts'

const question: Question = {
  subject: { type: 'user', id: 'u1' },
  action: { name: 'read' },
  resource: { type: 'invoice', id: 'i1' },
}
const two = [question, { ...question, resource: { type: 'invoice', id: 'i2' } }]

/** A policy decision point that answers whatever we say. */
async function answering(
  answer: string | ((req: IncomingMessage, res: ServerResponse) => unknown),
  over: Partial<AuthzenDeciderOptions> = {},
): Promise<AccessDecider> {
  const url = await listen((req, res) => {
    if (typeof answer === 'string') res.writeHead(200, { 'content-type': 'application/json' }).end(answer)
    else answer(req, res)
  })
  return createAuthzenDecider({ url, timeout: 20_000, ...over })
}

const malformed = { allowed: false, failed: true, reason: { code: 'rbac.decider_answer_malformed' } }
const unavailable = { allowed: false, failed: true, reason: { code: 'rbac.decider_unavailable' } }

describe('an answer', () => {
  test('of true allows, of false denies, and what is said besides is passed on', async () => {
    expect(await (await answering('{"decision":true}')).decide(question)).toMatchObject({ allowed: true, failed: false })
    const context = { reason_admin: { '403': 'Request failed policy C076E82F' } }
    expect(await (await answering(JSON.stringify({ decision: false, context }))).decide(question)).toEqual({
      allowed: false,
      failed: false,
      reason: { code: 'rbac.decider_denied', message: 'authzen denied it' },
      context,
    })
    expect(await (await answering('{"decision":true,"context":null,"more":1}')).decide(question)).toMatchObject({ allowed: true })
  })

  test.each([
    '{"decision":"true"}',
    '{"decision":1}',
    '{"decision":null}',
    '{"decision":[true]}',
    '{"decision":{"decision":true}}',
    '{"Decision":true}',
    '{"allowed":true}',
    '{}',
    '[{"decision":true}]',
    'true',
    '"true"',
    'null',
    '',
    '{"decision":true',
    '{"decision":true}{"decision":true}',
    '{"decision":false,"decision":true}',
    '{"decision":false,"\\u0064ecision":true}',
    '{"__proto__":{"decision":true}}',
    '{"decision":true,"context":"obligation"}',
    '{"decision":true,"context":[]}',
    '{"decision":true,"context":{"error":{"status":500}}}',
    '{"decision":true,"context":{"error":{"status":404}}}',
    '{"evaluations":[{"decision":true}]}',
    '<html>true</html>',
  ])('that is not well-formed is a denial with a reason, never a permit: %s', async (answer) => {
    expect(await (await answering(answer)).decide(question)).toMatchObject(malformed)
  })

  test('taken from a polluted Object.prototype is none', async () => {
    const decider = await answering('{}')
    Object.defineProperty(Object.prototype, 'decision', { value: true, configurable: true })
    try {
      expect(await decider.decide(question)).toMatchObject(malformed)
    } finally {
      Reflect.deleteProperty(Object.prototype, 'decision')
    }
  })

  test('that is not JSON by its content type is none', async () => {
    for (const type of ['text/html', 'text/plain', 'application/jsonp', '']) {
      const decider = await answering((_, res) => {
        res.setHeader('content-type', type)
        res.end('{"decision":true}')
      })
      expect(await decider.decide(question)).toMatchObject(malformed)
    }
  })

  test.each([201, 204, 400, 401, 403, 404, 429, 500, 503])('with status %i is none, whatever its body says', async (status) => {
    const decider = await answering((_, res) =>
      res.writeHead(status, { 'content-type': 'application/json' }).end('{"decision":true}'),
    )
    expect(await decider.decide(question)).toMatchObject(unavailable)
  })

  test('to another request (a mixed-up proxy or cache) is none', async () => {
    const decider = await answering((req, res) => {
      const id = req.url === '/access/v1/evaluation' ? 'another' : String(req.headers['x-request-id'])
      res.writeHead(200, { 'content-type': 'application/json', 'x-request-id': id })
      res.end('{"decision":true,"evaluations":[{"decision":true}]}')
    })
    expect(await decider.decide(question)).toMatchObject(malformed)
    expect(await decider.decideAll([question])).toMatchObject([{ allowed: true }])
  })

  test('without end is cut off', async () => {
    const decider = await answering(
      (_, res) => {
        res.setHeader('content-type', 'application/json')
        res.write('{"decision":true,"x":"')
        const more = setInterval(() => res.write('x'.repeat(10_000)), 1)
        res.on('close', () => clearInterval(more))
      },
      { maxBytes: 1000, timeout: 5000 },
    )
    expect(await decider.decide(question)).toMatchObject(malformed)
  })

  test('that is a redirect is not followed', async () => {
    let followed = 0
    const elsewhere = await listen((_, res) => {
      followed++
      res.writeHead(200, { 'content-type': 'application/json' }).end('{"decision":true}')
    })
    for (const status of [301, 302, 303, 307, 308]) {
      const decider = await answering((_, res) => res.writeHead(status, { location: `${elsewhere}/access/v1/evaluation` }).end())
      expect(await decider.decide(question)).toMatchObject(unavailable)
    }
    expect(followed).toBe(0)
  })

  test("a text of the answer can't break the log's lines, nor fill it", async () => {
    const decider = await answering(
      JSON.stringify({ decision: false, context: { reason: `a\nallowed: everything${'x'.repeat(5000)}` } }),
    )
    const { reason } = await decider.decide(question)
    expect(reason.message).not.toContain('\n')
    expect(reason.message.length).toBeLessThan(300)
  })

  test('whose context is not accepted is a denial, as §5.5 allows', async () => {
    const decider = await answering('{"decision":true,"context":{"obligation":"log"}}', {
      accepts: (context) => !('obligation' in context),
    })
    expect(await decider.decide(question)).toMatchObject({
      allowed: false,
      failed: false,
      reason: { code: 'rbac.decider_context_refused' },
    })
  })
})

describe('answers to several questions', () => {
  const told = (decisions: readonly DeciderDecision[]): unknown[] =>
    decisions.map(({ allowed, failed }) => (failed ? 'failed' : allowed))

  test.each<[body: string, stopOn: 'denial' | 'permit' | undefined, answers: unknown[]]>([
    ['{"evaluations":[{"decision":true},{"decision":false}]}', undefined, [true, false]],
    ['{"evaluations":[{"decision":true},{"decision":"true"}]}', undefined, [true, 'failed']],
    ['{"evaluations":[true,true]}', undefined, ['failed', 'failed']],
    ['{"evaluations":[{"decision":true}]}', undefined, ['failed', 'failed']],
    ['{"evaluations":[{"decision":true},{"decision":true},{"decision":true}]}', undefined, ['failed', 'failed']],
    ['{"evaluations":{"0":{"decision":true},"1":{"decision":true},"length":2}}', undefined, ['failed', 'failed']],
    ['{"evaluations":[]}', undefined, ['failed', 'failed']],
    ['{"decision":true}', undefined, ['failed', 'failed']],
    ['{"evaluations":[{"decision":false,"context":{"error":{"status":503}}},{"decision":true}]}', undefined, ['failed', true]],
    ['{"evaluations":[{"decision":false,"context":{"error":{"status":404}}},{"decision":true}]}', undefined, [false, true]],
    ['{"evaluations":[{"decision":true,"context":{"error":{"status":503}}},{"decision":true}]}', undefined, ['failed', true]],
    ['{"evaluations":[null,{"decision":true}]}', undefined, ['failed', true]],
    ['{"evaluations":[{"decision":false}]}', 'denial', [false]],
    ['{"evaluations":[{"decision":true}]}', 'denial', ['failed']],
    ['{"evaluations":[{"decision":false},{"decision":true}]}', 'denial', [false]],
    ['{"evaluations":[{"decision":true}]}', 'permit', [true]],
    ['{"evaluations":[{"decision":false}]}', 'permit', ['failed', 'failed']],
    ['{"evaluations":[]}', 'denial', ['failed']],
    ['{"evaluations":[{"decision":false},{"decision":false},{"decision":true}]}', 'permit', ['failed', 'failed']],
  ])('%s with stopOn %s', async (body, stopOn, answers) => {
    expect(told(await (await answering(body)).decideAll(two, stopOn ? { stopOn } : {}))).toEqual(answers)
  })

  test('with a context that is not accepted stop where the denial is ours', async () => {
    const body = '{"evaluations":[{"decision":true,"context":{"obligation":"x"}},{"decision":true}]}'
    const decider = await answering(body, { accepts: () => false })
    expect(told(await decider.decideAll(two, { stopOn: 'denial' }))).toEqual([false])
  })

  test('are asked for in requests of a bounded size, and one by one where there is no endpoint for several', async () => {
    const asked: number[] = []
    const url = await listen(async (req, res) => {
      let text = ''
      for await (const chunk of req) text += chunk
      const { evaluations } = JSON.parse(text) as { evaluations?: unknown[] }
      asked.push(evaluations?.length ?? 1)
      const decision = { decision: true }
      res.writeHead(200, { 'content-type': 'application/json' })
      res.end(JSON.stringify(evaluations ? { evaluations: evaluations.map(() => decision) } : decision))
    })
    const five = Array.from({ length: 5 }, () => question)
    expect(told(await createAuthzenDecider({ url, maxEvaluations: 2, timeout: 20_000 }).decideAll(five))).toEqual([
      true,
      true,
      true,
      true,
      true,
    ])
    expect(asked.splice(0)).toEqual([2, 2, 1])
    const metadata = { policy_decision_point: url, access_evaluation_endpoint: `${url}/e` }
    expect(told(await createAuthzenDecider({ url, metadata, timeout: 20_000 }).decideAll(five))).toEqual([
      true,
      true,
      true,
      true,
      true,
    ])
    expect(asked).toEqual([1, 1, 1, 1, 1])
  })
})

describe('a policy decision point', () => {
  test('that hangs costs a deadline, and after three of them nothing: the breaker is open', async () => {
    let asked = 0
    const lost: unknown[] = []
    const stop = backendLostEvent.subscribe(({ data }) => lost.push(data))
    const decider = await answering(() => asked++, { timeout: 20, name: 'pdp' })
    try {
      for (let n = 0; n < 20; n++) expect(await decider.decide(question)).toMatchObject(unavailable)
    } finally {
      stop()
    }
    expect(asked).toBeLessThan(10)
    expect(lost).toEqual([{ backend: 'pdp', code: 'rbac.decider_unavailable' }])
    expect(await decider.decideAll(two)).toMatchObject([unavailable, unavailable])
  })

  test('that hangs in the middle of its answer is late as well', async () => {
    const decider = await answering(
      (_, res) => res.writeHead(200, { 'content-type': 'application/json' }).write('{"decision":true'),
      {
        timeout: 20,
      },
    )
    expect(await decider.decide(question)).toMatchObject(unavailable)
  })

  test('that answers nonsense to one question is still asked the others', async () => {
    const decider = await answering((req, res) => {
      req.resume()
      res.writeHead(400, { 'content-type': 'application/json' }).end('{"decision":true}')
    })
    for (let n = 0; n < 5; n++) expect((await decider.decide(question)).reason.message).toContain('status 400')
  })

  test('that is down is a refusal', async () => {
    const decider = createAuthzenDecider({ url: 'http://127.0.0.1:1' })
    expect(await decider.decide(question)).toMatchObject(unavailable)
  })

  test('is not waited for when nobody waits for the answer, and that is not its fault', async () => {
    const decider = await answering(() => undefined, { timeout: 5000 })
    for (let n = 0; n < 4; n++) {
      const controller = new AbortController()
      const pending = decider.decide(question, { signal: controller.signal })
      controller.abort()
      expect((await pending).reason.message).toBe('authzen has not decided: nobody waits for the answer any more')
    }
  })

  test('gets what proves who asks, and a new X-Request-ID each time', async () => {
    const seen: [unknown, unknown][] = []
    const decider = await answering(
      (req, res) => {
        seen.push([req.headers.authorization, req.headers['x-request-id']])
        res.writeHead(200, { 'content-type': 'application/json' }).end('{"decision":true}')
      },
      { headers: () => ({ authorization: 'Bearer s3cret' }) },
    )
    await decider.decide(question)
    await decider.decide(question)
    expect(seen.map(([authorization]) => authorization)).toEqual(['Bearer s3cret', 'Bearer s3cret'])
    expect(new Set(seen.map(([, id]) => id)).size).toBe(2)
  })

  test("headers that can't be sent, or are ours, go nowhere, and stand in no reason", async () => {
    let fetched = 0
    const fetch = async (): Promise<Response> => {
      fetched++
      throw new Error('no')
    }
    const headers = [
      () => ({ authorization: 'Bearer s3cret\nx' }),
      () => ({ 's3cret name': 'x' }),
      () => ({ 'X-Request-ID': 's3cret' }),
      () => ({ authorization: undefined as never }),
      () => undefined as never,
      () => Promise.reject(new Error('s3cret')),
    ]
    for (const given of headers) {
      const { reason } = await createAuthzenDecider({ url: 'https://pdp.example', headers: given, fetch }).decide(question)
      expect(reason).toMatchObject({ code: 'rbac.decider_unavailable' })
      expect(JSON.stringify(reason)).not.toContain('s3cret')
    }
    expect(fetched).toBe(0)
  })

  test.each<[what: string, over: Partial<AuthzenDeciderOptions>]>([
    ['plain HTTP to another machine', { url: 'http://pdp.example' }],
    ['another scheme', { url: 'file:///etc/passwd' }],
    ['credentials in the URL', { url: 'https://a:b@pdp.example' }],
    ['no URL', { url: 'pdp.example' }],
    ['a timeout of 0', { timeout: 0 }],
    ['a header that is ours', { headers: { 'X-Request-ID': 'x' } }],
    ['a header with a line break', { headers: { authorization: 'a\r\nb: c' } }],
    [
      'metadata with an endpoint in plain HTTP',
      { metadata: { policy_decision_point: 'https://pdp.example', access_evaluation_endpoint: 'http://pdp.example/e' } },
    ],
  ])('is refused at the start with %s', (_, over) => {
    expect(() => createAuthzenDecider({ url: 'https://pdp.example', ...over })).toThrow(
      expect.objectContaining({ code: 'rbac.decider_options_invalid' }),
    )
  })

  test('whose metadata is not its own is not asked (mix-up, §9.2.3)', () => {
    const metadata = { policy_decision_point: 'https://other.example', access_evaluation_endpoint: 'https://other.example/e' }
    expect(() => createAuthzenDecider({ url: 'https://pdp.example', metadata })).toThrow(
      expect.objectContaining({ code: 'rbac.decider_answer_malformed' }),
    )
  })

  test.each([
    '{}',
    '{"policy_decision_point":"URL"}',
    '{"policy_decision_point":"URL","access_evaluation_endpoint":"http://pdp.example/e"}',
    '{"policy_decision_point":"URL","access_evaluation_endpoint":1}',
    '{"policy_decision_point":"https://other.example","access_evaluation_endpoint":"URL/e"}',
  ])('with the metadata %s is not discovered', async (document) => {
    const url = await listen((req, res) => {
      res.writeHead(200, { 'content-type': 'application/json' }).end(document.replaceAll('URL', `http://${req.headers.host}`))
    })
    await expect(discoverAuthzen(url, { timeout: 20_000 })).rejects.toMatchObject({ name: 'DeciderError' })
  })
})

test.each([
  '{}',
  '{"results":{}}',
  '{"results":[{"type":"user","id":"u1"}]}',
  '{"results":[{"type":"invoice"}]}',
  '{"results":["i1"]}',
  '{"results":[],"page":{"next_token":1}}',
  '{"results":[],"page":[]}',
])('a search that is answered with %s is an error, and not nothing', async (answer) => {
  const url = await listen((_, res) => res.writeHead(200, { 'content-type': 'application/json' }).end(answer))
  const { resources } = createAuthzenSearch({ url, timeout: 20_000 })
  await expect(resources!({ ...question, resource: { type: 'invoice' } }, { limit: 10 }, {})).rejects.toMatchObject({
    code: 'rbac.decider_answer_malformed',
  })
})
