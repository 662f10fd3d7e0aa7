import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hasPostgres, hasRedis, PostgresServer, RedisServer } from '@portcullis/conformance/servers'
import { createRedisStore } from '@portcullis/store-redis'
import { openPostgres, openSqlite } from '@portcullis/store-sql'
import { Redis } from 'ioredis'
import Database from 'libsql'
import pg from 'pg'
import { type Bench, compare } from '../bench.ts'
import { expectAnswer } from '../errors.ts'
import type { MeasureOptions, Subject } from '../harness.ts'
import type { Growth, Row } from '../report.ts'
import { barePostgres, bareRedis, bareSqlite } from './store-bare.ts'
import { storeVerbs, type Verbs } from './store-verbs.ts'

const VERBS = ['create', 'get', 'replace', 'take'] as const
type Verb = (typeof VERBS)[number]

const IN_FLIGHT = [1, 64, 512] as const
const TARGET = 0.8
const POOL = 10
const LIFETIME = 3_600_000

/** As large as a session. */
const VALUE = JSON.stringify({ subject: 'user-4711', handle: 'h'.repeat(43), createdAt: '2026-01-01', data: 'd'.repeat(120) })

/** A backend, opened twice: by us, and bare. */
interface Backend {
  readonly name: string
  readonly available: boolean
  open(): Promise<{ readonly ours: Verbs; readonly bare: Verbs; close(): Promise<void> }>
}

const BACKENDS: readonly Backend[] = [
  {
    name: 'sqlite',
    available: true,
    async open() {
      const directory = await mkdtemp(join(tmpdir(), 'portcullis-bench-'))
      const store = await openSqlite({ filename: join(directory, 'ours.db'), Database })
      return {
        ours: storeVerbs(store, () => store.close()),
        bare: bareSqlite(directory),
        close: () => rm(directory, { recursive: true }),
      }
    },
  },
  {
    name: 'postgres',
    available: hasPostgres(),
    async open() {
      const server = await PostgresServer.start()
      const { connectionString } = server
      const store = await openPostgres({ connectionString, Pool: pg.Pool, poolSize: POOL, timeout: 30_000 })
      return {
        ours: storeVerbs(store, () => store.close()),
        bare: await barePostgres(connectionString, POOL),
        close: () => server.close(),
      }
    },
  },
  {
    name: 'redis',
    available: hasRedis(),
    async open() {
      const server = new RedisServer()
      await server.start()
      // As the package's README asks for it.
      const client = new Redis(server.socket, { maxRetriesPerRequest: 0, socketTimeout: 1000 })
      const store = createRedisStore({ client, timeout: 30_000 })
      return {
        ours: storeVerbs(store, async () => client.disconnect()),
        bare: await bareRedis(server.socket),
        close: () => server.close(),
      }
    },
  },
]

/** Each verb of each backend, against the bare client's own round trip. */
export const storeBenches: readonly Bench[] = VERBS.map((verb) => ({
  name: `store.${verb}`,
  async run(options) {
    const rows: Row[] = []
    const growth: Growth[] = []
    for (const backend of BACKENDS) {
      if (!backend.available) {
        process.stderr.write(`store.${verb}.${backend.name} skipped: there is no such server here\n`)
        continue
      }
      const found = await measureBackend(verb, backend, options)
      rows.push(...found)
      const sizes = found.map(({ ours }, n) => ({ size: IN_FLIGHT[n] ?? 0, ours }))
      growth.push({ bench: `store.${verb}.${backend.name}`, unit: 'ops/s', size: 'calls in flight', growth: sizes })
    }
    return { rows, growth }
  },
}))

async function measureBackend(verb: Verb, backend: Backend, options: MeasureOptions): Promise<readonly Row[]> {
  const { ours, bare, close } = await backend.open()
  try {
    for (const [name, verbs] of Object.entries({ ours, bare })) await assertAnswers(`${backend.name}, ${name}`, verbs)
    const rows: Row[] = []
    for (const inFlight of IN_FLIGHT) {
      const subject = subjectOf('ours', verb, ours, inFlight)
      const peer = { ...subjectOf(`${backend.name} driver (limit)`, verb, bare, inFlight), target: TARGET }
      rows.push(...(await compare(`store.${verb}.${backend.name}.${inFlight}`, subject, [peer], options)))
    }
    return rows
  } finally {
    await ours.close()
    await bare.close()
    await close()
  }
}

async function assertAnswers(name: string, verbs: Verbs): Promise<void> {
  const expiresAt = Date.now() + LIFETIME
  expectAnswer(name, await verbs.create('probe', VALUE, expiresAt))
  expectAnswer(name, !(await verbs.create('probe', VALUE, expiresAt)))
  expectAnswer(name, JSON.stringify(await verbs.get('probe')).includes('user-4711'))
  const version = await verbs.version('probe')
  expectAnswer(name, !(await verbs.replace('probe', version + 5, VALUE)))
  expectAnswer(name, await verbs.replace('probe', version, VALUE))
  expectAnswer(name, JSON.stringify(await verbs.take('probe')).includes('user-4711'))
  expectAnswer(name, (await verbs.take('probe')) === undefined)
}

let rounds = 0

/** What is made, changed and taken is new in each round; what is read is read again and again. */
function subjectOf(name: string, verb: Verb, verbs: Verbs, inFlight: number): Subject {
  let prefix = ''
  let versions: number[] = []
  const each = (count: number, work: (n: number) => Promise<unknown>): Promise<unknown> => workers(inFlight, count, work)
  return {
    name,
    async prepare(iterations) {
      rounds += 1
      prefix = `${rounds}-`
      if (verb === 'create') return
      const expiresAt = Date.now() + LIFETIME
      await workers(64, iterations, (n) => verbs.create(prefix + n, VALUE, expiresAt))
      versions = []
      if (verb !== 'replace') return
      await workers(64, iterations, async (n) => {
        versions[n] = await verbs.version(prefix + n)
      })
    },
    run(iterations) {
      if (verb === 'create') {
        const expiresAt = Date.now() + LIFETIME
        return each(iterations, (n) => verbs.create(prefix + n, VALUE, expiresAt))
      }
      if (verb === 'get') return each(iterations, (n) => verbs.get(prefix + n))
      if (verb === 'take') return each(iterations, (n) => verbs.take(prefix + n))
      return each(iterations, (n) => verbs.replace(prefix + n, versions[n] ?? 0, VALUE))
    },
  }
}

/** So many at once, each beginning the next when it has ended. */
async function workers(inFlight: number, count: number, work: (n: number) => Promise<unknown>): Promise<void> {
  let next = 0
  const one = async (): Promise<void> => {
    while (next < count) await work(next++)
  }
  await Promise.all(Array.from({ length: Math.min(inFlight, count) }, one))
}
