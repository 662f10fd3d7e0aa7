import { PortcullisError } from '@portcullis/core'
import {
  createMemoryRateLimitStore,
  leaseQuota,
  type RateLimitStore,
  type RateLimitVerdict,
  scopePolicies,
} from '../src/index.ts'
import { manualClock } from './support.ts'

/** Whole numbers from a seed: the same everywhere. */
export type Random = (below: number) => number

export function seeded(seed: number): Random {
  let state = Math.imul(seed + 1, 0x9e3779b1) >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}

/** Units, milliseconds. */
export interface World {
  readonly nodes: number
  readonly most: number
  readonly lease: number
  readonly policies: readonly { readonly quota: number; readonly window: number; readonly burst: number }[]
  /** The longest that a call is under way, each way. */
  readonly latency: number
  /** One call in so many fails; half of those after it was charged. 0: none. */
  readonly failing: number
}

/** What happens in a world, in the order of time. */
export type Deed =
  | { readonly at: number; readonly node: number; readonly cost: number; readonly times: number }
  | { readonly at: number; readonly node: number; readonly dies: true }

/** An admission, at the time at which it was decided: in the store for what was charged for it, here for what was in hand. */
interface Admission {
  readonly at: number
  readonly cost: number
}

export interface Outcome {
  /** The most units that any window let through beyond what the policy alone would, and what they may be. One for each policy. */
  readonly over: readonly { readonly measured: number; readonly bound: number }[]
  readonly admitted: number
  readonly fromHand: number
  readonly trips: number
  /** What must not be. */
  readonly faults: readonly string[]
}

interface Trip {
  /** Comes after every check that it was sent for. */
  readonly order: number
  storeTime: number
}

interface Node {
  readonly store: RateLimitStore
  alive: boolean
  issued: number
  admitted: number
}

interface Happening {
  readonly at: number
  readonly order: number
  run(): void | Promise<void>
}

/** Everything that was going to happen, soonest first. */
class Agenda {
  readonly #heap: Happening[] = []

  add(happening: Happening): void {
    const heap = this.#heap
    let i = heap.push(happening) - 1
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (!sooner(happening, heap[parent]!)) break
      heap[i] = heap[parent]!
      i = parent
    }
    heap[i] = happening
  }

  next(): Happening | undefined {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()
    if (first === undefined || last === undefined || heap.length === 0) return first
    let i = 0
    for (;;) {
      let child = 2 * i + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && sooner(heap[child + 1]!, heap[child]!)) child += 1
      if (!sooner(heap[child]!, last)) break
      heap[i] = heap[child]!
      i = child
    }
    heap[i] = last
    return first
  }
}

function sooner(a: Happening, b: Happening): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}

