import type { Reason } from '@portcullis/core'
import { type Assessment, weigh } from './assessment.ts'
import { checkRange, invalid } from './errors.ts'
import { type Aal, atLeast, type Channel, checkProof, type Factor, isInteractive, type Method, type Proof } from './proof.ts'

export type { Assessment } from './assessment.ts'
export { MfaError, type MfaErrorCode } from './errors.ts'
export type { Aal, Channel, Factor, FactorKind, Method, Proof } from './proof.ts'
export {
  createRememberedDevices,
  type DeviceResult,
  type Remembered,
  type RememberedDevice,
  type RememberedDevices,
  type RememberedDevicesOptions,
} from './remembered-devices.ts'

/** Options of {@link createAssurance}: what the application asks of everybody. */
export interface AssuranceOptions {
  /** What every sign-in must reach; `aal1` by default. Accounts with a second factor need `aal2` in any case. */
  readonly minimum?: 'aal1' | 'aal2'
  /** Every sign-in must resist phishing (ASVS 6.3.3, level 3); false by default. */
  readonly phishingResistant?: boolean
  /** A remembered device stands in for the second factor at sign-in; false by default. Never where phishing must be resisted, nor at step-up. */
  readonly rememberedDevices?: boolean
  /** Codes by SMS and voice count; false by default (ASVS 6.6.1: only with a validated number and a stronger factor on offer; never at level 3). */
  readonly telephone?: boolean
  /** Seconds for which a proof is recent enough to change a factor; 300 by default, 30 to 3600. */
  readonly changeAge?: number
  /** What an account may be asked to set up; passkey and TOTP by default. */
  readonly enrollable?: readonly Factor[]
}

/** What an operation needs. Left out: nothing beyond what every sign-in needs. */
export interface Requirement {
  readonly aal?: Aal
  readonly phishingResistant?: boolean
  /** Seconds. */
  readonly maxAge?: number
  /** With `maxAge`: `full`, the default, wants the whole level proven anew; `one` wants one fresh proof among those that reach it. */
  readonly freshness?: 'full' | 'one'
}

/** The same question on every way in, and again at every step-up. */
export interface Question {
  /** What was proven so far: in this sign-in, or in this session. */
  readonly proofs: readonly Proof[]
  /** What the account has. */
  readonly enrolled: readonly Factor[]
  readonly requirement?: Requirement
  /** Seconds since the epoch. */
  readonly now: number
}

/** A change of an account's factors. `factor` is the one that comes, or goes. */
export interface FactorChange extends Omit<Question, 'requirement'> {
  readonly change: 'enrol' | 'replace' | 'remove'
  readonly factor: Factor
}

/** Why it is not enough. */
export interface AssuranceReason extends Reason {
  readonly code:
    | 'mfa.proof_missing'
    | 'mfa.second_factor_missing'
    | 'mfa.phishing_resistance_missing'
    | 'mfa.proof_too_old'
    | 'mfa.level_too_low'
    | 'mfa.last_factor'
}

/** What {@link Assurance.decide} answers. */
export type AssuranceDecision =
  | { readonly type: 'enough'; readonly assessment: Assessment }
  /** Ask for one of `accept`, add its proof, ask again. */
  | { readonly type: 'more'; readonly accept: readonly Method[]; readonly reason: AssuranceReason }
  /** What the account has cannot be enough, with what it may set up it can: after {@link Assurance.decideChange}. */
  | { readonly type: 'enrol'; readonly accept: readonly Method[]; readonly reason: AssuranceReason }
  | { readonly type: 'impossible'; readonly reason: AssuranceReason }

/** Weighs proofs; knows no requests, no sessions and no accounts. */
export interface Assurance {
  /** What proofs amount to. @throws MfaError `mfa.proof_invalid` */
  assess(proofs: readonly Proof[]): Assessment
  /**
   * Whether proofs are enough, and what would be. Whoever signs somebody in calls this, whichever way he came, and signs in on
   * `enough` alone (ASVS 6.3.4).
   * @throws MfaError `mfa.proof_invalid`
   * @example
   * const decision = assurance.decide({ proofs: [...session.proofs, result.proof], enrolled, now: epochSeconds(clock) })
   * if (decision.type !== 'enough') return ask(decision)
   */
  decide(question: Question): AssuranceDecision
  /**
   * Whether a factor may be enrolled, replaced or removed now (ASVS 6.4.4, 7.5.1): everything that the account can prove was proven
   * anew, within `changeAge`. A recovery code counts here, because this is what it is for.
   * @throws MfaError `mfa.proof_invalid`
   */
  decideChange(change: FactorChange): AssuranceDecision
}

