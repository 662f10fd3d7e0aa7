import { createHash, randomBytes } from 'node:crypto'
import { type Clock, epochSeconds, systemClock } from '@portcullis/core'
import { calculateJwkThumbprint, type JWK } from 'jose'
import { TokenError } from './errors.ts'
import { algorithmOf, publicMembers } from './jwk-checks.ts'
import { importVerificationKey } from './keys.ts'
import { text } from './options.ts'
import { importSigner, type Signer } from './signer.ts'

/** Options of {@link createDpopProver}. */
export type DpopProverOptions = {
  /** Servers whose last nonce is remembered. Default: 100. */
  readonly maxOrigins?: number
  readonly clock?: Clock
} & (
  | {
      /** The key, with its private half. */
      readonly privateJwk: JWK
    }
  | {
      /** Signs with a key that stays where it is, such as in a key management service. */
      readonly signer: Signer
      /** Its public half. */
      readonly publicJwk: JWK
    }
)

/** The request that a proof is for. */
export interface ProofRequest {
  readonly method: string
  /** Query and fragment do not go into the proof (RFC 9449 §4.2). */
  readonly url: string
  /** The access token that goes with it; none at a token endpoint. */
  readonly accessToken?: string
  /** Default: the last one that was remembered for the URL's origin. */
  readonly nonce?: string
}

/** Makes proofs of possession, for calls to others. */
export interface DpopProver {
  /** The thumbprint of the key (RFC 7638): what tokens are bound to. */
  readonly jkt: string
  /**
   * A proof for one request: the header `DPoP`. Make another for each request, also when one is tried again.
   * @throws TokenError `tokens.options_invalid`
   */
  proof(request: ProofRequest): Promise<string>
  /**
   * Keeps what an answer has in `DPoP-Nonce` for the next request to that origin (RFC 9449 §8.2). Call it for every answer.
   * @returns whether it is another nonce than before: after `use_dpop_nonce`, whether to try again
   */
  remember(url: string, nonce: string | null | undefined): boolean
}

/**
 * Proves possession of one key (RFC 9449 §4).
 *
 * @throws TokenError as `importSigner`; `tokens.key_malformed` when signer and public key do not belong together;
 * `tokens.options_invalid`
 * @example
 * const prover = await createDpopProver({ privateJwk })
 * const proof = await prover.proof({ method: 'GET', url, accessToken })
 * const response = await fetch(url, { headers: { authorization: `DPoP ${accessToken}`, dpop: proof } })
 * prover.remember(url, response.headers.get('dpop-nonce'))
 */
export async function createDpopProver(options: DpopProverOptions): Promise<DpopProver> {
  const { clock = systemClock, maxOrigins = 100 } = options
  if (!Number.isSafeInteger(maxOrigins) || maxOrigins < 1) {
    throw new TokenError('tokens.options_invalid', 'maxOrigins must be a whole number, 1 or more')
  }
  const { signer, publicJwk } = 'signer' in options ? await checkPair(options) : await importPair(options.privateJwk)
  const header = encode({ typ: 'dpop+jwt', alg: signer.alg, jwk: publicJwk })
  const nonces = new NoncesByOrigin(maxOrigins)
  return {
    jkt: await calculateJwkThumbprint(publicJwk),
    async proof({ method, url, accessToken, nonce }) {
      const { origin, pathname } = parseUrl(url)
      const claims = {
        jti: randomBytes(16).toString('base64url'),
        htm: text('method', method),
        htu: origin + pathname,
        iat: epochSeconds(clock),
        ...(accessToken !== undefined && {
          ath: createHash('sha256').update(text('accessToken', accessToken)).digest('base64url'),
        }),
        nonce: nonce ?? nonces.get(origin),
      }
      const input = `${header}.${encode(claims)}`
      const signature = await signer.sign(Buffer.from(input, 'latin1'))
      return `${input}.${Buffer.from(signature).toString('base64url')}`
    },
    remember: (url, nonce) => nonces.remember(parseUrl(url).origin, nonce),
  }
}

interface Pair {
  readonly signer: Signer
  readonly publicJwk: JWK
}

async function importPair(privateJwk: JWK): Promise<Pair> {
  const alg = algorithmOf(privateJwk, 'RS256')
  const publicJwk = publicMembers(privateJwk, alg)
  // The proof has the key itself in it, and no use for a name.
  return { signer: await importSigner({ ...privateJwk, kid: 'dpop' }), publicJwk }
}

async function checkPair({ signer, publicJwk }: Pair): Promise<Pair> {
  const key = await importVerificationKey({ ...publicJwk, alg: signer.alg })
  const probe = Buffer.from('portcullis')
  if (!key.verify(probe, await signer.sign(probe))) {
    throw new TokenError('tokens.key_malformed', 'the public key does not belong to the signer')
  }
  return { signer, publicJwk: publicMembers(publicJwk, signer.alg) }
}

/** The last nonce of each server; of the servers, those that were heard of last. */
class NoncesByOrigin {
  readonly #nonces = new Map<string, string>()
  readonly #maxOrigins: number

  constructor(maxOrigins: number) {
    this.#maxOrigins = maxOrigins
  }

  get(origin: string): string | undefined {
    return this.#nonces.get(origin)
  }

  remember(origin: string, nonce: string | null | undefined): boolean {
    // RFC 9449 §8.1. What a server sends is kept in memory, and sent back: nothing that is not a nonce, and nothing long.
    if (typeof nonce !== 'string' || !/^[\x21\x23-\x5b\x5d-\x7e]{1,512}$/.test(nonce)) return false
    const before = this.#nonces.get(origin)
    this.#nonces.delete(origin)
    if (this.#nonces.size >= this.#maxOrigins) this.#nonces.delete(this.#nonces.keys().next().value as string)
    this.#nonces.set(origin, nonce)
    return nonce !== before
  }
}

function parseUrl(value: string): URL {
  const url = URL.canParse(value) ? new URL(value) : undefined
  if (url?.protocol !== 'https:' && url?.protocol !== 'http:') {
    throw new TokenError('tokens.options_invalid', 'url is not an http: or https: URL')
  }
  return url
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