/** Plays deeds on processes whose clocks disagree, over one store whose answers take a while. No real time passes. */
export async function play(world: World, deeds: readonly Deed[], random: Random): Promise<Outcome> {
  const { nodes: n, most, lease } = world
  const clock = manualClock(1_800_000_000_000)
  const origin = clock.time
  const memory = createMemoryRateLimitStore({ clock })
  const policies = scopePolicies(
    'sim',
    world.policies.map(({ window, ...policy }, i) => ({ ...policy, name: `p${i}`, window: window / 1000 })),
  )
  const keys = policies.map(() => 'k')
  const agenda = new Agenda()
  const admissions: Admission[] = []
  const faults = new Set<string>()
  let [order, trips, fromHand, plentifulAt] = [0, 0, 0, Number.NEGATIVE_INFINITY]
  let answering: Trip | undefined

  const now = (): number => clock.time - origin
  const later = (after: number, run: () => void | Promise<void>): void => {
    order += 1
    agenda.add({ at: now() + after, order, run })
  }
  /** Remembers when the store last had enough for everybody to take ahead. */
  const look = (): void => {
    const left = Math.min(...memory.consume(keys, policies, 0).results.map(({ remaining }) => remaining))
    if (left >= 2 * n) plentifulAt = now()
  }

  const born = (): Node => {
    const offset = random(2_000_000_000) - 1_000_000_000 + random(1000) / 1000
    const consume = (units: number): Promise<RateLimitVerdict> => {
      trips += 1
      order += 1
      const trip: Trip = { order, storeTime: 0 }
      const fails = world.failing > 0 && random(world.failing) === 0
      const early = fails && random(2) === 0
      return new Promise((resolve, reject) => {
        later(random(world.latency + 1), () => {
          look()
          const verdict = early ? undefined : memory.consume(keys, policies, units)
          look()
          trip.storeTime = now()
          if (verdict?.allowed) node.issued += units
          later(random(world.latency + 1), async () => {
            if (!node.alive) return
            answering = trip
            if (fails || verdict === undefined) reject(new PortcullisError('test.down', 'down', { status: 503 }))
            else resolve(verdict)
            await new Promise(setImmediate)
          })
        })
      })
    }
    const bare: RateLimitStore = { consume: (_keys, _policies, units) => consume(units), adjust: () => {} }
    const own = { now: () => clock.time + offset }
    const store = leaseQuota(bare, { processes: n, most, lease, clock: own })
    const node: Node = { store, alive: true, issued: 0, admitted: 0 }
    return node
  }

  const admit = (node: Node, cost: number, at: number, hand: boolean): void => {
    admissions.push({ at, cost })
    node.admitted += cost
    if (node.admitted > node.issued) faults.add('a process let more through than it was given')
    if (!hand) return
    fromHand += 1
    look()
    if (plentifulAt <= now() - 2 * lease) faults.add('something was in hand though the store was nearly exhausted for two leases')
  }

  const check = (node: Node, cost: number): void => {
    order += 1
    const asked = order
    const answer = node.store.consume(keys, policies, cost)
    if (!(answer instanceof Promise)) {
      if (answer.allowed) admit(node, cost, now(), true)
      return
    }
    answer.then(
      ({ allowed }) => {
        // Charged for it where it was sent before; what was asked meanwhile got what is in hand.
        const own = answering !== undefined && asked < answering.order
        if (allowed) admit(node, cost, own ? answering!.storeTime : now(), !own)
      },
      () => undefined,
    )
  }

  const alive = Array.from({ length: n }, born)
  for (const deed of deeds) {
    later(deed.at, () => {
      const node = alive[deed.node]!
      if ('dies' in deed) {
        node.alive = false
        alive[deed.node] = born()
      } else for (let i = 0; i < deed.times; i++) check(node, deed.cost)
    })
  }
  for (let next = agenda.next(); next !== undefined; next = agenda.next()) {
    clock.time = origin + next.at
    const done = next.run()
    if (done !== undefined) await done
  }

  const moments = byMoment(admissions)
  const over = world.policies.map((policy) => ({
    measured: Math.max(0, excess(moments, policy)),
    bound: Math.min(n * (most - 1), Math.ceil((policy.quota * lease) / policy.window)),
  }))
  const admitted = admissions.reduce((sum, { cost }) => sum + cost, 0)
  for (const [i, { measured, bound }] of over.entries()) {
    if (measured > bound) faults.add('a window let more through than the bound')
    const { quota, window, burst } = world.policies[i]!
    if (admitted > burst + Math.floor((quota * (moments.at(-1)?.at ?? 0)) / window))
      faults.add('more was let through than there ever was')
  }
  return { over, admitted, fromHand, trips, faults: [...faults] }
}

function byMoment(admissions: readonly Admission[]): Admission[] {
  const units = new Map<number, number>()
  for (const { at, cost } of admissions) units.set(at, (units.get(at) ?? 0) + cost)
  return [...units].map(([at, cost]) => ({ at, cost })).sort((a, b) => a.at - b.at)
}

/** The most that any window let through beyond `burst + rate × length`, in whole units. */
function excess(admissions: readonly Admission[], { quota, window, burst }: World['policies'][number]): number {
  let most = Number.NEGATIVE_INFINITY
  for (let from = 0; from < admissions.length; from++) {
    let units = 0
    const start = admissions[from]!.at
    for (let to = from; to < admissions.length; to++) {
      const { at, cost } = admissions[to]!
      units += cost
      const beyond = units - burst - Math.floor((quota * (at - start)) / window)
      if (beyond > most) most = beyond
    }
  }
  return most
}