const messages: Readonly<Record<AssuranceReason['code'], string>> = {
  'mfa.proof_missing': 'nothing was proven that counts',
  'mfa.second_factor_missing': 'one factor was proven and two are needed',
  'mfa.phishing_resistance_missing': 'nothing was proven that resists phishing',
  'mfa.proof_too_old': 'enough was proven, too long ago, or by what asks nobody',
  'mfa.level_too_low': 'the level needs a device-bound passkey that an anchor vouches for, and a second kind of factor',
  'mfa.last_factor': 'without this factor the account could not reach what every sign-in needs',
}

/** @throws MfaError `mfa.options_invalid` */
export function createAssurance(options: AssuranceOptions = {}): Assurance {
  const { minimum = 'aal1', rememberedDevices = false, telephone = false, changeAge = 300 } = options
  const resistant = options.phishingResistant ?? false
  const enrollable = options.enrollable ?? [{ method: 'passkey', userVerified: true }, { method: 'totp' }]
  if (minimum !== 'aal1' && minimum !== 'aal2') throw invalid('minimum must be aal1 or aal2')
  checkRange('changeAge', changeAge, 30, 3600)
  // A restricted channel is no alternative to itself.
  const counts = (factor: Factor): boolean => telephone || !isTelephone(factor.channel)

  const rulesFor = ({ requirement = {}, enrolled }: Question): Rules => {
    const { maxAge, freshness = 'full' } = requirement
    // A misspelt level must not be read as none.
    if (requirement.aal !== undefined && !isAal(requirement.aal)) throw invalid('a requirement names aal1, aal2 or aal3')
    // No requirement, however modest, goes below what the sign-in needed: a session that came in with less must not pass either.
    const aal = [requirement.aal ?? 'aal1', minimum, provable(enrolled)].reduce(higher)
    return { aal, resistant: resistant || requirement.phishingResistant === true, maxAge, freshness, recovery: false }
  }

  /** Those that count for rules at all, whatever their age. */
  const admitted = (proofs: readonly Proof[], rules: Rules): readonly Proof[] =>
    proofs.filter((proof) => {
      if (proof.method === 'remembered_device') return rememberedDevices && !rules.resistant && rules.maxAge === undefined
      return counts(proof)
    })

  const fresh = (proofs: readonly Proof[], rules: Rules, now: number): readonly Proof[] => {
    const { maxAge } = rules
    if (maxAge === undefined) return proofs
    return proofs.filter((proof) => {
      if (proof.method === 'recovery_code' ? !rules.recovery : !isInteractive(proof)) return false
      return now - proof.at <= maxAge && proof.at - now <= skew
    })
  }

  const reaches = (assessment: Assessment, rules: Rules): boolean => {
    if (!atLeast(assessment.aal, rules.aal)) return false
    // A code that was kept for the day on which the passkey is lost cannot be asked to be one.
    return !rules.resistant || assessment.phishingResistant || (rules.recovery && assessment.recovered)
  }

  /** What is lacking; `undefined`: nothing. */
  const lacking = (proofs: readonly Proof[], rules: Rules, now: number): AssuranceReason['code'] | undefined => {
    const all = admitted(proofs, rules)
    const assessment = weigh(all)
    const recent = weigh(fresh(all, rules, now))
    const met =
      rules.freshness === 'one'
        ? reaches(assessment, rules) && reaches(recent, { ...rules, aal: 'aal1' })
        : reaches(recent, rules)
    if (met) return undefined
    if (assessment.aal === undefined) return 'mfa.proof_missing'
    if (reaches(assessment, rules)) return 'mfa.proof_too_old'
    if (assessment.aal === 'aal1' && rules.aal !== 'aal1') return 'mfa.second_factor_missing'
    return atLeast(assessment.aal, rules.aal) ? 'mfa.phishing_resistance_missing' : 'mfa.level_too_low'
  }

  const answer = (question: Omit<Question, 'requirement'>, rules: Rules): AssuranceDecision => {
    const { proofs, enrolled, now } = question
    for (const proof of proofs) checkProof(proof)
    const code = lacking(proofs, rules, now)
    if (code === undefined) return { type: 'enough', assessment: weigh(admitted(proofs, rules)) }
    const reason = { code, message: messages[code] }
    const enough = (more: readonly Factor[]): boolean =>
      lacking([...proofs, ...more.map((factor) => ({ ...factor, at: now }))], rules, now) === undefined
    const possible = enrolled.filter((factor) => factor.method !== 'remembered_device')
    const accept = smallest(possible, enough)
    if (accept.length > 0) return { type: 'more', accept, reason }
    const addable = smallest(enrollable, (more) => enough([...possible, ...more]))
    return addable.length > 0 ? { type: 'enrol', accept: addable, reason } : { type: 'impossible', reason }
  }

  return {
    assess(proofs) {
      for (const proof of proofs) checkProof(proof)
      return weigh(proofs.filter((proof) => counts(proof) && (rememberedDevices || proof.method !== 'remembered_device')))
    },
    decide: (question) => answer(question, rulesFor(question)),
    decideChange({ change, factor, ...question }) {
      const { enrolled } = question
      const vouched = resistant && enrolled.some(({ method }) => method === 'passkey')
      const rules: Rules = { aal: provable(enrolled), resistant: vouched, maxAge: changeAge, freshness: 'full', recovery: true }
      if (change === 'remove' && !suffices(without(enrolled, factor))) {
        return { type: 'impossible', reason: { code: 'mfa.last_factor', message: messages['mfa.last_factor'] } }
      }
      return answer(question, rules)
    },
  }

  function suffices(enrolled: readonly Factor[]): boolean {
    const rules: Rules = { aal: minimum, resistant, maxAge: undefined, freshness: 'full', recovery: false }
    const best = enrolled.filter((f) => isInteractive(f)).map((f) => ({ ...f, at: 0 }))
    return lacking(best, rules, 0) === undefined
  }
}

