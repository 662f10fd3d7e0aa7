import { randomBytes } from 'node:crypto'
import { createSealer } from '@portcullis/core'
import { describe, expect, test } from 'vitest'
import {
  type AuthzenEndpointsOptions,
  actionsOf,
  authzenEndpoints,
  createAuthzenSearch,
  type PageRequest,
  type SearchPage,
  searchBy,
} from '../src/authzen.ts'
import { createDecider, deciderOf, type Resource } from '../src/decider.ts'
import { client, clock, user } from './ledger.ts'
import { access, bearerOf, post, serve } from './policy-kit.ts'

const people = Object.fromEntries(
  ['viewer', 'accountant', 'owner', 'suspended'].map((role) => [role, user([role], { subject: role })]),
)
const guards = [
  bearerOf({ gateway: client([], { subject: 'gateway' }), other: client([], { subject: 'other' }), viewer: people['viewer']! }),
]
const sealer = createSealer({ current: 'k', keys: { k: randomBytes(32) } })
/** 25 invoices; every third is another tenant's. */
const invoices = Array.from({ length: 25 }, (_, at) => ({
  id: `i${String(at).padStart(2, '0')}`,
  tenant: at % 3 === 0 ? 'globex' : 'acme',
}))
const ofAcme = invoices.filter(({ tenant }) => tenant === 'acme').map(({ id }) => id)

const decider = deciderOf(access, {
  principal: ({ id }) => (Object.hasOwn(people, id) ? people[id] : undefined),
  record: ({ id }) => invoices.find((invoice) => invoice.id === id),
})

function page<T extends { readonly id: string }>(all: readonly T[], { after, limit }: PageRequest): SearchPage<T> {
  const from = after === undefined ? 0 : all.findIndex(({ id }) => id === after) + 1
  const results = all.slice(from, from + limit)
  const last = results.at(-1)
  return { results, ...(last !== undefined && from + limit < all.length ? { next: last.id } : {}) }
}

const listed: number[] = []
const search = searchBy(decider, {
  actions: (type) => actionsOf(access, type),
  subjects: ({ subject: { type } }, at) =>
    page(
      Object.keys(people).map((id) => ({ type, id })),
      at,
    ),
  resources: ({ resource: { type } }, at) => {
    listed.push(at.limit)
    return page(
      invoices.map(({ id }): Resource => ({ type, id })),
      at,
    )
  },
})

function pdp(over: Partial<AuthzenEndpointsOptions> = {}): Promise<string> {
  const mayAsk = ({ subject }: { subject: string }): boolean => subject !== 'viewer'
  return serve((url) => authzenEndpoints({ url, decider, search, sealer, guards, mayAsk, clock, ...over }).endpoints)
}

const ask = {
  subject: { subject: { type: 'user' }, action: { name: 'read' }, resource: { type: 'invoice', id: 'i01' } },
  resource: { subject: { type: 'user', id: 'viewer' }, action: { name: 'read' }, resource: { type: 'invoice' } },
  action: { subject: { type: 'user', id: 'accountant' }, resource: { type: 'invoice', id: 'i01' } },
}

test.each([
  ['§8.4: subjects', 'subject', ['viewer', 'accountant', 'owner'].map((id) => ({ type: 'user', id }))],
  ['§8.5: resources', 'resource', ofAcme.map((id) => ({ type: 'invoice', id }))],
  ['§8.6: actions', 'action', ['read', 'create', 'update'].map((name) => ({ name }))],
] as const)('%s that are allowed are found, and no others', async (_, kind, results) => {
  const { status, body, headers } = await post(`${await pdp()}/access/v1/search/${kind}`, ask[kind], { 'X-Request-ID': 'r1' })
  expect(status).toBe(200)
  expect(headers.get('x-request-id')).toBe('r1')
  expect(body.results).toEqual(results)
  expect(body.page).toMatchObject({ next_token: '', count: results.length })
  // §8.3: the page comes first
  expect(Object.keys(body)).toEqual(['page', 'results'])
})

test('§8.1: whatever is found, the evaluation allows', async () => {
  const url = await pdp()
  const { body } = await post(`${url}/access/v1/search/resource`, ask.resource)
  const evaluations = body.results.map((resource: Resource) => ({ resource }))
  const answer = await post(`${url}/access/v1/evaluations`, {
    subject: ask.resource.subject,
    action: ask.resource.action,
    evaluations,
  })
  expect(answer.body.evaluations).toEqual(ofAcme.map(() => ({ decision: true })))
})

test('§8.4.1, §8.5.1: an id of what is searched for is passed over', async () => {
  const url = await pdp()
  const body = { ...ask.subject, subject: { type: 'user', id: 'nobody' } }
  expect((await post(`${url}/access/v1/search/subject`, body)).body.results).toHaveLength(3)
})

