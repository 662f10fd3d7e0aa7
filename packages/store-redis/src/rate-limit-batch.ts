import type { Gcra } from '@portcullis/rate-limit/store'
import type { RedisClient } from './client.ts'
import { RedisStoreError } from './errors.ts'
import { failureOf, replyError } from './failure.ts'
import type { RedisLink } from './link.ts'
import { CHANGE } from './rate-limit-script.ts'
import { slotOf } from './slot.ts'

/** What one check, or one adjustment, wants to have done, and whom to tell. */
export interface Change {
  /** `consume` charges all buckets or none; `adjust` charges, or gives back, without asking. */
  readonly kind: 'consume' | 'adjust'
  /** The buckets; on a cluster all of them in one slot. */
  readonly keys: readonly string[]
  /** Their numbers: the same array every time. */
  readonly gcras: readonly Gcra[]
  readonly units: number
  /** Of `adjust`: when, by the store's clock, what was charged to each bucket has come back by itself, or -1. */
  readonly back?: readonly number[]
  /** The caller's time, or '' for the server's. */
  readonly now: string
  /**
   * @param at milliseconds since the epoch
   * @param leads of `consume`: ticks by which each bucket was ahead of `at`
   */
  done(at: number, leads: readonly number[]): void
  failed(error: unknown): void
}

/** Changes to one place: a slot of a cluster, or a whole server. */
interface Lot {
  waiting: Change[]
  /** Buckets of those that wait. */
  buckets: number
  /** Calls that were sent and not answered. */
  underWay: number
}

/**
 * One change may have more. Larger calls were no faster: Redis does nothing else while a script runs, and while one call is carried out the
 * next can be made up and the last be read.
 */
const MOST_BUCKETS = 32

/**
 * Puts changes of one tick into one call, in their order. Where nothing is under way, a call goes out as soon as what runs now has come to
 * its end; otherwise when the tick has: whatever else was read from sockets in it is there then.
 */
export class Batch {
  readonly #link: RedisLink
  readonly #lots = new Map<number, Lot>()

  constructor(link: RedisLink) {
    this.#link = link
  }

  add(change: Change): void {
    const { keys, now } = change
    const place = this.#link.client.isCluster === true ? slotOf(keys[0] ?? '') : -1
    let lot = this.#lots.get(place)
    if (lot === undefined) {
      lot = { waiting: [], buckets: 0, underWay: 0 }
      this.#lots.set(place, lot)
    }
    const before = lot.waiting[0]
    if (before !== undefined && (before.now !== now || lot.buckets + keys.length > MOST_BUCKETS)) this.#send(place, lot)
    lot.buckets += keys.length
    if (lot.waiting.push(change) === 1) this.#plan(place, lot)
  }

  #plan(place: number, lot: Lot): void {
    const { waiting } = lot
    const send = (): void => {
      // Otherwise it went before, because there was too much of it.
      if (lot.waiting === waiting) this.#send(place, lot)
    }
    if (lot.underWay === 0) process.nextTick(send)
    else setImmediate(send)
  }

  #send(place: number, lot: Lot): void {
    const { waiting } = lot
    lot.waiting = []
    lot.buckets = 0
    // A server that is down is tried with one: the others need not wait to hear that it still is.
    const calls = this.#link.isDown(waiting[0]?.keys[0] ?? '') ? waiting.map((change) => [change]) : [waiting]
    lot.underWay += calls.length
    for (const changes of calls) {
      void carryOut(this.#link, changes).then(() => {
        lot.underWay -= 1
        if (lot.underWay === 0 && lot.waiting.length === 0) this.#lots.delete(place)
      })
    }
  }
}

