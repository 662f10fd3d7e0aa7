import { freePort, hasPostgres, hasRedis, PostgresServer, RedisServer } from '@portcullis/conformance/servers'
import {
  allowInsecureRequests,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  buildEndSessionUrl,
  Configuration,
  calculatePKCECodeChallenge,
  None,
  randomPKCECodeVerifier,
  type ServerMetadata,
  tokenRevocation,
} from 'openid-client'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { signIn } from '../examples/browser.mjs'
import { call, type PersonName, people, signInAs } from './person.ts'
import { dataDir, type LedgerProcess, startLedger } from './process.ts'

const servers = hasPostgres() && hasRedis()

it.runIf(process.env['CI'] !== undefined)('there are PostgreSQL and Redis in CI', () => {
  expect(servers).toBe(true)
})

/** Longer than any deadline, on any machine: whatever takes longer has none. */
const PATIENCE = { timeout: 15_000, interval: 100 }

describe.skipIf(!servers)('Ledger in two processes, on PostgreSQL and Redis', { timeout: 60_000 }, () => {
  let postgres: PostgresServer
  let redis: RedisServer
  let dir: Awaited<ReturnType<typeof dataDir>>
  let ports: readonly [number, number]
  let a: LedgerProcess
  let b: LedgerProcess
  let token: string

  const start = (port: number, settings: Readonly<Record<string, string>> = {}): Promise<LedgerProcess> =>
    startLedger({
      FRAMEWORK: 'fastify',
      DATABASE_URL: postgres.connectionString,
      REDIS_URL: `redis://127.0.0.1:${redis.port}`,
      DATA_DIR: dir.path,
      PORT: String(port),
      PUBLIC_URL: `http://localhost:${ports[0]}`,
      ...settings,
    })

  beforeAll(async () => {
    dir = await dataDir()
    postgres = await PostgresServer.start()
    redis = new RedisServer({ tcp: true })
    await redis.start()
    ports = [await freePort(), await freePort()]
    // At once, on empty servers: one of them makes the tables, the key and the seed.
    ;[a, b] = await Promise.all([start(ports[0]), start(ports[1])])
    token = (await signInAs(a.url, 'grace')).tokens.access_token
  }, 60_000)
  afterEach(() => {
    redis.thaw()
    postgres.thaw()
  })
  afterAll(async () => {
    await Promise.all([a?.end('SIGTERM'), b?.end('SIGTERM')])
    await redis?.close()
    await postgres?.close()
    await dir?.remove()
  })

  /** A client as each process is reached by itself: the metadata names the address that they share. */
  async function clientAt(process: LedgerProcess): Promise<Configuration> {
    const metadata = (await (await fetch(`${process.address}/.well-known/openid-configuration`)).json()) as ServerMetadata
    const own = Object.entries(metadata).map(([name, value]) => [
      name,
      name.endsWith('_endpoint') ? String(value).replace(a.url, process.address) : value,
    ])
    const config = new Configuration(Object.fromEntries(own), 'ledger-web', undefined, None())
    allowInsecureRequests(config)
    return config
  }

  /** Asks for a code at one process. */
  async function codeAt(process: LedgerProcess, name: PersonName, cookies = new Map<string, string>(), password?: string) {
    const verifier = randomPKCECodeVerifier()
    const redirectUri = `${a.url}/callback`
    const start = buildAuthorizationUrl(await clientAt(process), {
      redirect_uri: redirectUri,
      scope: 'openid invoice:read',
      code_challenge: await calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    })
    const person = { ...people[name], ...(password !== undefined && { password }) }
    return { verifier, callback: await signIn(start, { redirectUri, person, cookies }) }
  }

  const redeemAt = async (process: LedgerProcess, { verifier, callback }: { verifier: string; callback: URL }) =>
    authorizationCodeGrant(await clientAt(process), callback, { pkceCodeVerifier: verifier, idTokenExpected: true })

  it('say what they are on', () => {
    expect(a.stdout).toBe(`Ledger on ${a.url} (fastify, postgres, redis)\n`)
    expect(b.stdout).toBe(a.stdout)
  })

  it('know the same invoices, tokens and accounts', async () => {
    const { body: made } = await call(a.address, token, 'POST', '/api/invoices', { customer: 'Both', amount: 7 })
    expect((await call(b.address, token, 'GET', `/api/invoices/${made.id}`)).body).toEqual(made)
    expect((await call(b.address, token, 'GET', '/api/me')).body).toMatchObject({ sub: 'usr_grace' })
  })

  it('a session that was begun at one is good at the other, and one that ended is not', async () => {
    const cookies = new Map<string, string>()
    await codeAt(a, 'grace', cookies)
    const wrong = 'not-her-password'
    const tokens = await redeemAt(b, await codeAt(b, 'grace', cookies, wrong))
    expect(tokens.claims()?.sub).toBe('usr_grace')

    const signOut = buildEndSessionUrl(await clientAt(a), { id_token_hint: tokens.id_token ?? '' })
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    await fetch(signOut, { headers: { cookie }, redirect: 'manual' })
    await expect(codeAt(b, 'grace', cookies, wrong)).rejects.toThrow('does not end')
  })

  it('a code that was redeemed at one is gone at the other, however many ask both at once', async () => {
    const code = await codeAt(a, 'alan')
    const answers = await Promise.allSettled(Array.from({ length: 20 }, (_, n) => redeemAt(n % 2 === 0 ? a : b, code)))
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const answer of answers)
      if (answer.status === 'rejected') expect(answer.reason).toMatchObject({ error: 'invalid_grant' })
    await expect(redeemAt(b, code)).rejects.toMatchObject({ error: 'invalid_grant' })
  })

  it('what was revoked at one is refused at the other within two seconds or so', async () => {
    const tokens = await redeemAt(a, await codeAt(a, 'alan'))
    expect((await call(b.address, tokens.access_token, 'GET', '/api/me')).status).toBe(200)
    await tokenRevocation(await clientAt(a), tokens.access_token)
    expect((await call(a.address, tokens.access_token, 'GET', '/api/me')).status).toBe(401)
    await expect.poll(async () => (await call(b.address, tokens.access_token, 'GET', '/api/me')).status, PATIENCE).toBe(401)
  })

  it('share a limit: of 120 calls at both together 100 pass (v5.0.0-2.4.1)', async () => {
    const { tokens } = await signInAs(a.url, 'linus')
    const answers = await Promise.all(
      Array.from({ length: 120 }, (_, n) => call((n % 2 === 0 ? a : b).address, tokens.access_token, 'GET', '/api/me')),
    )
    // What comes back while they run, at 100 a minute, is one or two.
    const passed = answers.filter(({ status }) => status === 200).length
    expect(passed).toBeGreaterThanOrEqual(100)
    expect(passed).toBeLessThan(115)
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(120 - passed)
  })

  it('while Redis hangs: limits go on by each one’s share, nobody signs in, one line says so, and all comes back by itself', async () => {
    const me = async () => (await call(a.address, token, 'GET', '/api/me')).status
    redis.freeze()
    const began = performance.now()
    const statuses = await Promise.all(Array.from({ length: 20 }, me))
    expect(new Set(statuses)).toEqual(new Set([200]))
    await expect(codeAt(a, 'alan')).rejects.toThrow('503')
    expect(performance.now() - began).toBeLessThan(PATIENCE.timeout)
    const lines = () => a.stderr.split('\n').filter((line) => line.includes('core.backend_'))
    expect(lines().filter((line) => line.includes('lost')).length).toBeLessThanOrEqual(2)
    redis.thaw()
    await expect
      .poll(
        () =>
          codeAt(a, 'alan').then(
            () => true,
            () => false,
          ),
        PATIENCE,
      )
      .toBe(true)
    await expect.poll(() => lines().some((line) => line.includes('core.backend_restored')), PATIENCE).toBe(true)
    expect(await me()).toBe(200)
  })

  it('while PostgreSQL hangs: calls are answered 503 in time, and all comes back by itself', async () => {
    postgres.freeze()
    const answers = await Promise.all(Array.from({ length: 30 }, () => call(a.address, token, 'GET', '/api/invoices')))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([503]))
    expect(answers[0]?.headers.get('content-type')).toBe('application/problem+json')
    // Of a thousand calls that fail, one line.
    expect(a.stderr.split('\n').filter((line) => line.includes('backend_lost') && line.includes('postgres'))).toHaveLength(1)
    expect(JSON.stringify(answers.map(({ body }) => body))).not.toMatch(/postgres|timeout|store_sql/i)
    postgres.thaw()
    await expect.poll(async () => (await call(a.address, token, 'GET', '/api/invoices')).status, PATIENCE).toBe(200)
    await expect.poll(async () => (await call(b.address, token, 'GET', '/api/invoices')).status, PATIENCE).toBe(200)
  })

  it('kill -9 of one in the middle of writes: what was acknowledged is there, nothing is half there, a refund is given once', async () => {
    const [first, second] = [await freePort(), await freePort()]
    const settings = { LIMITS: 'off', PUBLIC_URL: a.url }
    const [here, there] = await Promise.all([start(first, settings), start(second, settings)])
    const { tokens } = await signInAs(a.url, 'ada')
    const ada = tokens.access_token
    const acknowledged: { id: string; amount: number }[] = []
    const refunded: string[] = []
    let killed = false

    /** Makes invoices and refunds them, each at both processes, until the other one is gone for a while. */
    async function work(process: LedgerProcess, other: LedgerProcess, worker: number): Promise<void> {
      for (let n = 0, failures = 0; n < 60 && failures < 3; n++) {
        try {
          const amount = 1000 * worker + n + 1
          const made = await call(process.address, ada, 'POST', '/api/invoices', { customer: 'Load', amount })
          if (made.status !== 201) throw new Error(`status ${made.status}`)
          acknowledged.push({ id: made.body.id, amount })
          const refunds = await Promise.allSettled(
            [process, other].map((each) => call(each.address, ada, 'POST', `/api/invoices/${made.body.id}/refund`)),
          )
          for (const refund of refunds)
            if (refund.status === 'fulfilled' && refund.value.status === 200) refunded.push(made.body.id)
        } catch {
          failures += 1
        }
        if (acknowledged.length >= 60 && !killed) {
          killed = true
          await there.end('SIGKILL')
        }
      }
    }
    await Promise.all(Array.from({ length: 6 }, (_, n) => work(n % 2 === 0 ? here : there, n % 2 === 0 ? there : here, n)))
    expect(killed).toBe(true)
    expect(acknowledged.length).toBeGreaterThan(100)
    expect(new Set(refunded).size).toBe(refunded.length)

    const again = await start(second, settings)
    const all = new Map<string, { amount: number; status: string }>()
    for (let after = ''; ; ) {
      const { body } = await call(again.address, ada, 'GET', `/api/invoices?limit=100${after && `&after=${after}`}`)
      for (const invoice of body.items) all.set(invoice.id, invoice)
      if (body.next === null) break
      after = body.next
    }
    for (const { id, amount } of acknowledged) {
      expect(all.get(id)).toMatchObject({ amount, currency: 'EUR', customer: 'Load' })
      expect((await call(again.address, ada, 'GET', `/api/invoices/${id}`)).body).toEqual(all.get(id))
    }
    for (const id of refunded) expect(all.get(id)?.status).toBe('refunded')
    await Promise.all([here.end('SIGTERM'), again.end('SIGTERM')])
  })
})
