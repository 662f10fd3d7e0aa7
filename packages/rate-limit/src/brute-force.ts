import {
  type AttemptGuard,
  type AttemptIdentity,
  type Clock,
  type EventContext,
  PortcullisError,
  systemClock,
} from '@portcullis/core'
import { addressPrefix } from './address.ts'
import { type BruteForceLimits, type Reservation, reservations, type Sort } from './brute-force-limits.ts'
import { RateLimitError } from './errors.ts'
import { guessesExhausted, guessRefused, type SuspiciousSign, suspiciousAttempt } from './events.ts'
import { retryAfterSeconds } from './headers.ts'
import { canonicalIdentifier } from './identifier.ts'
import { checkPrefix } from './key.ts'
import { createMemoryRateLimitStore } from './memory-store.ts'
import { presets } from './presets.ts'
import type { RateLimitStore, RateLimitVerdict } from './store.ts'

/** Options of {@link createBruteForceGuard}. Limits that are not given are those of `presets.signIn`. */
export interface BruteForceOptions extends BruteForceLimits {
  /** Names this guard among those that share its store and in events: `sign-in` by default. */
  readonly name?: string
  /** Where attempts are counted; by default in this process, in a store of its own. */
  readonly store?: RateLimitStore
  /** For events, and for the store where none is given. */
  readonly clock?: Clock
  /** What the address is charged for: `attempts`, the default, right ones included, or `failures` alone. */
  readonly addressCounts?: 'attempts' | 'failures'
  /**
   * What an attempt by a client that is not known gets while the budget is exhausted. `event`, the default: it is allowed, marked as
   * suspicious, and published. `challenge`: it is refused until it comes with `challenged`. `refuse`: it is refused, which lets anybody
   * who fails often enough lock all devices that are not known. Known devices pass in any case.
   */
  readonly whenExhausted?: 'event' | 'challenge' | 'refuse'
  /** Failures at the same account, pair or device after which an attempt is suspicious: 5 by default. */
  readonly suspiciousAfter?: number
  /** Bits of an IPv6 address that count, 64 by default, from 32 to 128. */
  readonly ipv6Prefix?: number
}

/** Whose secret is guessed at, and from where. */
export interface Identity extends AttemptIdentity {
  /** The identifier as typed in, whether or not there is such an account. It is canonicalised: NFKC, letter case, white space. */
  readonly account: string
  /** Whether this request answered a challenge (a CAPTCHA, a proof of work), each answer being good for one attempt. */
  readonly challenged?: boolean
}

/** What {@link BruteForceGuard.attempt} answers. */
export type Attempt = AllowedAttempt | RefusedAttempt

/** Check the secret now, then say how it went. */
export interface AllowedAttempt {
  readonly allowed: true
  /** Whether it was counted as a known device's: not where that device's own limit is exhausted. */
  readonly knownDevice: boolean
  /** Whether there are `signs`: tell the account's owner, ask for more, or look closer. */
  readonly suspicious: boolean
  readonly signs: readonly SuspiciousSign[]
  /**
   * Says whether the secret was right; the first call counts. `success` gives back what this attempt took, and nothing of what other
   * attempts took; to the address only where `addressCounts` is `failures`. `unchecked`: the secret was not looked at after all, as when
   * too many hashes are under way; it gives back the same. `failure`, or no call at all, keeps it.
   */
  settle(outcome: 'success' | 'failure' | 'unchecked'): Promise<void>
}

/** Answer without checking the secret. */
export interface RefusedAttempt {
  readonly allowed: false
  /** Whole seconds, rounded up. */
  readonly retryAfter: number
  /** Whether the same attempt would be allowed now if it were `challenged`. */
  readonly challenge: boolean
  /** Which limits refused, as `account:hourly`. For the log: a client that is told learns whether an account is under attack. */
  readonly limits: readonly string[]
}

/** Stands before the check of a secret: a password, a one-time code, a recovery code. */
export interface BruteForceGuard extends AttemptGuard {
  /**
   * Takes one attempt from everything that counts it, or, when one of those has none left, from none. A known device is counted by itself
   * and its address; everybody else by the account, their pair, the budget, and their address. A known device that has used its own
   * limit up is everybody else.
   * @throws RateLimitError `rate_limit.key_missing`: no address or none that is well-formed (500), or an empty identifier (400); whatever
   *   the store throws: while it is down, no attempt is allowed
   * @example
   * const device = devices.read(req, form.email)
   * const attempt = await guard.attempt({ account: form.email, address: req.client.ip, device }, { request: req })
   * if (!attempt.allowed) return tooMany(attempt.retryAfter)
   * const right = await verify(form.password)
   * await attempt.settle(right ? 'success' : 'failure')
   */
  attempt(identity: Identity, context?: EventContext): Promise<Attempt>
}

