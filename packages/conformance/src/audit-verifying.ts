import { type AuditLog, createAuditLog, type Json } from '@portcullis/core'
import { assert, expect } from 'vitest'
import { type AuditBehaviour, type AuditContext, all, numbered, RETENTION } from './audit-subject.ts'
import { collect } from './store-subject.ts'

interface Kept {
  readonly id: string
  readonly value: { readonly entries: readonly Json[] } & { readonly [member: string]: Json }
  readonly version: number
  readonly options: { readonly expiresAt: number; readonly index: Readonly<Record<string, string>> }
}

/** The batches of the context's log: five, of two records each, as they lie in the store. */
async function fiveBatches({ logs: [log], batches, name }: AuditContext): Promise<[Kept, Kept, Kept, Kept, Kept]> {
  for (let n = 0; n < 5; n++) await log.append(numbered(2 * n + 1, 2))
  const kept: Kept[] = []
  for await (const { id, value, version, expiresAt } of batches.find('log', name)) {
    assert(expiresAt !== undefined, 'a batch has an expiry')
    kept.push({ id, value: value as Kept['value'], version, options: { expiresAt, index: { log: name } } })
  }
  const [first, second, third, fourth, fifth, ...more] = kept
  assert(first && second && third && fourth && fifth && more.length === 0, 'there are not five batches')
  return [first, second, third, fourth, fifth]
}

