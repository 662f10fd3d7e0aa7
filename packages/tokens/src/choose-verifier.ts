import { TokenError } from './errors.ts'
import { refused } from './refused.ts'
import type { Verifier } from './verifier.ts'

/** Why a credential is refused before any verifier sees it. */
export type ChoiceReasonCode = 'tokens.verifier_missing'

const NOBODY = refused('tokens.verifier_missing', 'no verifier takes credentials of this form, or of this issuer')

/**
 * Several verifiers behind one door: JWTs of several issuers, API keys, opaque tokens. The first that accepts a credential, by its
 * form and the issuer it names, decides alone: what it refuses is not shown to another, which might look less closely.
 *
 * A verifier that takes any form, such as introspection without a `prefix`, must be the last, and two verifiers of JWTs can't be of
 * one issuer: the second would never be asked. `createVerifier` takes several audiences.
 *
 * @throws TokenError `tokens.options_invalid`
 * @example bearer({ verifier: chooseVerifier([apiKeys, createVerifier({ issuer, audience, keys })]) })
 */
export function chooseVerifier<Code extends string>(verifiers: readonly Verifier<Code>[]): Verifier<Code | ChoiceReasonCode> {
  if (!Array.isArray(verifiers) || verifiers.length === 0 || !verifiers.every(isVerifier)) {
    throw new TokenError('tokens.options_invalid', 'verifiers must name one or more')
  }
  const all: readonly Verifier<Code>[] = [...verifiers]
  checkReachable(all)
  const find = (token: string): Verifier<Code> | undefined => all.find((verifier) => verifier.accepts(token))
  return {
    // A URL has no space in it: of several, this is none of them.
    issuer: [...new Set(all.map(({ issuer }) => issuer))].join(' '),
    accepts: (token) => find(token) !== undefined,
    verify: (token, context) => find(token)?.verify(token, context) ?? NOBODY,
  }
}

function isVerifier(value: Partial<Verifier<string>> | undefined): boolean {
  return typeof value?.issuer === 'string' && typeof value.accepts === 'function' && typeof value.verify === 'function'
}

/** @throws TokenError `tokens.options_invalid` for one that would never be asked */
function checkReachable(verifiers: readonly Verifier<string>[]): void {
  const issuers = new Set<string>()
  for (const [at, verifier] of verifiers.entries()) {
    if (verifier.accepts(PLAIN)) {
      if (at < verifiers.length - 1) {
        throw new TokenError('tokens.options_invalid', `the verifier of ${verifier.issuer} takes any form, and is not the last`)
      }
    } else if (verifier.accepts(unsigned(verifier.issuer))) {
      if (issuers.has(verifier.issuer)) {
        throw new TokenError('tokens.options_invalid', `two verifiers take JWTs of ${verifier.issuer}`)
      }
      issuers.add(verifier.issuer)
    }
  }
}

/** Text of no form that anybody claims. */
const PLAIN = '0'

/** A JWT as `accepts` sees it: nothing is verified there. */
function unsigned(issuer: string): string {
  const segments = [{ alg: 'none' }, { iss: issuer }].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
  return `${segments.join('.')}.`
}