/** What was taken, from where, and what there is to say of it. */
interface Taken {
  readonly from: Reservation
  readonly keys: readonly string[]
  readonly verdict: RateLimitVerdict
}

/**
 * Limits guessing. An attempt is paid for **before** the secret is checked: of a thousand guesses sent at once no more reach the secret
 * than the limit says, where counting after the check would let them all.
 * @throws RateLimitError `rate_limit.policy_invalid` (also when `account` is not wider than `pair`, `devices` than `device`, or a budget
 *   that refuses than `address`), `rate_limit.policy_conflict`, `rate_limit.options_invalid`
 */
export function createBruteForceGuard(options: BruteForceOptions = {}): BruteForceGuard {
  const { signIn } = presets
  const { name = signIn.name, whenExhausted = 'event', clock = systemClock } = options
  const { store = createMemoryRateLimitStore({ clock }), addressCounts = signIn.addressCounts } = options
  const { suspiciousAfter = signIn.suspiciousAfter } = options
  const ipv6Prefix = checkPrefix(options.ipv6Prefix)
  checkOptions(addressCounts, whenExhausted, suspiciousAfter)
  const { known, unknown, beyond, announcing } = reservations(name, options, {
    refundAddress: addressCounts === 'failures',
    budgetRefuses: whenExhausted !== 'event',
  })
  for (const { policies, refundable } of [known, unknown, beyond]) {
    store.declare?.(policies)
    store.declare?.(refundable)
  }

  const keysOf = ({ account, address, device }: Identity): Readonly<Record<Sort, string>> => {
    const who = canonicalIdentifier(account)
    const from = address === undefined ? undefined : addressPrefix(address, ipv6Prefix)
    if (from === undefined) throw missing('address', 500)
    if (who === '') throw missing('account', 400)
    // Of another account, it is none.
    const own = device !== undefined && canonicalIdentifier(device.account) === who ? device.id : ''
    // An address holds no space: no account can be spelled so that its pair is another's. An id of somebody's own making may hold any.
    return {
      account: who,
      pair: `${from} ${who}`,
      address: from,
      device: own && `${own.length} ${own} ${who}`,
      devices: who,
      budget: 'all',
    }
  }

  const take = async (from: Reservation, subject: Readonly<Record<Sort, string>>): Promise<Taken> => {
    const keys = from.sorts.map((sort) => subject[sort])
    return { from, keys, verdict: await store.consume(keys, from.policies, 1) }
  }

  const allow = async (taken: Taken, signs: readonly SuspiciousSign[], context: EventContext): Promise<AllowedAttempt> => {
    await announce(taken, context)
    const all = manyFailed(taken, suspiciousAfter) ? [...signs, 'failures' as const] : signs
    const knownDevice = taken.from === known
    let settled = false
    return {
      allowed: true,
      knownDevice,
      suspicious: all.length > 0,
      signs: all,
      async settle(outcome) {
        if (settled) return
        settled = true
        if (all.length > 0 && outcome !== 'unchecked') {
          suspiciousAttempt.publish({ guard: name, signs: all, outcome, knownDevice }, { clock, ...context })
        }
        if (outcome !== 'failure') await giveBack(store, taken)
      },
    }
  }

  const refuse = (refusals: readonly Taken[], challenge: boolean, context: EventContext): RefusedAttempt => {
    // Counted in two ways, it passes as soon as one of them lets it.
    const retryAfter = Math.min(...refusals.map(({ verdict }) => retryAfterSeconds(verdict) ?? 0))
    const limits = [...new Set(refusals.flatMap((taken) => refusedBy(taken).map((i) => limitOf(taken, i))))]
    guessRefused.publish({ guard: name, policies: limits, retryAfter }, { clock, ...context })
    return { allowed: false, retryAfter, challenge, limits }
  }

  const announce = async ({ from, keys, verdict }: Taken, context: EventContext): Promise<void> => {
    if (!guessesExhausted.observed) return
    for (const [i, policy] of from.policies.entries()) {
      if (verdict.results[i]?.remaining !== 0 || !(await isFirst(store, keys.slice(i, i + 1), announcing(policy)))) continue
      const { window } = policy
      guessesExhausted.publish({ guard: name, limit: limitOf({ from }, i), window }, { clock, ...context })
    }
  }

  const limitOf = ({ from }: Pick<Taken, 'from'>, i: number): string => `${from.sorts[i]}:${from.policies[i]?.name}`

  return {
    async attempt(identity, context = {}) {
      const subject = keysOf(identity)
      const refusals: Taken[] = []
      if (subject.device !== '') {
        const taken = await take(known, subject)
        if (taken.verdict.allowed) return allow(taken, [], context)
        refusals.push(taken)
        if (refusedBy(taken).some((i) => known.sorts[i] === 'address')) return refuse(refusals, false, context)
      }
      const signs: readonly SuspiciousSign[] = subject.device === '' ? [] : ['device']

      const taken = await take(unknown, subject)
      if (taken.verdict.allowed) return allow(taken, signs, context)
      const budgetAlone = refusedBy(taken).every((i) => unknown.sorts[i] === 'budget')
      const passes = whenExhausted === 'event' || (whenExhausted === 'challenge' && identity.challenged === true)
      if (!passes) return refuse([...refusals, taken], budgetAlone && whenExhausted === 'challenge', context)
      if (!budgetAlone) return refuse([...refusals, pastBudget(taken)], false, context)

      // Nothing was charged yet. What refuses now was used up by others in between.
      const past = await take(beyond, subject)
      if (past.verdict.allowed) return allow(past, [...signs, 'budget'], context)
      return refuse([...refusals, past], false, context)
    },
  }
}

