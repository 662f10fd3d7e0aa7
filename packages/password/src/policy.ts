import { commonPasswords, createBlocklist } from './blocklist.ts'
import type { BreachCheck } from './breach-check.ts'
import { contextWords, lengthWithout, wordsIn } from './context-words.ts'
import { PasswordError } from './errors.ts'
import { passwordRefused } from './events.ts'
import { codePoints } from './folding.ts'
import { prepare } from './profile.ts'
import type { StrengthEstimator } from './strength.ts'

/** Options of {@link createPasswordPolicy}. */
export interface PasswordPolicyOptions {
  /** Code points after NFC, where the password is all there is. Default: 15, as NIST SP 800-63B-4 §3.1.1.2 asks; never below 8. */
  readonly minLength?: number
  /** Code points after NFC, where a second factor is asked for too. Default: 8, the least that NIST and ASVS 6.2.1 allow. */
  readonly minLengthWithSecondFactor?: number
  /** Code points after NFC. Default: 256; never below 64 (ASVS 6.2.9). */
  readonly maxLength?: number
  /** Words that anybody would try at this service: its name, its domain, its products (ASVS 6.2.11). */
  readonly words?: readonly string[]
  /** Passwords that are tried first. Default: the 49,233 of @zxcvbn-ts/language-common (ASVS 6.2.4). */
  readonly blocklist?: Iterable<string>
  /** From `@portcullis/password/breached` (ASVS 6.2.12). Default: none. */
  readonly breached?: BreachCheck
  /** From `@portcullis/password/strength`. Default: none. */
  readonly strength?: StrengthEstimator
  /** The least score, 0 to 4, of `strength`. Default: 3. */
  readonly leastScore?: 1 | 2 | 3 | 4
}

/** What is wrong with a new password. */
export type PolicyFlawCode =
  | 'password.too_short'
  | 'password.too_long'
  | 'password.malformed'
  | 'password.context_words'
  | 'password.common'
  | 'password.weak'
  | 'password.breached'
  | 'password.breach_unknown'

/** One thing that is wrong with a new password. */
export interface PolicyFlaw {
  readonly code: PolicyFlawCode
  /** What the person may be told, in English; translate by `code`. */
  readonly message: string
}

/** Whose password it is to be. */
export interface PolicySubject {
  /** Whether this account signs in with a second factor always. Default: false. */
  readonly secondFactor?: boolean
  /** What is known of its owner: names, user name, e-mail addresses. */
  readonly about?: readonly string[]
  /** For the event, where there is an account already. */
  readonly account?: string
}

/** What {@link PasswordPolicy.check} found. */
export type PolicyVerdict = { readonly ok: true } | { readonly ok: false; readonly flaws: readonly PolicyFlaw[] }

/** The rules for new passwords. There are none about kinds of characters (ASVS 6.2.5), and none about age (ASVS 6.2.10). */
export interface PasswordPolicy {
  /** @param password as received */
  check(password: string, subject?: PolicySubject): Promise<PolicyVerdict>
}

/**
 * Rules after NIST SP 800-63B-4 §3.1.1.2 and ASVS 5.0 chapter 6.2. What costs nothing is looked at first; only a password with no
 * other flaw is held against the breached ones.
 * @throws PasswordError `password.options_invalid`
 */
export function createPasswordPolicy(options: PasswordPolicyOptions = {}): PasswordPolicy {
  const { minLength = 15, minLengthWithSecondFactor = 8, maxLength = 256, words = [], breached, strength } = options
  const { leastScore = 3 } = options
  checkLengths(minLength, minLengthWithSecondFactor, maxLength)
  const own = options.blocklist === undefined ? undefined : createBlocklist(options.blocklist)

  const messages: Readonly<Record<PolicyFlawCode, string>> = {
    'password.too_short': 'This password is too short. Several words in a row make a good one.',
    'password.too_long': `A password may have ${maxLength} characters.`,
    'password.malformed': 'This is not a text that can be a password.',
    'password.context_words': 'Your name, your address and our name are the first that somebody would try. Add something else.',
    'password.common': 'This password, or one like it, is on the lists that attackers try first.',
    'password.weak': 'This password is easy to guess. Several words that have nothing to do with each other are better.',
    'password.breached': 'This password is known from a data breach, so that attackers have it. Choose another one.',
    'password.breach_unknown': 'We cannot check this password at the moment. Try again in a minute.',
  }

  async function flawsOf(password: string, subject: PolicySubject): Promise<readonly PolicyFlawCode[]> {
    const prepared = prepare(password, maxLength)
    if ('flaw' in prepared) return [prepared.flaw]
    const { text } = prepared
    const least = subject.secondFactor === true ? minLengthWithSecondFactor : minLength
    const about = [...words, ...(subject.about ?? [])]
    const flaws: PolicyFlawCode[] = []
    if (codePoints(text) < least) flaws.push('password.too_short')
    else if (lengthWithout(text, contextWords(about)) < Math.min(least, 8)) flaws.push('password.context_words')
    if ((own ?? (await commonPasswords())).has(text)) flaws.push('password.common')
    if (strength !== undefined && strength.estimate(text, wordsIn(about)).score < leastScore) flaws.push('password.weak')
    if (flaws.length > 0 || breached === undefined) return flaws
    const verdict = await breached.check(text)
    if (verdict === 'breached') return ['password.breached']
    return verdict === 'unknown' ? ['password.breach_unknown'] : []
  }

  return {
    async check(password, subject = {}) {
      const flaws = await flawsOf(password, subject)
      if (flaws.length === 0) return { ok: true }
      passwordRefused.publish({ flaws, ...(subject.account === undefined ? {} : { account: subject.account }) })
      return { ok: false, flaws: flaws.map((code) => ({ code, message: messages[code] })) }
    },
  }
}

function checkLengths(alone: number, withSecondFactor: number, most: number): void {
  for (const length of [alone, withSecondFactor, most]) {
    if (!Number.isSafeInteger(length) || length < 8) {
      throw new PasswordError('password.options_invalid', 'lengths are whole numbers of at least 8 (ASVS 6.2.1)')
    }
  }
  if (most < 64 || most < alone || most < withSecondFactor) {
    throw new PasswordError(
      'password.options_invalid',
      'maxLength must be at least 64 (ASVS 6.2.9), and not below a least length',
    )
  }
}
