import { createHash, createHmac, createSecretKey, type KeyObject, randomBytes, randomInt, timingSafeEqual } from 'node:crypto'
import {
  type AttemptContext,
  type AttemptGuard,
  type Clock,
  type EventContext,
  epochSeconds,
  type Store,
  type Stored,
  systemClock,
} from '@portcullis/core'
import { attempting } from './attempts.ts'
import { checkRange, invalid } from './errors.ts'
import { mfaRefused, mfaVerified, oneTimeCodeMade } from './events.ts'
import type { Channel, Proof } from './proof.ts'
import { change } from './record.ts'
import { type Refused, refused } from './refusal.ts'

export type { AttemptContext, AttemptGuard, KnownDevice } from '@portcullis/core'
export { MfaError, type MfaErrorCode } from './errors.ts'
export type { Channel, Proof } from './proof.ts'
export type { FactorRefusal, FactorRefusalCode, Refused } from './refusal.ts'

/** Options of {@link createOneTimeCodes}. */
export interface OneTimeCodesOptions {
  /** Keeps the records. */
  readonly store: Store
  /**
   * At least 32 random bytes, the same in all processes: codes are kept under this key, because a hash alone of so few digits tells
   * them. A new one voids the codes of the last minutes, and nothing else.
   */
  readonly secret: Uint8Array
  /** 7 to 12; 8 by default, which is 26 bits (ASVS 6.5.4 asks for 20). */
  readonly digits?: number
  /** Seconds that a code lasts; 600 by default, and at most (ASVS 6.5.5). */
  readonly lifetime?: number
  /** How often a code may be guessed at: 1 to 10; 5 by default. */
  readonly attempts?: number
  /** How many codes an account may be sent for one purpose within an hour: 1 to 20; 5 by default. */
  readonly sendsPerHour?: number
  /** Stands before every check, besides `attempts`. */
  readonly guard?: AttemptGuard
  readonly clock?: Clock
}

/** For whom, for what. */
export interface CodeSubject {
  readonly account: string
  /** What the code is good for: `sign-in`, `change-email`. A code for one purpose is of no use for another. */
  readonly purpose: string
}

/** A code to send. */
export type CodeIssue =
  | {
      readonly ok: true
      /** Send it to where the person was validated to be, and nowhere else. Secret. */
      readonly code: string
      /** For the browser that asked, and for it alone (in its session, or a cookie): without this the code is nothing. Secret. */
      readonly request: string
      /** Milliseconds since the epoch. */
      readonly expiresAt: number
    }
  | Refused<'mfa.too_many_sends'>

/** What became of a code. */
export type CodeResult =
  | { readonly ok: true; readonly proof: Proof }
  | Refused<'mfa.code_wrong' | 'mfa.code_malformed' | 'mfa.code_unknown' | 'mfa.too_many_attempts'>

/** Codes that reach the person another way (out of band, NIST SP 800-63B-4 §3.1.3). The application sends them. */
export interface OneTimeCodes {
  /**
   * Makes a code. The last one for this account and purpose is void with it. Answer the client the same whether or not there is such
   * an account.
   * @throws MfaError `mfa.store_contended` (503)
   */
  issue(subject: CodeSubject & { readonly channel: Channel }, context?: EventContext): Promise<CodeIssue>
  /**
   * Uses a code up. An attempt is taken before the code is looked at; with the last one the code is void.
   * @throws MfaError `mfa.store_contended` (503)
   */
  verify(given: CodeSubject & { readonly request: string; readonly code: string }, context?: AttemptContext): Promise<CodeResult>
}

type Live = {
  readonly request: string
  readonly code: string
  readonly channel: Channel
  readonly attemptsLeft: number
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
}

type CodeRecord = {
  readonly live?: Live
  /** When codes were made in the last hour: milliseconds since the epoch. */
  readonly sends: readonly number[]
}

const hour = 3_600_000

