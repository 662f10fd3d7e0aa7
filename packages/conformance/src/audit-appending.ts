import type { AuditEntry } from '@portcullis/core'
import { expect } from 'vitest'
import { type AuditBehaviour, all, numbered, RETENTION } from './audit-subject.ts'
import { collect } from './store-subject.ts'

/** What goes in comes out, in order and without a gap. */
export const appending: readonly AuditBehaviour[] = [
  {
    title: 'entries are numbered from 1 without a gap, and read as they were appended, the newest first or the oldest',
    async check({ logs: [log] }) {
      expect(await all(log)).toEqual([])
      expect(await log.head()).toBeUndefined()
      await log.append(numbered(1, 3))
      await log.append([])
      await log.append(numbered(4, 2))
      const expected = numbered(1, 5).map((entry, n) => ({ seq: n + 1, ...entry }))
      expect(await all(log)).toEqual(expected)
      expect(await collect(log.read())).toEqual(expected.toReversed())
      expect((await log.head())?.seq).toBe(5)
    },
  },
  {
    title: 'pages behind any number, in both orders and of any size, give everything once',
    async check({ logs: [log] }) {
      for (const [from, count] of [
        [1, 3],
        [4, 1],
        [5, 7],
        [12, 2],
      ] as const) {
        await log.append(numbered(from, count))
      }
      const seqs = Array.from({ length: 13 }, (_, n) => n + 1)
      for (const order of ['ascending', 'descending'] as const) {
        const expected = order === 'ascending' ? seqs : seqs.toReversed()
        for (const limit of [1, 2, 5, 13, 20]) {
          const paged: number[] = []
          for (;;) {
            const after = paged.at(-1)
            const page = await collect(log.read({ order, limit, ...(after === undefined ? {} : { after }) }))
            if (page.length === 0) break
            expect(page.length).toBeLessThanOrEqual(limit)
            paged.push(...page.map(({ seq }) => seq))
          }
          expect(paged, `${order}, ${limit}`).toEqual(expected)
        }
      }
      expect(await collect(log.read({ limit: 0 }))).toEqual([])
      expect(await collect(log.read({ order: 'ascending', after: 100 }))).toEqual([])
      expect(await collect(log.read({ after: 1 }))).toEqual([])
    },
  },
  {
    title: 'an append is whole: a thousand entries in one, and of a thousand and one none',
    async check({ logs: [log] }) {
      await log.append(numbered(1, 1000))
      await expect(log.append(numbered(1001, 1001))).rejects.toMatchObject({ code: 'core.audit_invalid' })
      const broken: AuditEntry = { type: 'test.broken', time: 1, data: 1n as never }
      await expect(log.append([...numbered(1001, 1), broken])).rejects.toMatchObject({ code: 'core.audit_invalid' })
      expect((await log.head())?.seq).toBe(1000)
    },
  },
  {
    title: 'what is not an entry is a coded error',
    async check({ logs: [log] }) {
      const cyclic: Record<string, unknown> = {}
      cyclic['self'] = cyclic
      for (const entry of [
        { type: '', time: 1, data: null },
        { type: 1, time: 1, data: null },
        { type: 'a', time: 1.5, data: null },
        { type: 'a', time: -1, data: null },
        { type: 'a', time: 1, data: undefined },
        { type: 'a', time: 1, data: cyclic },
      ]) {
        await expect(log.append([entry as unknown as AuditEntry])).rejects.toMatchObject({ code: 'core.audit_invalid' })
      }
      await expect(collect(log.read({ after: -1 }))).rejects.toMatchObject({ code: 'core.page_invalid' })
      await expect(collect(log.read({ limit: 0.5 }))).rejects.toMatchObject({ code: 'core.page_invalid' })
      expect(await all(log)).toEqual([])
    },
  },
  {
    title: 'data is any JSON, and a copy: what becomes of the object afterwards is not in the log',
    async check({ logs: [log] }) {
      const data = { text: 'é\u0000"\u2028', list: [1, null, { deep: true }], '2': 'b', '1': 'a', __proto: 1 }
      const appended = log.append([{ type: 'a', time: 1, data }])
      data.text = 'changed'
      await appended
      const [record] = await all(log)
      expect(record?.data).toEqual({ ...data, text: 'é\u0000"\u2028' })
      expect(await log.verify()).toMatchObject({ ok: true })
    },
  },
  {
    title: 'logs of one store are apart, whatever they are called',
    async check({ open, name }) {
      const names = [`${name}a`, `${name}a:0000000000000001`, `${name}A`, `${name}%`, `${name}a `, `${name}:`]
      const logs = names.map((each) => open(each))
      for (const [n, log] of logs.entries()) await log.append(numbered(n, 2))
      for (const [n, log] of logs.entries()) {
        expect((await all(log)).map(({ data }) => data)).toEqual([{ n }, { n: n + 1 }])
        expect(await log.verify()).toMatchObject({ ok: true, from: 1 })
      }
      for (const bad of ['', 'a\0', 'x'.repeat(401)]) expect(() => open(bad)).toThrow()
    },
  },
  {
    title: 'of 200 appends at once, over every connection, all are there, each in one piece and in its order, without a gap',
    async check({ logs }) {
      await Promise.all(Array.from({ length: 200 }, (_, n) => logs[n % logs.length]?.append(numbered(3 * n, 3))))
      const records = await all(logs[0])
      expect(records.map(({ seq }) => seq)).toEqual(Array.from({ length: 600 }, (_, n) => n + 1))
      const values = records.map(({ data }) => (data as { n: number }).n)
      for (let at = 0; at < 600; at += 3) {
        const first = values[at] ?? Number.NaN
        expect(values.slice(at, at + 3)).toEqual([first, first + 1, first + 2])
      }
      expect(values.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 600 }, (_, n) => n))
      expect(await logs[0].verify()).toMatchObject({ ok: true, from: 1, head: { seq: 600 } })
    },
  },
  {
    title: 'records are kept for as long as was said, and gone then, and the numbers go on',
    async check({ logs: [log], advance }) {
      await log.append(numbered(1, 2))
      await advance(RETENTION * 500)
      await log.append(numbered(3, 2))
      await advance(RETENTION * 500 - 1)
      expect((await all(log)).map(({ seq }) => seq)).toEqual([1, 2, 3, 4])
      await advance(1)
      expect((await all(log)).map(({ seq }) => seq)).toEqual([3, 4])
      await log.append(numbered(5, 1))
      expect((await all(log)).map(({ seq }) => seq)).toEqual([3, 4, 5])
      expect(await log.verify()).toMatchObject({ ok: true, from: 3, head: { seq: 5 } })
    },
  },
]
