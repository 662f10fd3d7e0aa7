import type { Clock, Store } from '@portcullis/core'
import { createRelations } from '@portcullis/rbac/relations'
import { expect } from 'vitest'
import { CALLERS, type OneTimeBehaviour } from './one-time-subject.ts'

const tenant = 'suite'

/** Who is related to what. */
export const relations: readonly OneTimeBehaviour[] = [
  {
    title: `of ${CALLERS} writes of one tuple at once one is a change, and of as many removals`,
    async check({ store, clock, account, atOnce }) {
      const tuple = viewer(account, 'grace')
      const written = await atOnce((on) => drive(on, clock).write(tuple))
      expect(written.filter(Boolean)).toHaveLength(1)
      const removed = await atOnce((on) => drive(on, clock).remove(tuple))
      expect(removed.filter(Boolean)).toHaveLength(1)
      expect((await drive(store, clock).check(tuple)).allowed).toBe(false)
    },
  },
  {
    title: `of ${CALLERS} tuples written at once none is lost, nor found under another subject`,
    async check({ store, clock, account, atOnce }) {
      await atOnce((on, n) => drive(on, clock).write(viewer(account, `u${n}`)))
      const checked = await atOnce((on, n) => drive(on, clock).check(viewer(account, `u${n}`)))
      expect(checked.every(({ allowed }) => allowed)).toBe(true)
      expect((await drive(store, clock).check(viewer(account, `u${CALLERS}`))).allowed).toBe(false)
      expect((await drive(store, clock).expand(viewer(account, 'u0'))).subjects).toHaveLength(CALLERS)
    },
  },
  {
    title: 'of 40 ends that one tuple is given at once it has one, and it is found by object, subject and set all the same',
    async check({ store, clock, account, atOnce }) {
      const object = { type: 'document', id: account } as const
      const subject = { type: 'group', id: account, relation: 'member' } as const
      const ends = Array.from({ length: 40 }, (_, n) => clock.now() + 600_000 + n)
      const tuple = { tenant, object, relation: 'viewer', subject } as const
      await atOnce((on, n) => drive(on, clock).write({ ...tuple, expiresAt: ends[n] ?? 0 }), ends.length)
      const open = drive(store, clock)
      await open.write({
        tenant,
        object: { type: 'group', id: account },
        relation: 'member',
        subject: { type: 'user', id: 'grace' },
      })
      const [share, ...others] = (await open.expand(tuple)).subjects
      const expiresAt = share?.expiresAt
      expect(others).toEqual([])
      expect(ends).toContain(expiresAt)
      expect((await open.check(viewer(account, 'grace'))).until).toBe(expiresAt)
      const listed = await open.list({ tenant, type: 'document', relation: 'viewer', subject: { type: 'user', id: 'grace' } })
      expect(listed.ids).toContain(account)
    },
  },
]

function drive(store: Store, clock: Clock): ReturnType<typeof createRelations<typeof schema>> {
  return createRelations({ store, clock, schema, listReads: 100_000 })
}

const schema = {
  user: {},
  group: { member: { direct: ['user'] } },
  document: { viewer: { direct: ['user', 'group#member'] } },
} as const

function viewer(
  account: string,
  id: string,
): {
  readonly tenant: string
  readonly object: { readonly type: 'document'; readonly id: string }
  readonly relation: 'viewer'
  readonly subject: { readonly type: 'user'; readonly id: string }
} {
  return { tenant, object: { type: 'document', id: account }, relation: 'viewer', subject: { type: 'user', id } }
}