/** @throws MfaError `mfa.options_invalid` */
export function createOneTimeCodes(options: OneTimeCodesOptions): OneTimeCodes {
  const { store, secret, digits = 8, lifetime = 600, attempts = 5, sendsPerHour = 5, guard, clock = systemClock } = options
  if (!(secret instanceof Uint8Array) || secret.byteLength < 32) throw invalid('secret must have 32 bytes or more')
  checkRange('digits', digits, 7, 12)
  checkRange('lifetime', lifetime, 30, 600)
  checkRange('attempts', attempts, 1, 10)
  checkRange('sendsPerHour', sendsPerHour, 1, 20)
  const key = createSecretKey(secret)
  const records = store.collection<CodeRecord>({ name: 'mfa.one_time_codes' })

  const keep = (record: CodeRecord): { record: CodeRecord; options: { expiresAt: number } } => ({
    record,
    options: { expiresAt: Math.max(record.live?.expiresAt ?? 0, ...record.sends.map((sent) => sent + hour)) },
  })

  const openTo = (was: Stored<CodeRecord> | undefined, request: string): Live | undefined => {
    const live = was?.value.live
    const open = live !== undefined && live.expiresAt > clock.now() && equal(live.request, sha256(request))
    return open ? live : undefined
  }

  /** Takes one attempt; gives the code that may now be looked at. A wrong request takes nothing from it. */
  const reserve = (id: string, request: string): Promise<Live | undefined> =>
    change<CodeRecord, Live | undefined>(records, id, (was) => {
      const live = openTo(was, request)
      if (was === undefined || live === undefined || live.attemptsLeft < 1) return { result: undefined }
      const left = { ...live, attemptsLeft: live.attemptsLeft - 1 }
      return { ...keep({ ...was.value, live: left }), result: left }
    })

  /** Of all who know the code one finds it there. */
  const consume = (id: string, request: string): Promise<boolean> =>
    change<CodeRecord, boolean>(records, id, (was) => {
      if (was === undefined || openTo(was, request) === undefined) return { result: false }
      return { ...keep({ sends: was.value.sends }), result: true }
    })

  const check = async (given: CodeSubject & { request: string; code: string }): Promise<CodeResult> => {
    const { request, code } = given
    const text = typeof code === 'string' ? code.replace(/[\s-]/g, '') : ''
    if (text.length !== digits || !/^[0-9]+$/.test(text)) return refused('mfa.code_malformed')
    if (typeof request !== 'string') return refused('mfa.code_unknown')
    const id = idOf(given)
    const live = await reserve(id, request)
    if (live === undefined) return refused('mfa.code_unknown')
    if (!equal(live.code, digestOf(key, id, request, text))) return refused('mfa.code_wrong')
    if (!(await consume(id, request))) return refused('mfa.code_unknown')
    return { ok: true, proof: { method: 'one_time_code', at: epochSeconds(clock), channel: live.channel } }
  }

  return {
    async issue({ account, purpose, channel }, context) {
      const id = idOf({ account, purpose })
      const request = randomBytes(24).toString('base64url')
      const code = randomInt(10 ** digits)
        .toString()
        .padStart(digits, '0')
      const now = clock.now()
      const expiresAt = now + lifetime * 1000
      const hidden = { request: sha256(request), code: digestOf(key, id, request, code) }
      const live: Live = { ...hidden, channel, attemptsLeft: attempts, expiresAt }
      const issue = await change<CodeRecord, CodeIssue>(records, id, (was) => {
        const sends = (was?.value.sends ?? []).filter((sent) => sent + hour > now)
        const first = sends[0]
        if (first !== undefined && sends.length >= sendsPerHour) {
          return { result: refused('mfa.too_many_sends', Math.ceil((first + hour - now) / 1000)) }
        }
        return { ...keep({ live, sends: [...sends, now] }), result: { ok: true, code, request, expiresAt } }
      })
      if (issue.ok) oneTimeCodeMade.publish({ account, purpose, channel }, { clock, ...context })
      else mfaRefused.publish({ account, factor: 'one_time_code', code: issue.reason.code }, { clock, ...context })
      return issue
    },

    verify: (given, context) =>
      attempting({ guard, account: given.account, factor: 'one_time_code', clock, context }, async () => {
        const { account } = given
        const result = await check(given)
        if (result.ok) mfaVerified.publish({ account, factor: 'one_time_code' }, { clock, ...context })
        else mfaRefused.publish({ account, factor: 'one_time_code', code: result.reason.code }, { clock, ...context })
        return result
      }),
  }
}

function idOf({ account, purpose }: CodeSubject): string {
  return sha256(JSON.stringify([account, purpose]))
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}

// Account, purpose and request are part of it: a digest that is moved elsewhere is of no use there.
function digestOf(key: KeyObject, id: string, request: string, code: string): string {
  return createHmac('sha256', key)
    .update(JSON.stringify([id, request, code]))
    .digest('base64url')
}

function equal(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b))
}
