import type { RedisClient } from './client.ts'
import { RedisStoreError } from './errors.ts'
import { failureOf, replyError } from './failure.ts'
import type { RedisLink } from './link.ts'
import type { Numbers } from './rate-limit-numbers.ts'
import { CHANGE, CHARGE_EACH } from './rate-limit-script.ts'

/** What one check, or one adjustment, wants to have done, and whom to tell. */
export interface Change {
  /** `consume` charges all buckets or none; `adjust` charges, or gives back, without asking. */
  readonly kind: 'consume' | 'adjust'
  /** The buckets; on a cluster all of them in one slot. */
  readonly keys: readonly string[]
  readonly numbers: Numbers
  readonly units: number
  /**
   * Of `adjust`, two for each bucket: when, by the store's clock, what was charged to it has come back by itself, and the start of the entry
   * of a log that it went to. Or -1.
   */
  readonly back?: readonly number[]
  /** The caller's time, or '' for the server's. */
  readonly now: string
  /**
   * @param at milliseconds since the epoch
   * @param answer what the script found of the buckets of `consume` is there, from `place` on
   * @returns whether that could be read
   */
  done(at: number, answer: readonly unknown[], place: number): boolean
  failed(error: unknown): void
}

/** Never rejects: each of those who wait is told by himself, once, after the link knows what came of the call. */
export async function carryOut(link: RedisLink, changes: readonly Change[]): Promise<void> {
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
  const [first] = changes
  if (first === undefined) return { changes, left: changes }
  const keys = changes.length === 1 ? first.keys : changes.flatMap((change) => change.keys)
  const apart = keys.length === 1 || new Set(keys).size === keys.length
  const single = apart && first.kind === 'consume' ? first.numbers.single : undefined
  const reply =
    single !== undefined && changes.every((change) => isAlike(first, change))
      ? await CHARGE_EACH.call(client, keys, [first.now, single.scale, String(first.units * single.increment), single.tolerance])
      : await CHANGE.call(client, keys, [first.now, wanted(changes, apart)])
  return answerOf(changes, reply)
}

/** Kinds of changes, as the script has them. */
const ASKS = 0
const ADJUSTS = 1
const ASKS_ALONE = 2

/** What the script shall do. @param apart whether no two changes have a bucket in common */
function wanted(changes: readonly Change[], apart: boolean): string {
  const runs: string[] = []
  const places = new Map<Numbers, number>()
  let [policies, count, logs, remembered] = ['', 0, false, false]
  for (let n = 0; n < changes.length; n++) {
    const change = changes[n]
    if (change === undefined) break
    const { kind, numbers, units, back } = change
    let place = places.get(numbers)
    if (place === undefined) {
      place = count
      places.set(numbers, place)
      policies += policies === '' ? numbers.json : `,${numbers.json}`
      count += numbers.count
      logs ||= numbers.logs
    }
    const begin = n
    while (kind === 'consume' && isAlike(change, changes[n + 1])) n += 1
    const code = kind === 'adjust' ? ADJUSTS : apart && !numbers.logs ? ASKS_ALONE : ASKS
    remembered ||= code !== ASKS_ALONE
    const run = `${code},${units},${numbers.count},${place},${n - begin + 1}`
    runs.push(kind === 'adjust' ? `${run},${back?.join() ?? ''}` : run)
  }
  return `[[${policies}],[${runs.join()}],${remembered},${logs}]`
}

function isAlike(change: Change, next: Change | undefined): boolean {
  return next !== undefined && next.kind === change.kind && next.numbers === change.numbers && next.units === change.units
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
    const refusal = errorIn(reply[place])
    if (refusal === undefined) {
      if (!change.done(at, reply, place)) change.failed(invalid())
    } else if (!left.includes(change)) change.failed(failureOf(refusal).error)
    place += placesOf(change)
  }
}

function placesOf({ kind, numbers }: Change): number {
  return kind === 'consume' ? numbers.places : 1
}

function errorIn(said: unknown): Error | undefined {
  return typeof said === 'string' && said.startsWith('-') ? replyError(said.slice(1)) : undefined
}

function invalid(): RedisStoreError {
  return new RedisStoreError('store_redis.reply_invalid', 'a script did not answer what it was asked')
}
