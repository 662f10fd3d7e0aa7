import { randomInt, randomUUID } from 'node:crypto'
import type { Clock, Collection, Store } from '@portcullis/core'
import { leaseLost } from './events.ts'
import type { Seat, Seats } from './seat.ts'

/** What {@link LeasedSeats} needs. */
export interface LeasedSeatsOptions {
  readonly name: string
  readonly max: number
  /** Milliseconds. */
  readonly lease: number
  readonly store: Store
  /** What a key is called in the store. */
  readonly digest: (key: string) => string
  readonly clock: Clock
}

/**
 * Seats in a store. Each seat of a key is an id of its own, and taking it is a `create` that expires: of any number of callers, one wins
 * each seat, and a process that dies gives its seats back by doing nothing. Who holds a seat is written in it, so that nobody gives back,
 * or renews, what is another's by now.
 */
export class LeasedSeats implements Seats {
  readonly #options: LeasedSeatsOptions
  readonly #collection: Collection<string>
  readonly #process = randomUUID()
  readonly #leases = new Set<Lease>()
  #count = 0
  #timer: NodeJS.Timeout | undefined

  constructor(options: LeasedSeatsOptions) {
    this.#options = options
    this.#collection = options.store.collection<string>({ name: 'rate_limit.seats', indexes: ['subject'], keep: 'hot' })
  }

  async take(key: string): Promise<Seat | undefined> {
    const { name, max, digest } = this.#options
    const subject = `${name}:${digest(key)}`
    // Mostly there is room, and one seat picked by chance is free: one trip.
    const guess = randomInt(max)
    const first = await this.#try(subject, guess)
    if (first !== undefined) return first
    const taken = new Set([`${subject}:${guess}`])
    for await (const { id } of this.#collection.find('subject', subject)) taken.add(id)
    const free = Array.from({ length: max }, (_, seat) => seat).filter((seat) => !taken.has(`${subject}:${seat}`))
    // What the listing says may be old by now; what `create` says is not.
    while (free.length > 0) {
      const [seat = 0] = free.splice(randomInt(free.length), 1)
      const lease = await this.#try(subject, seat)
      if (lease !== undefined) return lease
    }
    return undefined
  }

  /** Renews what has less than two thirds of its time left. Called by a timer, three times in the length of a lease. */
  async renew(): Promise<void> {
    const { clock, lease: length } = this.#options
    const due = [...this.#leases].filter(({ until }) => until - clock.now() <= (length * 2) / 3)
    await Promise.all(due.map((lease) => lease.renew()))
  }

  async #try(subject: string, seat: number): Promise<Lease | undefined> {
    const { clock, lease: length, name } = this.#options
    this.#count += 1
    const lease = new Lease({
      collection: this.#collection,
      id: `${subject}:${seat}`,
      subject,
      holder: `${this.#process}.${this.#count}`,
      length,
      clock,
      ended: (lost) => {
        this.#drop(lease)
        if (lost) leaseLost.publish({ limiter: name }, { clock })
      },
    })
    if (!(await lease.begin())) return undefined
    this.#leases.add(lease)
    // Nothing waits for it: a process that wants to end may.
    this.#timer ??= setInterval(() => void this.renew(), Math.ceil(length / 3)).unref()
    return lease
  }

  #drop(lease: Lease): void {
    this.#leases.delete(lease)
    if (this.#leases.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}

interface LeaseParts {
  readonly collection: Collection<string>
  readonly id: string
  readonly subject: string
  readonly holder: string
  /** Milliseconds. */
  readonly length: number
  readonly clock: Clock
  ended(lost: boolean): void
}

class Lease implements Seat {
  readonly degraded = false
  /** Milliseconds since the epoch. */
  until = 0
  readonly #parts: LeaseParts
  readonly #lost = new AbortController()
  #state: 'held' | 'lost' | 'released' = 'held'
  /** A renewal under way: what is given back meanwhile would be taken again by it. */
  #renewing: Promise<void> | undefined

  constructor(parts: LeaseParts) {
    this.#parts = parts
  }

  get signal(): AbortSignal {
    return this.#lost.signal
  }

  get held(): boolean {
    return this.#state === 'held' && this.#parts.clock.now() < this.until
  }

  /** @returns whether the seat was free */
  async begin(): Promise<boolean> {
    const { collection, id, holder, subject, length, clock } = this.#parts
    const until = Math.floor(clock.now()) + length
    const free = await collection.create(id, holder, { expiresAt: until, index: { subject } })
    if (free) this.until = until
    return free
  }

  renew(): Promise<void> {
    this.#renewing ??= this.#renew().finally(() => {
      this.#renewing = undefined
    })
    return this.#renewing
  }

  async release(): Promise<void> {
    if (this.#state !== 'held') return
    this.#state = 'released'
    this.#parts.ended(false)
    try {
      await this.#renewing
      // In the past: the one write that removes only what is still as it was read.
      await this.#write(0)
    } catch {
      // The store can't be asked: the seat comes back by itself when the lease has passed.
    }
  }

  async #renew(): Promise<void> {
    const { clock, length } = this.#parts
    const until = Math.floor(clock.now()) + length
    try {
      const outcome = await this.#write(until)
      if (outcome === 'written') this.until = until
      // This process slept too long, but nobody sat down meanwhile.
      else if (outcome === 'taken' || this.#state !== 'held' || !(await this.begin())) this.#lose()
    } catch {
      // There are two more tries in the length of a lease; after it, the seat may be another's.
      if (clock.now() >= this.until) this.#lose()
    }
  }

  /** Writes the seat's time where it is ours still. Of one holder one write is under way at a time: nobody else beats it. */
  async #write(expiresAt: number): Promise<'written' | 'gone' | 'taken'> {
    const { collection, id, holder, subject } = this.#parts
    const found = await collection.get(id)
    if (found === undefined) return 'gone'
    if (found.value !== holder) return 'taken'
    return (await collection.replace(id, found.version, holder, { expiresAt, index: { subject } })) ? 'written' : 'gone'
  }

  #lose(): void {
    if (this.#state !== 'held') return
    this.#state = 'lost'
    this.#lost.abort()
    this.#parts.ended(true)
  }
}
