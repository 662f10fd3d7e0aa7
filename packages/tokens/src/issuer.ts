import { randomFillSync } from 'node:crypto'
import { type Clock, type EventContext, epochSeconds, systemClock } from '@portcullis/core'
import { type AccessTokenRequest, accessTokenClaims, withoutReserved } from './access-token.ts'
import { TokenError } from './errors.ts'
import { issuedEvent } from './events.ts'
import { signCompact } from './jws-sign.ts'
import type { KeyRing } from './key-ring.ts'
import { lifetimeWithin, text } from './options.ts'
import type { Signer } from './signer.ts'

/** Options of {@link createTokenIssuer}. */
export interface TokenIssuerOptions {
  /** What stands in `iss`. */
  readonly issuer: string
  /** A key ring, or whatever gives the signer of the moment. */
  readonly signer: Pick<KeyRing, 'signer' | 'maxTokenLifetime'> | (() => Signer | Promise<Signer>)
  /** Seconds that a token lives when nothing else is asked. Default: 300. */
  readonly lifetime?: number
  readonly clock?: Clock
}

/** A token that was signed. */
export interface IssuedToken {
  readonly token: string
  readonly jti: string
  /** Seconds: OAuth's `expires_in`. */
  readonly expiresIn: number
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
}

/** What {@link TokenIssuer.sign} signs. */
export interface SignRequest {
  /** The kind of token: `JWT` for an ID token, `logout+jwt`. Not `at+jwt`: that is what `accessToken` is for. */
  readonly typ: string
  /** Everything but `iss`, `iat`, `exp` and `jti`, which the issuer sets. Name the `aud`: one key signs for many. */
  readonly claims: Readonly<Record<string, unknown>>
  /** Seconds. */
  readonly lifetime?: number
}

/** Signs tokens in the name of one issuer. */
export interface TokenIssuer {
  readonly issuer: string
  /**
   * An access token by RFC 9068.
   * @throws TokenError `tokens.claim_reserved`, `tokens.claim_invalid`, `tokens.lifetime_too_long`
   */
  accessToken(request: AccessTokenRequest, context?: EventContext): Promise<IssuedToken>
  /**
   * Any other kind of token.
   * @throws TokenError `tokens.claim_reserved`, `tokens.claim_invalid`, `tokens.lifetime_too_long`
   */
  sign(request: SignRequest, context?: EventContext): Promise<IssuedToken>
}

const SET_BY_ISSUER: ReadonlySet<string> = new Set(['iss', 'iat', 'exp', 'jti'])
const MAX_LIFETIME = 31_536_000

/**
 * @throws TokenError `tokens.options_invalid`; `tokens.lifetime_too_long` when the ring would drop a key before its tokens are over
 * @example const issuer = createTokenIssuer({ issuer: 'https://login.example.com', signer: ring })
 */
export function createTokenIssuer(options: TokenIssuerOptions): TokenIssuer {
  const { clock = systemClock, signer: source } = options
  const issuer = text('issuer', options.issuer)
  const maxLifetime = typeof source === 'function' ? MAX_LIFETIME : source.maxTokenLifetime
  const currentSigner = typeof source === 'function' ? source : () => source.signer()
  const usual = lifetimeWithin(maxLifetime, options.lifetime ?? 300)

  const issue = async (
    typ: string,
    claims: Readonly<Record<string, unknown>>,
    lifetime: number | undefined,
    context: EventContext,
  ): Promise<IssuedToken> => {
    const expiresIn = lifetime === undefined ? usual : lifetimeWithin(maxLifetime, lifetime)
    const iat = epochSeconds(clock)
    const exp = iat + expiresIn
    const jti = newTokenId()
    const from = currentSigner()
    const signer = from instanceof Promise ? await from : from
    const signing = signCompact(JSON.stringify({ iss: issuer, iat, exp, jti, ...claims }), signer, { typ })
    const token = typeof signing === 'string' ? signing : await signing
    if (issuedEvent.observed) {
      const { sub, client_id: clientId } = claims
      const whose = { ...(typeof sub === 'string' && { subject: sub }), ...(typeof clientId === 'string' && { clientId }) }
      issuedEvent.publish({ typ, jti, ...whose }, { clock, ...context })
    }
    return { token, jti, expiresIn, expiresAt: exp * 1000 }
  }

  return {
    issuer,
    accessToken: async (request, context = {}) => issue('at+jwt', accessTokenClaims(request), request.lifetime, context),
    async sign(request, context = {}) {
      const typ = text('typ', request.typ)
      if (/^(application\/)?at\+jwt$/i.test(typ)) {
        throw new TokenError('tokens.claim_invalid', 'sign does not make access tokens: accessToken does, with all its claims')
      }
      return issue(typ, withoutReserved(request.claims, SET_BY_ISSUER), request.lifetime, context)
    },
  }
}

// Random bytes are dear by the call and cheap by the byte. A token's id is no secret: it stands in the token.
const TOKEN_ID_BYTES = 16
const randomPool = Buffer.allocUnsafeSlow(256 * TOKEN_ID_BYTES)
let usedOfPool = randomPool.length

function newTokenId(): string {
  if (usedOfPool === randomPool.length) {
    randomFillSync(randomPool)
    usedOfPool = 0
  }
  usedOfPool += TOKEN_ID_BYTES
  return randomPool.toString('base64url', usedOfPool - TOKEN_ID_BYTES, usedOfPool)
}
