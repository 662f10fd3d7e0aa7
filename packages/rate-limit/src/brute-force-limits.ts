import { RateLimitError } from './errors.ts'
import { type GcraPolicy, type ScopedPolicy, scopePolicies } from './policy.ts'
import { presets } from './presets.ts'

/** The limits of a brute-force guard, by what they count. Several policies of one sort make the wait grow. */
export interface BruteForceLimits {
  /** Guesses at one account from one address, by clients that are not known. */
  readonly pair?: readonly GcraPolicy[]
  /** Guesses at one account by all clients that are not known. Wider than `pair`, so that no single address locks an account. */
  readonly account?: readonly GcraPolicy[]
  /** Guesses at one account from one known device: they are taken from here, and not from `pair` and `account`. */
  readonly device?: readonly GcraPolicy[]
  /** Guesses at one account from all its known devices. Wider than `device`: it is for whoever has kept a drawer full of cookies. */
  readonly devices?: readonly GcraPolicy[]
  /** Attempts from one address at all accounts, known devices included. */
  readonly address?: readonly GcraPolicy[]
  /** Failures of all clients that are not known, at all accounts together; empty: none. See `whenExhausted`. */
  readonly budget?: readonly GcraPolicy[]
}

/** What is counted. */
export type Sort = keyof BruteForceLimits

/** What one kind of attempt is counted by. */
export interface Reservation {
  /** What a right guess gives back: the first of `policies`, so that verdicts are of both. */
  readonly refundable: readonly ScopedPolicy[]
  readonly policies: readonly ScopedPolicy[]
  /** What each of `policies` counts. */
  readonly sorts: readonly Sort[]
}

/** The limits of a guard, as its store gets them. */
export interface Reservations {
  /** For a device that is known. */
  readonly known: Reservation
  /** For everybody else. */
  readonly unknown: Reservation
  /** For everybody else, when the budget is exhausted. */
  readonly beyond: Reservation
  /** One unit in each window of a policy: whoever gets it says that the policy is exhausted. */
  announcing(policy: ScopedPolicy): readonly ScopedPolicy[]
}

/**
 * @param guard the guard's name
 * @throws RateLimitError `rate_limit.policy_invalid`, `rate_limit.options_invalid`
 */
export function reservations(
  guard: string,
  limits: BruteForceLimits,
  options: { readonly refundAddress: boolean; readonly budgetRefuses: boolean },
): Reservations {
  const sorts = new Map<ScopedPolicy, Sort>()
  const scoped = (sort: Sort): readonly ScopedPolicy[] => {
    const policies = scopePolicies(`${guard}:${sort}`, limits[sort] ?? presets.signIn[sort], guard)
    for (const policy of policies) sorts.set(policy, sort)
    return policies
  }
  const account = scoped('account')
  const pair = scoped('pair')
  const device = scoped('device')
  const devices = scoped('devices')
  const address = scoped('address')
  const budget = limits.budget?.length === 0 ? [] : scoped('budget')
  // Who is refused at a pair is one address; who is refused at an account is its owner. So one address must meet the pair's limit first.
  requireWider(account, pair, 'an account', 'any pair policy: one address could lock the account')
  requireWider(devices, device, 'a devices', 'any device policy: one stolen cookie could use up those of all devices')
  if (options.budgetRefuses) requireWider(budget, address, 'a budget', 'any address policy: one address could lock everybody')

  const reservation = (...guessing: readonly (readonly ScopedPolicy[])[]): Reservation => {
    const policies = Object.freeze([...guessing.flat(), ...address])
    // The same array where it holds the same: a store hangs what it prepared on it.
    const refundable = options.refundAddress ? policies : Object.freeze(guessing.flat())
    return { refundable, policies, sorts: policies.map((policy) => sorts.get(policy) ?? 'address') }
  }

  const announcing = new Map<ScopedPolicy, readonly ScopedPolicy[]>()
  for (const [policy, sort] of sorts) {
    const { name, window } = policy
    announcing.set(policy, scopePolicies(`${guard}:${sort}:exhausted`, [{ name, quota: 1, window }], guard))
  }
  return {
    known: reservation(device, devices),
    unknown: reservation(account, pair, budget),
    beyond: reservation(account, pair),
    announcing: (policy) => announcing.get(policy) ?? [],
  }
}

function requireWider(wider: readonly ScopedPolicy[], narrower: readonly ScopedPolicy[], what: string, than: string): void {
  for (const wide of wider) {
    const held = narrower.some((narrow) => narrow.burst < wide.burst && narrow.quota / narrow.window < wide.quota / wide.window)
    if (held) continue
    throw new RateLimitError('rate_limit.policy_invalid', `${what} policy ${wide.name} is not wider than ${than}`)
  }
}
