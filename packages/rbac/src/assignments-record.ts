import { randomBytes, randomInt } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { Clock, Collection, Page, Store, Stored } from '@portcullis/core'
import { AssignmentError } from './assignments-errors.ts'
import { type Holder, keyOf, nameOf, type Party } from './assignments-holder.ts'

/** One role of one holder, held or asked for. Times in milliseconds since the epoch. */
export type KeptAssignment = {
  /** 128 random bits. */
  readonly handle: string
  readonly role: string
  readonly state: 'requested' | 'active'
  /** Who assigned it, or asked for it. */
  readonly by: Party
  readonly at: number
  readonly reason?: string
  /** Seconds that it shall last once it is approved. */
  readonly duration?: number
  readonly approvedBy?: Party
  readonly approvedAt?: number
  /** Active: until when. Requested: until when it may be approved. */
  readonly expiresAt?: number
}

/** All that one holder holds in one tenant. One record, so that one compare-and-set sees every role that another one excludes. */
export type Holding = {
  readonly tenant: string
  readonly holder: Party<Holder['kind']>
  readonly assignments: readonly KeptAssignment[]
}

/** What shall become of a holding, and what the caller hears once it is written. No `next`: nothing is written. */
export interface HoldingChange<R> {
  readonly next?: readonly KeptAssignment[]
  readonly result: R
}

// Every round that is lost was won by another caller, so this many in a row mean a store whose replace never succeeds.
const rounds = 100

/** Holdings in a store. */
export class Holdings {
  readonly #records: Collection<Holding>
  readonly #clock: Clock
  /** Called with the id of what was written, before its writer hears of it. */
  readonly #written: (id: string) => void

  constructor(store: Store, clock: Clock, written: (id: string) => void) {
    this.#records = store.collection<Holding>({ name: 'rbac.holdings', indexes: ['tenant', 'holder'] })
    this.#clock = clock
    this.#written = written
  }

  /** As it is kept, with what has expired: use {@link live} on it at the moment it is used. */
  async get(id: string): Promise<Holding | undefined> {
    return (await this.#records.get(id))?.value
  }

  /** What has not expired by this process's clock, whether or not the store has swept it. */
  live(holding: Holding | undefined): readonly KeptAssignment[] {
    const now = this.#clock.now()
    return (holding?.assignments ?? []).filter(({ expiresAt }) => expiresAt === undefined || expiresAt > now)
  }

  ofTenant(tenant: string, page?: Page): AsyncIterable<Stored<Holding>> {
    return this.#records.find('tenant', keyOf(tenant), page)
  }

  ofHolder(holder: Holder, page?: Page): AsyncIterable<Stored<Holding>> {
    return this.#records.find('holder', keyOf(holder.kind, holder.subject), page)
  }

  /**
   * Evaluates anew on what is stored until the write that follows from it succeeds: of any number of callers each sees what the one
   * before it left.
   * @throws AssignmentError `rbac.assignments_contended` (503)
   */
  async change<R>(tenant: string, holder: Holder, evaluate: (live: readonly KeptAssignment[]) => HoldingChange<R>): Promise<R> {
    const id = holdingId(tenant, holder)
    for (let round = 0; round < rounds; round++) {
      const was = await this.#records.get(id)
      const { next, result } = evaluate(this.live(was?.value))
      if (next === undefined) return result
      const value: Holding = { tenant, holder: nameOf(holder), assignments: next }
      const options = this.#optionsFor(value)
      const written = was ? this.#records.replace(id, was.version, value, options) : this.#records.create(id, value, options)
      if (await written) {
        this.#written(id)
        return result
      }
      // Whoever lost waits a little, and not all of them for the same time.
      await pause(randomInt(2 ** Math.min(round, 5)))
    }
    throw new AssignmentError('rbac.assignments_contended', `a holding could not be written in ${rounds} attempts`, [], 503)
  }

  #optionsFor({ tenant, holder, assignments }: Holding): { expiresAt?: number; index?: Record<string, string> } {
    // Empty: the store has no compare-and-remove, and a plain remove would take along what was assigned meanwhile.
    if (assignments.length === 0) return { expiresAt: this.#clock.now() + 1000 }
    const index = { tenant: keyOf(tenant), holder: keyOf(holder.kind, holder.subject) }
    const ends = assignments.map(({ expiresAt = Number.POSITIVE_INFINITY }) => expiresAt)
    const last = Math.max(...ends)
    return Number.isFinite(last) ? { expiresAt: last, index } : { index }
  }
}

export function holdingId(tenant: string, holder: Holder): string {
  return keyOf(tenant, holder.kind, holder.subject)
}

export function newHandle(): string {
  return randomBytes(16).toString('base64url')
}

/** The public id of an assignment: where it is kept, and which one it is there. */
export function assignmentId(holding: string, handle: string): string {
  return `${holding}.${handle}`
}

/** `undefined`: not the id of an assignment. */
export function parseAssignmentId(id: unknown): { readonly holding: string; readonly handle: string } | undefined {
  const [, holding, handle] = (typeof id === 'string' && /^([A-Za-z0-9_-]{43})\.([A-Za-z0-9_-]{22})$/.exec(id)) || []
  return holding === undefined || handle === undefined ? undefined : { holding, handle }
}
