import type { RedisLink } from './link.ts'
import { type Change, carryOut } from './rate-limit-call.ts'
import { slotOf } from './slot.ts'

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
