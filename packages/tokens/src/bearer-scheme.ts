import { challenge, type HeaderList, type Principal, problem, type Reason, type Refusal } from '@portcullis/core'
import { TokenError } from './errors.ts'
import type { ClientAnswer } from './refused.ts'

/** What the challenges of a protected resource say, whatever happened. */
export interface ChallengeOptions {
  /** The protection space (RFC 9110 §11.5). */
  readonly realm?: string
  /** The URL of the protected resource metadata (RFC 9728 §5.1). */
  readonly resourceMetadata?: string
}

/** One way to present a token, and how those who tried it are answered. */
export interface Scheme {
  /** How core and rbac ask for more in it. */
  readonly challenge: NonNullable<Principal['challenge']>
  /** The challenge without a word about an error. */
  readonly offer: HeaderList
  /** 400: what follows the scheme's name is no token. */
  readonly malformed: Refusal
  /** 401. @param offers challenges of other schemes that would do as well */
  refuse(cause: Reason, answer: ClientAnswer, offers?: HeaderList): Refusal
}

const ONE_TOKEN = { error: 'invalid_request', error_description: 'One access token is expected' }
const NOT_A_TOKEN: Reason = { code: 'tokens.credentials_malformed', message: 'what follows the scheme is not one token' }
const AMBIGUOUS: Reason = { code: 'tokens.credentials_malformed', message: 'more than one Authorization header' }
const NO_CREDENTIALS: Reason = { code: 'tokens.credentials_missing', message: 'the request has no access token' }

/**
 * @param algorithms for `DPoP`: what proofs may be signed with (RFC 9449 §7.1)
 * @throws CoreError `core.header_invalid`
 */
export function createScheme(name: 'Bearer' | 'DPoP', options: ChallengeOptions, algorithms?: readonly string[]): Scheme {
  const { realm, resourceMetadata } = options
  const params = {
    ...(realm !== undefined && { realm }),
    ...(resourceMetadata !== undefined && { resource_metadata: resourceMetadata }),
    ...(algorithms !== undefined && { algs: algorithms.join(' ') }),
  }
  const named = { challenge: { scheme: name, params } }
  return {
    ...named,
    offer: challenge(named, {}),
    malformed: refusal(400, challenge(named, ONE_TOKEN), NOT_A_TOKEN),
    refuse(cause, { error, description }, offers = []) {
      return refusal(401, [...challenge(named, { error, error_description: description }), ...offers], cause)
    },
  }
}

/** RFC 6750 §3.1, RFC 9449 §7.2: without credentials, each scheme that would do, and not a word about an error. */
export function missingCredentials(schemes: readonly Scheme[]): Refusal {
  return refusal(
    401,
    schemes.flatMap(({ offer }) => offer),
    NO_CREDENTIALS,
  )
}

/** RFC 9449 §7.2: where it can't be told which credentials were meant, each scheme says what is wrong. */
export function ambiguousCredentials(schemes: readonly Scheme[]): Refusal {
  return refusal(
    400,
    schemes.flatMap((scheme) => challenge(scheme, ONE_TOKEN)),
    AMBIGUOUS,
  )
}

// A key set, a revocation feed or a store has gone; those that come back do so within seconds.
const RETRY_AFTER: HeaderList = [['Retry-After', '5']]

/**
 * The answer when nobody can tell whether a token is good: 503, and the error is the cause.
 * @throws the error itself, when it says anything else
 */
export function unavailable(error: unknown): Refusal {
  if (!(error instanceof TokenError) || error.status !== 503) throw error
  return refusal(503, RETRY_AFTER, error)
}

/** The answer to whoever guessed too often, right or wrong, known or not. @param retryAfter seconds */
export function tooManyAttempts(cause: Reason, retryAfter: number): Refusal {
  return refusal(429, [['Retry-After', String(retryAfter)]], cause)
}

function refusal(status: 400 | 401 | 429 | 503, headers: HeaderList, cause: Reason): Refusal {
  return { type: 'reply', reply: problem({ status }, headers), cause }
}
