import { describe, expect, it } from 'vitest'
import { type AuditRecord, createAuditLog, createMemoryStore, type Json, type Store } from '../src/index.ts'

const entry = (n: number, data: Json = { n }) => ({ type: 'test.happened', time: n, data })

async function all(log: ReturnType<typeof createAuditLog>): Promise<AuditRecord[]> {
  const records: AuditRecord[] = []
  for await (const record of log.read({ order: 'ascending' })) records.push(record)
  return records
}

/** A store that tells what is created, and may fail before or after it did as told. */
function watched(store: Store) {
  const created: string[] = []
  const fail: ('before' | 'after')[] = []
  const wrapped: Store = {
    collection(declaration) {
      const kept = store.collection<any>(declaration)
      return Object.assign(Object.create(kept), {
        find: kept.find.bind(kept),
        async create(id: string, value: Json, options: object) {
          const how = fail.shift()
          if (how === 'before') throw new TypeError('connection lost')
          const done = await kept.create(id, value, options)
          if (how === 'after') throw new TypeError('connection lost')
          if (done) created.push(id)
          return done
        },
      })
    },
  }
  return { store: wrapped, created, fail }
}

describe('an audit log', () => {
  it('writes together what is appended while a write is under way', async () => {
    const { store, created } = watched(createMemoryStore())
    const log = createAuditLog({ store })
    await Promise.all(Array.from({ length: 100 }, (_, n) => log.append([entry(n)])))
    expect(created).toHaveLength(2)
    expect((await all(log)).map(({ time }) => time)).toEqual(Array.from({ length: 100 }, (_, n) => n))
  })

  it('keeps a write within bounds: a thousand entries, and a quarter of a million characters where there are several', async () => {
    const { store, created } = watched(createMemoryStore())
    const log = createAuditLog({ store })
    const long = 'x'.repeat(100_000)
    await Promise.all([log.append([entry(1)]), ...Array.from({ length: 6 }, (_, n) => log.append([entry(n, long)]))])
    expect(created).toHaveLength(1 + 3)
    await log.append([entry(1, 'x'.repeat(1_000_000))])
    created.length = 0
    const many = Array.from({ length: 600 }, (_, n) => entry(n))
    await Promise.all([log.append([entry(1)]), log.append(many), log.append(many)])
    expect(created).toHaveLength(3)
    expect(await log.verify()).toMatchObject({ ok: true })
  })

  it.each(['before', 'after'] as const)('goes on behind a write that failed %s it was done', async (when) => {
    const { store, fail } = watched(createMemoryStore())
    const log = createAuditLog({ store })
    await log.append([entry(1)])
    fail.push(when)
    const [failed, next] = await Promise.allSettled([log.append([entry(2)]), log.append([entry(3)])])
    expect([failed.status, next.status]).toEqual(['rejected', 'fulfilled'])
    await log.append([entry(4)])
    expect((await all(log)).map(({ time }) => time)).toEqual(when === 'before' ? [1, 3, 4] : [1, 2, 3, 4])
    expect(await log.verify()).toMatchObject({ ok: true })
  })

  it('gives up with a coded error on a store in which every number is taken', async () => {
    const kept = createMemoryStore()
    const store: Store = {
      collection: (declaration) =>
        Object.assign(Object.create(kept.collection(declaration)), { create: async () => false, async *find() {} }),
    }
    const log = createAuditLog({ store })
    await expect(log.append([entry(1)])).rejects.toMatchObject({ code: 'core.audit_contended', status: 503 })
  })

  it.each([
    ['no name', { name: '' }],
    ['a name that is too long', { name: 'x'.repeat(401) }],
    ['no retention', { retention: 0 }],
    ['a retention that is no number', { retention: Number.NaN }],
  ])('refuses %s', (_what, options) => {
    expect(() => createAuditLog({ store: createMemoryStore(), ...options })).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^core\.(audit|id)_invalid$/) }),
    )
  })
})