interface Rules {
  readonly aal: Aal
  readonly resistant: boolean
  readonly maxAge: number | undefined
  readonly freshness: 'full' | 'one'
  /** Whether a recovery code counts as fresh. */
  readonly recovery: boolean
}

/** Seconds by which the clock of whoever made a proof may be ahead: a proof from the future would never grow old. */
const skew = 60

function isAal(text: string): text is Aal {
  return text === 'aal1' || text === 'aal2' || text === 'aal3'
}

/**
 * What an account can prove: whoever has a second factor always needs it, on every way in. Also where that one does not count any
 * more, such as a telephone: turning a method off must not turn the second factor off.
 */
function provable(enrolled: readonly Factor[]): Aal {
  return enrolled.some(isSecondFactor) ? 'aal2' : 'aal1'
}

function isTelephone(channel: Channel | undefined): boolean {
  return channel === 'sms' || channel === 'voice'
}

function isSecondFactor(factor: Factor): boolean {
  const { method, channel } = factor
  return method === 'totp' || method === 'hotp' || method === 'passkey' || (method === 'one_time_code' && channel !== 'email')
}

function higher(a: Aal, b: Aal): Aal {
  return atLeast(a, b) ? a : b
}

function without(enrolled: readonly Factor[], gone: Factor): readonly Factor[] {
  const same = ({ method, channel, userVerified }: Factor): boolean =>
    method === gone.method && channel === gone.channel && (userVerified ?? false) === (gone.userVerified ?? false)
  const at = enrolled.findIndex(same)
  return enrolled.filter((_, i) => i !== at)
}

/** The methods in those sets of factors that are enough and of which none can be left out. */
function smallest(factors: readonly Factor[], enough: (more: readonly Factor[]) => boolean): readonly Method[] {
  const distinct = [...new Map(factors.map((factor) => [JSON.stringify(factor), factor])).values()]
  const found: (readonly Factor[])[] = []
  let sets: (readonly Factor[])[] = [[]]
  // Two kinds of factor, and a third that resists phishing: no level takes more.
  for (let size = 1; size <= 3; size++) {
    sets = sets.flatMap((set) =>
      distinct.slice(set.length === 0 ? 0 : distinct.indexOf(set.at(-1) as Factor) + 1).map((factor) => [...set, factor]),
    )
    found.push(...sets.filter((set) => !found.some((smaller) => smaller.every((factor) => set.includes(factor))) && enough(set)))
  }
  return [...new Set(found.flat().map(({ method }) => method))]
}
