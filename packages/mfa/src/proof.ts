import { MfaError } from './errors.ts'

/** A way in which a person can prove who he is. */
export type Method =
  | 'password'
  | 'passkey'
  | 'totp'
  | 'hotp'
  | 'one_time_code'
  | 'recovery_code'
  | 'magic_link'
  | 'federated'
  | 'remembered_device'

/** How a one-time code reached the person. */
export type Channel = 'sms' | 'voice' | 'email' | 'push' | 'other'

/** Assurance levels of NIST SP 800-63B-4. */
export type Aal = 'aal1' | 'aal2' | 'aal3'

/** A method as an account has it. What is left out is taken for false. A type and not an interface, so that it is JSON. */
export type Factor = {
  readonly method: Method
  /** Of a passkey: its authenticator verified the person, by PIN or biometrics. */
  readonly userVerified?: boolean
  /** Of a passkey: it cannot leave its authenticator, as that says of itself. */
  readonly deviceBound?: boolean
  /** Of a passkey: a pinned anchor vouches for its authenticator. */
  readonly attested?: boolean
  /** Of a one-time code. */
  readonly channel?: Channel
  /** Of a federated sign-in: the level that the issuer asserts, **if** it is trusted to; without it one factor. */
  readonly aal?: Aal
  /** Of a federated sign-in: the issuer asserts, and is trusted to, that it was resistant to phishing. */
  readonly phishingResistant?: boolean
  /** Of a federated sign-in: the issuer's own `amr`, passed on. */
  readonly amr?: readonly string[]
}

/** What was proven, and when. Every way in makes one and the session keeps them; {@link Assurance} weighs them. */
export type Proof = Factor & {
  /** Seconds since the epoch. */
  readonly at: number
}

/**
 * What a proof shows. `knowledge`: something that the person knows, or what stands in for it: whoever reads the mailbox can set a
 * new password, so a link or a code by e-mail is the same factor as the password (NIST SP 800-63B-4 §3.1.3.1: e-mail is no
 * out-of-band authenticator). `possession`: something that he has. `verification`: the authenticator itself asked for a PIN or a
 * finger.
 */
export type FactorKind = 'knowledge' | 'possession' | 'verification'

const possessed: readonly Method[] = ['totp', 'hotp', 'recovery_code', 'remembered_device']

/** The kinds of factor that a proof stands for. */
export function kindsOf(factor: Factor): readonly FactorKind[] {
  if (factor.method === 'passkey') return factor.userVerified ? ['possession', 'verification'] : ['possession']
  if (factor.method === 'federated') return atLeast(factor.aal, 'aal2') ? ['knowledge', 'possession'] : ['knowledge']
  if (factor.method === 'one_time_code') return factor.channel === 'email' ? ['knowledge'] : ['possession']
  return possessed.includes(factor.method) ? ['possession'] : ['knowledge']
}

/** Whether a person cannot be talked into proving this to somebody in between (NIST SP 800-63B-4 §3.2.5). */
export function resistsPhishing(factor: Factor): boolean {
  return factor.method === 'passkey' || (factor.method === 'federated' && factor.phishingResistant === true)
}

/** Whether it can be asked for again: a recovery code is for the day the factor is lost, a remembered device asks nobody. */
export function isInteractive({ method }: Factor): boolean {
  return method !== 'recovery_code' && method !== 'remembered_device'
}

const amrs: Readonly<Record<Exclude<Method, 'passkey' | 'one_time_code' | 'federated'>, readonly string[]>> = {
  password: ['pwd'],
  totp: ['otp'],
  hotp: ['otp'],
  recovery_code: ['otp'],
  magic_link: ['otp'],
  remembered_device: [],
}

/** RFC 8176 §2: the values of a proof; `mfa` is added where there are two kinds. */
export function amrOf(factor: Factor): readonly string[] {
  switch (factor.method) {
    case 'passkey':
      return [factor.deviceBound ? 'hwk' : 'swk', 'user']
    case 'one_time_code':
      return factor.channel === 'sms' ? ['sms'] : factor.channel === 'voice' ? ['tel'] : ['otp']
    case 'federated':
      return factor.amr ?? []
    default:
      return amrs[factor.method]
  }
}

const levels: readonly (Aal | undefined)[] = [undefined, 'aal1', 'aal2', 'aal3']

/** Whether one level is as high as another; `undefined` is none at all. */
export function atLeast(reached: Aal | undefined, needed: Aal | undefined): boolean {
  return levels.indexOf(reached) >= levels.indexOf(needed)
}

const methods: readonly Method[] = ['password', 'passkey', 'one_time_code', 'magic_link', 'federated', ...possessed]

/** Proofs lie in sessions for long: one that this version cannot read must not count for anything. @throws MfaError `mfa.proof_invalid` */
export function checkProof(proof: Proof): void {
  if (!methods.includes(proof.method) || !Number.isFinite(proof.at)) {
    throw new MfaError('mfa.proof_invalid', 'a proof has an unknown method, or no time')
  }
}
