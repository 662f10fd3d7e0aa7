import {
  type Clock,
  type Collection,
  type CollectionDeclaration,
  createMemoryStore,
  type Json,
  type Principal,
  type SecurityEvent,
  type Store,
  subscribe,
} from '@portcullis/core'
import { type Assignments, type AssignmentsOptions, createAssignments, type ListedHolding } from '@portcullis/rbac/assignments'
import { onTestFinished } from 'vitest'

/** A firm: the owner inherits what an accountant and a clerk have; an auditor may not keep the books that he audits. */
export const hierarchy = {
  viewer: { allow: ['invoice:read'] },
  clerk: { inherits: ['viewer'] },
  accountant: { inherits: ['viewer'] },
  head: { inherits: ['accountant', 'clerk'] },
  auditor: { inherits: ['viewer'] },
  admin: {},
  suspended: { deny: ['*'] },
} as const

export type FirmRole = keyof typeof hierarchy

export const access: { readonly roles: readonly FirmRole[] } = { roles: Object.keys(hierarchy) as FirmRole[] }

export const tenant = 'acme'

export const user = (subject: string): Principal => ({ subject, kind: 'user', tenant, roles: [] })
export const grace: Principal = user('grace')
export const ada: Principal = user('ada')
export const root = { kind: 'system', subject: 'bootstrap' } as const

/** Books and audit exclude each other. */
export const books = { static: [{ roles: ['accountant', 'auditor'] }] } as const

export interface Desk {
  readonly assignments: Assignments<FirmRole>
  readonly store: Store
  readonly clock: Clock & { advance(milliseconds: number): void }
  /** Another process on the same store. */
  again(options?: Partial<AssignmentsOptions<FirmRole>>): Assignments<FirmRole>
}

export function openDesk(options: Partial<AssignmentsOptions<FirmRole>> = {}): Desk {
  let now = Date.UTC(2030, 0, 1)
  const clock = {
    now: () => now,
    advance(milliseconds: number) {
      now += milliseconds
    },
  }
  const store = createMemoryStore({ clock })
  const again: Desk['again'] = (others = {}) =>
    createAssignments({ store, access, hierarchy, clock, mayAssign: () => true, ...options, ...others })
  return { assignments: again(), store, clock, again }
}

/** What a test publishes from now on, without times. */
export function listen(): Pick<SecurityEvent, 'type' | 'data'>[] {
  const heard: Pick<SecurityEvent, 'type' | 'data'>[] = []
  onTestFinished(subscribe(({ type, data }) => void heard.push({ type, data })))
  return heard
}

export async function all(found: AsyncIterable<ListedHolding>): Promise<ListedHolding[]> {
  const holdings: ListedHolding[] = []
  for await (const one of found) holdings.push(one)
  return holdings
}

/** Holders and roles of what was listed, in a fixed order. */
export async function rolesIn(found: AsyncIterable<ListedHolding>): Promise<string[]> {
  const holdings = await all(found)
  return holdings
    .flatMap(({ tenant: where, holder, assignments }) =>
      assignments.map(({ role, state }) => `${where} ${holder.kind} ${holder.subject} ${role} ${state}`),
    )
    .sort()
}

/** The code of a refusal, or `ok`. */
export function heardBy(
  result: { readonly ok: true } | { readonly ok: false; readonly reason: { readonly code: string } },
): string {
  return result.ok ? 'ok' : result.reason.code
}

/** A store of which each read waits for something before it is answered. */
export function afterReads(store: Store, wait: () => Promise<unknown> | undefined): Store {
  return {
    collection<T extends Json>(declaration: CollectionDeclaration): Collection<T> {
      const kept = store.collection<T>(declaration)
      return {
        async get(id) {
          const found = await kept.get(id)
          await wait()
          return found
        },
        create: (id, value, options) => kept.create(id, value, options),
        replace: (id, version, value, options) => kept.replace(id, version, value, options),
        take: (id) => kept.take(id),
        remove: (id) => kept.remove(id),
        find: (index, key, page) => kept.find(index, key, page),
      }
    },
  }
}