/** What shows, and what only an anchor shows. */
export const verifying: readonly AuditBehaviour[] = [
  {
    title: 'a log that nobody touched is good, empty or not, and so is each head that it ever had',
    async check({ logs: [log] }) {
      expect(await log.verify()).toEqual({ ok: true, from: 1, head: undefined })
      const heads = []
      for (let n = 0; n < 5; n++) {
        await log.append(numbered(n, n + 1))
        heads.push(await log.head())
      }
      for (const head of heads) expect(await log.verify(head)).toEqual({ ok: true, from: 1, head: heads.at(-1) })
    },
  },
  {
    title: 'a changed entry shows, in whatever it was changed',
    async check(context) {
      const kept = await fiveBatches(context)
      for (const [n, changed] of [
        { type: 'test.else', time: 1005, data: { n: 5 } },
        { type: 'test.happened', time: 1006, data: { n: 5 } },
        { type: 'test.happened', time: 1005, data: { n: 6 } },
      ].entries()) {
        const { id, value, options } = kept[2]
        const current = await context.batches.get(id)
        assert(current !== undefined)
        expect(value.entries, String(n)).toHaveLength(2)
        const entries = [changed, value.entries[1] as Json]
        expect(await context.batches.replace(id, current.version, { ...value, entries }, options)).toBe(true)
        expect(await context.logs[0].verify()).toEqual({ ok: false, reason: 'changed', seq: 5 })
      }
      const { id, value, options } = kept[2]
      const current = await context.batches.get(id)
      await context.batches.replace(id, current?.version ?? 0, value, options)
      expect(await context.logs[0].verify()).toMatchObject({ ok: true })
    },
  },
  {
    title: 'an entry that was added to a batch, or taken out of one, shows',
    async check(context) {
      const kept = await fiveBatches(context)
      const { id, value, version, options } = kept[1]
      const more = [...value.entries, value.entries[0] as Json]
      await context.batches.replace(id, version, { ...value, entries: more }, options)
      expect(await context.logs[0].verify()).toMatchObject({ ok: false, reason: 'changed', seq: 3 })
      const current = await context.batches.get(id)
      await context.batches.replace(id, current?.version ?? 0, { ...value, entries: [value.entries[0] as Json] }, options)
      expect(await context.logs[0].verify()).toMatchObject({ ok: false, reason: 'changed', seq: 3 })
    },
  },
  {
    title: 'a batch that was removed shows, from the middle and from the front',
    async check(context) {
      const kept = await fiveBatches(context)
      for (const [taken, seq] of [
        [kept[2], 7],
        [kept[0], 3],
      ] as const) {
        const { id, value, options } = taken
        await context.batches.remove(id)
        expect(await context.logs[0].verify()).toEqual({ ok: false, reason: 'missing', seq })
        await context.batches.create(id, value, options)
        expect(await context.logs[0].verify()).toMatchObject({ ok: true })
      }
    },
  },
  {
    title: 'batches that were exchanged show, and one that was brought from another log',
    async check(context) {
      const kept = await fiveBatches(context)
      const [second, third] = [kept[1], kept[2]]
      await context.batches.replace(second.id, second.version, third.value, second.options)
      expect((await context.logs[0].verify()).ok).toBe(false)
      const now = await context.batches.get(second.id)
      await context.batches.replace(second.id, now?.version ?? 0, second.value, second.options)
      expect(await context.logs[0].verify()).toMatchObject({ ok: true })

      const other = context.open(`${context.name} other`)
      await other.append(numbered(1, 2))
      const [theirs] = await collect(context.batches.find('log', `${context.name} other`))
      const first = await context.batches.get(kept[0].id)
      await context.batches.replace(kept[0].id, first?.version ?? 0, theirs?.value ?? null, kept[0].options)
      expect(await context.logs[0].verify()).toMatchObject({ ok: false, reason: 'changed' })
    },
  },
  {
    title: 'a batch from the middle whose numbers and hash were made to fit shows by the one behind it',
    async check(context) {
      const kept = await fiveBatches(context)
      const { id, version, options } = kept[2]
      await context.batches.replace(id, version, await forge(context, 2, context.now()), options)
      expect((await context.logs[0].verify()).ok).toBe(false)
      // And one that says of the batch before that it has expired, so that nobody look for it.
      const now = await context.batches.get(id)
      const old = await forge(context, 2, context.now() - 10 * RETENTION * 1000)
      await context.batches.replace(id, now?.version ?? 0, old, options)
      expect(await context.logs[0].verify()).toEqual({ ok: false, reason: 'changed', seq: 5 })
    },
  },
  {
    title: 'an end that was cut off shows by an anchor, and only by one',
    async check(context) {
      const kept = await fiveBatches(context)
      const anchor = await context.logs[0].head()
      assert(anchor !== undefined)
      await context.batches.remove(kept[4].id)
      expect(await context.logs[0].verify()).toMatchObject({ ok: true, head: { seq: 8 } })
      expect(await context.logs[0].verify(anchor)).toEqual({ ok: false, reason: 'missing', seq: 10 })
      // And when others have written in its place since.
      await context.open(context.name).append(numbered(100, 2))
      expect(await context.logs[0].verify()).toMatchObject({ ok: true, head: { seq: 10 } })
      expect(await context.logs[0].verify(anchor)).toEqual({ ok: false, reason: 'changed', seq: 9 })
      await context.batches.remove(kept[4].id)
      await context.open(context.name).append(numbered(100, 5))
      expect(await context.logs[0].verify(anchor)).toEqual({ ok: false, reason: 'changed', seq: 9 })
    },
  },
  {
    title: 'what is missing by age is no gap; what is missing before its time is one',
    async check(context) {
      const { logs, batches, advance } = context
      const kept = await fiveBatches(context)
      await advance(RETENTION * 1000 - 600_000)
      await logs[0].append(numbered(11, 1))
      // More than the clocks' difference before its time.
      await batches.remove(kept[0].id)
      expect(await logs[0].verify()).toEqual({ ok: false, reason: 'missing', seq: 3 })
      await advance(600_000)
      expect(await logs[0].verify()).toMatchObject({ ok: true, from: 11, head: { seq: 11 } })
      expect((await all(logs[0])).map(({ seq }) => seq)).toEqual([11])
    },
  },
  {
    title: 'an anchor whose records have expired since is no complaint',
    async check({ logs: [log], advance }) {
      await log.append(numbered(1, 2))
      const anchor = await log.head()
      await advance(RETENTION * 500)
      await log.append(numbered(3, 2))
      await advance(RETENTION * 500)
      expect(await log.verify(anchor)).toMatchObject({ ok: true, from: 3 })
    },
  },
]

/** A batch with right numbers and a right hash, for the context's log, which nobody wrote. */
async function forge({ store, name }: AuditContext, batches: number, now: number): Promise<Json> {
  const rooms = new Map<string, Json>()
  // The same code on a store of one's own: whoever has the store has the code as well.
  const own = {
    collection: () => ({
      create: async (id: string, value: Json) => {
        rooms.set(id, value)
        return true
      },
      async *find() {},
    }),
  }
  const forger: AuditLog = createAuditLog({
    store: own as unknown as typeof store,
    name,
    retention: RETENTION,
    clock: { now: () => now },
  })
  for (let n = 0; n <= batches; n++) await forger.append(numbered(50 + n, 2))
  return [...rooms.values()].at(-1) ?? null
}
