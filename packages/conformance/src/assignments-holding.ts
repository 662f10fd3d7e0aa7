import type { Clock, Store } from '@portcullis/core'
import { type Assignments, type AssignmentsOptions, createAssignments } from '@portcullis/rbac/assignments'
import { expect } from 'vitest'
import { CALLERS, expectOneWinner, type OneTimeBehaviour } from './one-time-subject.ts'

/** One for each caller. */
const roles: readonly string[] = Array.from({ length: CALLERS }, (_, n) => `role${n}`)
const tenant = 'suite'
const by = { kind: 'system', subject: 'suite' } as const
const [first = '', second = ''] = roles

/** Who holds which role. */
export const holding: readonly OneTimeBehaviour[] = [
  {
    title: `of ${CALLERS} roles that exclude each other, assigned to one holder at once, one is held`,
    async check({ store, clock, account, atOnce }) {
      const constraints = { static: [{ roles }] }
      const holder = holderOf(account)
      const results = await atOnce((on, n) => desk(on, clock, { constraints }).assign({ tenant, holder, roles: [roleOf(n)], by }))
      expectOneWinner(results)
      const won = roleOf(results.findIndex(({ ok }) => ok))
      expect((await desk(store, clock).rolesOf(holder, tenant)).roles).toEqual([won])
    },
  },
  {
    title: 'of 50 roles of which three may be held, assigned at once, three are held',
    async check({ store, clock, account, atOnce }) {
      const constraints = { static: [{ roles, most: 3 }] }
      const holder = holderOf(account)
      const assign = (on: Store, n: number) => desk(on, clock, { constraints }).assign({ tenant, holder, roles: [roleOf(n)], by })
      const results = await atOnce(assign, 50)
      expect(results.filter(({ ok }) => ok)).toHaveLength(3)
      expect((await desk(store, clock).rolesOf(holder, tenant)).roles).toHaveLength(3)
    },
  },
  {
    title: 'of 30 roles assigned to one holder at once none is lost, nor of 15 that are taken away and 15 that come meanwhile',
    async check({ store, clock, account, atOnce }) {
      const holder = holderOf(account)
      const assign = (on: Store, n: number) => desk(on, clock).assign({ tenant, holder, roles: [roleOf(n)], by })
      await atOnce(assign, 30)
      const held = async (): Promise<readonly string[]> => (await desk(store, clock).rolesOf(holder, tenant)).roles
      expect(await held()).toEqual(roles.slice(0, 30))
      await atOnce<{ readonly ok: boolean }>((on, n) => {
        return n < 15 ? desk(on, clock).revoke({ tenant, holder, role: roleOf(n), by }) : assign(on, n + 15)
      }, 30)
      expect(await held()).toEqual(roles.slice(15, 45))
    },
  },
  {
    title: `of ${CALLERS} revocations of one role at once, one took it away`,
    async check({ store, clock, account, atOnce }) {
      const holder = holderOf(account)
      await desk(store, clock).assign({ tenant, holder, roles: [first], by })
      expectOneWinner(await atOnce((on) => desk(on, clock).revoke({ tenant, holder, role: first, by })))
      expect((await desk(store, clock).rolesOf(holder, tenant)).roles).toEqual([])
    },
  },
  {
    title: `of ${CALLERS} answers to one request at once, approvals and refusals, one counts`,
    async check({ store, clock, account, atOnce }) {
      const id = await request(desk(store, clock), account, first)
      const results = await atOnce((on, n) => {
        const approver = { kind: 'user', subject: `approver${n}`, tenant } as const
        return desk(on, clock)[n % 2 === 0 ? 'approve' : 'decline'](id, { by: approver })
      })
      expectOneWinner(results)
      const isApproved = results.findIndex(({ ok }) => ok) % 2 === 0
      expect((await desk(store, clock).rolesOf(holderOf(account), tenant)).roles).toEqual(isApproved ? [first] : [])
    },
  },
  {
    title: 'of two requests for roles that exclude each other, approved by 100 at once, one is held',
    async check({ store, clock, account, atOnce }) {
      const constraints = { static: [{ roles: [first, second] }] }
      const open = desk(store, clock)
      const ids = [await request(open, account, first), await request(open, account, second)] as const
      const results = await atOnce((on, n) => {
        const approver = { kind: 'user', subject: `approver${n}`, tenant } as const
        return desk(on, clock, { constraints }).approve(n % 2 === 0 ? ids[0] : ids[1], { by: approver })
      }, 100)
      expectOneWinner(results)
      expect((await open.rolesOf(holderOf(account), tenant)).roles).toHaveLength(1)
    },
  },
  {
    title: 'of 100 requests for one role at once, one waits for an answer',
    async check({ store, clock, account, atOnce }) {
      const wanted = { tenant, holder: holderOf(account), by: requesterOf(account), role: first, reason: 'race', duration: 60 }
      expectOneWinner(await atOnce((on) => desk(on, clock).request(wanted), 100))
      let waiting = 0
      for await (const { assignments } of desk(store, clock).list({ holder: wanted.holder })) waiting += assignments.length
      expect(waiting).toBe(1)
    },
  },
  {
    title: 'of two roles of which a session may have one active, activated by 100 at once, it has one',
    async check({ store, clock, account, atOnce }) {
      const constraints = { dynamic: [{ roles: [first, second] }] }
      const holder = holderOf(account)
      await desk(store, clock).assign({ tenant, holder, roles: [first, second], by })
      const results = await atOnce(
        (on, n) => desk(on, clock, { constraints }).activate(holder, tenant, [roleOf(n % 2)], 's'),
        100,
      )
      expect(results.every(({ ok }) => ok)).toBe(true)
      expect(await desk(store, clock).activeRoles(holder, tenant, 's')).toHaveLength(1)
    },
  },
]

function desk(store: Store, clock: Clock, options: Partial<AssignmentsOptions> = {}): Assignments {
  return createAssignments<string>({ store, clock, access: { roles }, hierarchy: {}, mayAssign: () => true, ...options })
}

function holderOf(account: string): { readonly kind: 'user'; readonly subject: string } {
  return { kind: 'user', subject: account }
}

function requesterOf(account: string): { readonly kind: 'user'; readonly subject: string; readonly tenant: string } {
  return { ...holderOf(account), tenant }
}

function roleOf(n: number): string {
  return roles[n] ?? ''
}

async function request(on: Assignments, account: string, role: string): Promise<string> {
  const asker = requesterOf(account)
  const asked = await on.request({ tenant, holder: holderOf(account), by: asker, role, reason: 'race', duration: 60 })
  if (!asked.ok) throw new TypeError(asked.reason.code)
  return asked.assignment.id
}