/** Never rejects: each of those who wait is told by himself, once, after the link knows what came of the call. */
async function carryOut(link: RedisLink, changes: readonly Change[]): Promise<void> {
  const answers: Answer[] = []
  let left = changes
  let together = true
  // Not repeated when its answer was lost: it may have been charged.
  const call = { key: changes[0]?.keys[0] ?? '', repeatable: false, wrote: (written: unknown): boolean => written === true }
  const work = async (client: RedisClient): Promise<boolean> => {
    // While their slot is moving, buckets that are on two nodes are refused together; each by itself is somewhere.
    const parts = together ? [left] : left.map((change) => [change])
    together = false
    const found = await Promise.all(parts.map((part) => ask(client, part).catch((error: unknown) => refused(part, error))))
    answers.push(...found)
    left = found.flatMap((answer) => answer.left)
    const errors = found.flatMap(({ error }) => (error === undefined ? [] : [error]))
    // Where one may have been carried out, none of those that are left is sent again.
    if (left.length > 0) throw errors.find((error) => failureOf(error).done !== 'no') ?? errors[0]
    return found.some((answer) => Number(answer.reply?.[0]) > 0)
  }
  let failure: unknown
  const lost = await link.run(call, work).then(
    () => [],
    (error: unknown) => {
      failure = error
      return left
    },
  )
  for (const answer of answers) tell(answer)
  for (const change of lost) change.failed(failure)
}

/** What a call came to. */
interface Answer {
  readonly changes: readonly Change[]
  /** To how many buckets something was written, the time, and what is said to each change. */
  readonly reply?: readonly unknown[]
  /** Those whom the server has refused something, and what it said. */
  readonly left: readonly Change[]
  readonly error?: unknown
}

function refused(changes: readonly Change[], error: unknown): Answer {
  return { changes, left: changes, error }
}

async function ask(client: RedisClient, changes: readonly Change[]): Promise<Answer> {
  const [keys, policies, list]: [string[], number[], number[]] = [[], [], []]
  const places = new Map<readonly Gcra[], number>()
  for (const change of changes) {
    const { gcras } = change
    let place = places.get(gcras)
    if (place === undefined) {
      place = policies.length
      places.set(gcras, place)
      for (const { scale, increment, tolerance } of gcras) policies.push(scale, increment, tolerance)
    }
    list.push(change.kind === 'consume' ? 0 : 1, change.units, gcras.length, place)
    if (change.kind === 'adjust') for (let n = 0; n < gcras.length; n++) list.push(change.back?.[n] ?? -1)
    for (const key of change.keys) keys.push(key)
  }
  const reply = await CHANGE.call(client, keys, [changes[0]?.now ?? '', JSON.stringify(policies), JSON.stringify(list)])
  return answerOf(changes, reply)
}

/** @throws RedisStoreError `store_redis.reply_invalid` */
function answerOf(changes: readonly Change[], reply: unknown): Answer {
  let place = 2
  const left: Change[] = []
  let error: unknown
  if (!Array.isArray(reply)) throw invalid()
  for (const change of changes) {
    const refusal = errorIn(reply[place])
    // What is about the server, and not about one bucket, concerns everybody.
    if (refusal !== undefined && failureOf(refusal).error.code !== 'store_redis.failed') {
      left.push(change)
      error = refusal
    }
    place += placesOf(change)
  }
  if (reply.length !== place || !Number.isFinite(Number(reply[0])) || !Number.isFinite(Number(reply[1]))) throw invalid()
  return { changes, reply, left, error }
}

function tell({ changes, reply, left }: Answer): void {
  if (reply === undefined) return
  const at = Number(reply[1])
  let place = 2
  for (const change of changes) {
    const end = place + placesOf(change)
    const refusal = errorIn(reply[place])
    const leads: number[] = []
    for (let n = place; n < end; n++) leads.push(Number(reply[n]))
    place = end
    if (refusal === undefined) {
      if (leads.every(Number.isFinite)) change.done(at, leads)
      else change.failed(invalid())
    } else if (!left.includes(change)) change.failed(failureOf(refusal).error)
  }
}

function placesOf({ kind, keys }: Change): number {
  return kind === 'consume' ? keys.length : 1
}

function errorIn(said: unknown): Error | undefined {
  return typeof said === 'string' && said.startsWith('-') ? replyError(said.slice(1)) : undefined
}

function invalid(): RedisStoreError {
  return new RedisStoreError('store_redis.reply_invalid', 'a script did not answer what it was asked')
}