test('a subject that there is not finds nothing, and learns nothing', async () => {
  const body = { ...ask.resource, subject: { type: 'user', id: 'nobody' } }
  expect((await post(`${await pdp()}/access/v1/search/resource`, body)).body).toEqual({
    page: { next_token: '', count: 0 },
    results: [],
  })
})

test('metadata names the searches that there are', () => {
  const { metadata } = authzenEndpoints({
    url: 'https://pdp.example',
    decider,
    search: searchBy(decider, { actions: () => [] }),
    sealer,
    guards,
  })
  expect(metadata).toMatchObject({ search_action_endpoint: 'https://pdp.example/access/v1/search/action' })
  expect(metadata).not.toHaveProperty('search_subject_endpoint')
})

describe('§8.2: pages', () => {
  async function all(url: string, limit: number | undefined, repeat: boolean): Promise<{ ids: string[]; pages: number }> {
    const ids: string[] = []
    let token = ''
    for (let pages = 1; ; pages++) {
      const asked = token === '' || repeat ? { limit } : {}
      const { status, body } = await post(`${url}/access/v1/search/resource`, { ...ask.resource, page: { ...asked, token } })
      expect(status).toBe(200)
      expect(body.results.length).toBeLessThanOrEqual(limit ?? 10)
      ids.push(...body.results.map(({ id }: Resource) => id))
      token = body.page.next_token
      if (token === '') return { ids, pages }
    }
  }

  test.each([
    [1, true],
    [2, false],
    [7, true],
    [100, true],
    [undefined, true],
  ])('of %s hold everything once, in order; the limit may be left out on the way: %s', async (limit, repeat) => {
    const url = await pdp({ maxResults: 10 })
    const { ids, pages } = await all(url, limit === 100 ? undefined : limit, repeat)
    expect(ids).toEqual(ofAcme)
    expect(pages).toBeGreaterThan(1)
  })

  test('a limit beyond the largest page is the largest page', async () => {
    const { body } = await post(`${await pdp({ maxResults: 3 })}/access/v1/search/resource`, {
      ...ask.resource,
      page: { limit: 10_000 },
    })
    expect(body.results).toHaveLength(3)
  })

  test('a limit of 0 finds nothing, and leads on', async () => {
    const url = await pdp()
    const { body } = await post(`${url}/access/v1/search/resource`, { ...ask.resource, page: { limit: 0 } })
    expect(body).toMatchObject({ page: { count: 0 }, results: [] })
    const next = await post(`${url}/access/v1/search/resource`, {
      ...ask.resource,
      page: { limit: 0, token: body.page.next_token },
    })
    expect(next.status).toBe(200)
  })

  test('actions come in pages too, and say how many there are', async () => {
    const url = await pdp()
    const first = await post(`${url}/access/v1/search/action`, { ...ask.action, page: { limit: 2 } })
    expect(first.body).toMatchObject({ page: { count: 2, total: 3 }, results: [{ name: 'read' }, { name: 'create' }] })
    const token = first.body.page.next_token
    const second = await post(`${url}/access/v1/search/action`, { ...ask.action, page: { token } })
    expect(second.body).toEqual({ page: { next_token: '', count: 1, total: 3 }, results: [{ name: 'update' }] })
  })

  test('a token answers the question that it was given for, and its caller alone', async () => {
    const url = await pdp()
    const at = `${url}/access/v1/search/resource`
    const { body } = await post(at, { ...ask.resource, page: { limit: 2 } })
    const next = { limit: 2, token: body.page.next_token }
    expect((await post(at, { page: next, ...ask.resource })).status).toBe(200)
    expect((await post(at, { ...ask.resource, resource: { id: 'x', type: 'invoice' }, page: next })).status).toBe(200)
    const others: [object, string?][] = [
      [{ ...ask.resource, page: { ...next, limit: 3 } }],
      [{ ...ask.resource, page: { ...next, properties: { sort: 'id' } } }],
      [{ ...ask.resource, subject: { type: 'user', id: 'owner' }, page: next }],
      [{ ...ask.resource, action: { name: 'create' }, page: next }],
      [{ ...ask.resource, context: { a: 1 }, page: next }],
      [{ ...ask.resource, page: next }, 'other'],
    ]
    for (const [request, as] of others) expect((await post(at, request, as ? { as } : {})).status).toBe(400)
    expect((await post(`${url}/access/v1/search/subject`, { ...ask.subject, page: next })).status).toBe(400)
  })

  test('a token that somebody made or changed is 400, and so is one that is too old', async () => {
    const at = `${await pdp()}/access/v1/search/resource`
    const { body } = await post(at, { ...ask.resource, page: { limit: 2 } })
    const token: string = body.page.next_token
    const forged = [
      'a3M9NDU2O3N6PTI=',
      Buffer.from('{"after":"i01"}').toString('base64url'),
      `${token.slice(0, -2)}AA`,
      'v1.k.AAAA',
      'v1.x.y',
    ]
    for (const one of forged) expect((await post(at, { ...ask.resource, page: { token: one } })).status).toBe(400)
    clock.time += 15 * 60_000
    try {
      expect((await post(at, { ...ask.resource, page: { token } })).status).toBe(400)
    } finally {
      clock.time -= 15 * 60_000
    }
  })

  test('a token tells nothing of where the listing stands', async () => {
    const { body } = await post(`${await pdp()}/access/v1/search/resource`, { ...ask.resource, page: { limit: 2 } })
    const token: string = body.page.next_token
    expect(Buffer.from(token.split('.')[2]!, 'base64url').toString('latin1')).not.toContain('i0')
  })

  test.each(['{"limit":-1}', '{"limit":1.5}', '{"limit":"2"}', '{"limit":1e400}', '{"token":1}', '[]', '"x"'])(
    'page %s is 400',
    async (wrong) => {
      const text = JSON.stringify({ ...ask.resource, page: 'PAGE' }).replace('"PAGE"', wrong)
      expect((await post(`${await pdp()}/access/v1/search/resource`, text)).status).toBe(400)
    },
  )
})