/** The policies that refused, by their place. */
function refusedBy({ verdict }: Taken): number[] {
  return verdict.results.flatMap(({ allowed }, i) => (allowed ? [] : [i]))
}

/** A refusal in which the budget, which an attempt may pass, is not to be waited for. */
function pastBudget(taken: Taken): Taken {
  const results = taken.verdict.results.map((result, i) => {
    return taken.from.sorts[i] === 'budget' ? { ...result, allowed: true } : result
  })
  return { ...taken, verdict: { ...taken.verdict, results } }
}

/** Whether the secret was missed so often before, as far as it has not come back: what is under way now counts, too. */
function manyFailed({ from, verdict }: Taken, many: number): boolean {
  return from.policies.some(({ burst }, i) => {
    const sort = from.sorts[i]
    if (sort === 'address' || sort === 'budget') return false
    return burst - (verdict.results[i]?.remaining ?? burst) > many
  })
}

async function isFirst(store: RateLimitStore, keys: readonly string[], once: Reservation['policies']): Promise<boolean> {
  try {
    return (await store.consume(keys, once, 1)).allowed
  } catch (error) {
    // Better said twice than not at all.
    if (isOut(error)) return true
    throw error
  }
}

async function giveBack(store: RateLimitStore, { from, keys, verdict }: Taken): Promise<void> {
  try {
    await store.adjust(keys.slice(0, from.refundable.length), from.refundable, -1, verdict)
  } catch (error) {
    // The store is down: the attempt stays counted until time gives it back, and whoever knew the secret is not turned away for it.
    if (!isOut(error)) throw error
  }
}

function isOut(error: unknown): boolean {
  return error instanceof PortcullisError && error.status === 503
}

function checkOptions(addressCounts: string, whenExhausted: string, suspiciousAfter: number): void {
  // From JavaScript, a word misspelled would be the laxer choice.
  if (!['attempts', 'failures'].includes(addressCounts)) throw invalid('addressCounts is attempts or failures')
  if (!['event', 'challenge', 'refuse'].includes(whenExhausted)) throw invalid('whenExhausted is event, challenge or refuse')
  if (!Number.isInteger(suspiciousAfter) || suspiciousAfter < 1) throw invalid('suspiciousAfter is a whole number from 1')
}

function invalid(why: string): RateLimitError {
  return new RateLimitError('rate_limit.options_invalid', why)
}

function missing(what: string, status: number): RateLimitError {
  return new RateLimitError('rate_limit.key_missing', `an attempt has no ${what} to count it by`, { status })
}