describe('attacks', () => {
  test('by default nobody searches for subjects, and for resources and actions only of his own', async () => {
    const url = await serve((at) => authzenEndpoints({ url: at, decider, search, sealer, guards }).endpoints)
    const at = (kind: string): string => `${url}/access/v1/search/${kind}`
    expect((await post(at('subject'), ask.subject, { as: 'viewer' })).status).toBe(403)
    expect(
      (await post(at('subject'), { ...ask.subject, subject: { type: 'user', id: 'viewer' } }, { as: 'viewer' })).status,
    ).toBe(403)
    expect((await post(at('action'), ask.action, { as: 'viewer' })).status).toBe(403)
    expect((await post(at('resource'), ask.resource, { as: 'viewer' })).status).toBe(200)
    expect((await post(at('resource'), ask.resource, { as: 'nobody' })).status).toBe(401)
  })

  test('a search looks through a bounded number of pages of candidates for one request', async () => {
    const none = searchBy(createDecider({ name: 'no', decide: () => false }), {
      resources: (_, { after }) => {
        listed.push(1)
        return { results: [{ type: 'invoice', id: 'x' }], next: String(Number(after ?? 0) + 1) }
      },
    })
    listed.length = 0
    const { body } = await post(`${await pdp({ search: none })}/access/v1/search/resource`, ask.resource)
    expect(body.results).toEqual([])
    expect(body.page.next_token).not.toBe('')
    expect(listed).toHaveLength(8)
  })

  test('a search that hangs, or throws, is an answer that says so', async () => {
    const resources = (): Promise<never> => new Promise(() => {})
    const url = await pdp({ search: { resources, actions: () => Promise.reject(new Error('down')) }, searchTimeout: 20 })
    expect((await post(`${url}/access/v1/search/resource`, ask.resource)).status).toBe(503)
    expect((await post(`${url}/access/v1/search/action`, ask.action)).status).toBe(500)
  })

  test('a search that finds too many, or another type, is cut to what was asked for', async () => {
    const found = async (): Promise<SearchPage<Resource>> => ({
      results: Array.from({ length: 50 }, (_, at) => ({ type: 'secret', id: `${at}` })),
    })
    const url = await pdp({ search: { resources: found, subjects: found } })
    for (const [kind, type] of [
      ['resource', 'invoice'],
      ['subject', 'user'],
    ] as const) {
      const { body } = await post(`${url}/access/v1/search/${kind}`, { ...ask[kind], page: { limit: 5 } })
      expect(body.results).toHaveLength(5)
      expect(body.results[0]).toEqual({ type, id: '0' })
    }
  })
})

test('the client searches over HTTP, page by page', async () => {
  const url = await pdp({ maxResults: 10 })
  const { resources, actions, subjects } = createAuthzenSearch({
    url,
    timeout: 20_000,
    headers: { authorization: 'Bearer gateway' },
  })
  const ids: string[] = []
  let after: string | undefined
  do {
    const found = await resources!(ask.resource, { limit: 4, ...(after === undefined ? {} : { after }) }, {})
    ids.push(...found.results.map(({ id }) => id))
    after = found.next
  } while (after !== undefined)
  expect(ids).toEqual(ofAcme)
  expect(await actions!(ask.action, { limit: 10 }, {})).toEqual({
    results: ['read', 'create', 'update'].map((name) => ({ name })),
    total: 3,
  })
  expect((await subjects!(ask.subject, { limit: 10 }, {})).results.map(({ id }) => id)).toEqual(['viewer', 'accountant', 'owner'])
  const stranger = createAuthzenSearch({ url, timeout: 20_000, headers: { authorization: 'Bearer nobody' } })
  await expect(stranger.actions!(ask.action, { limit: 10 }, {})).rejects.toMatchObject({ code: 'rbac.decider_unavailable' })
})
