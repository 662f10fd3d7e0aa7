import { createHash } from 'node:crypto'
import type { Clock, Principal, Sealer } from '@portcullis/core'
import { isObject, type JsonObject, own, parseStrictJson } from './authzen-json.ts'
import { AuthzenRequestError, readProperties } from './authzen-model.ts'
import type { PageRequest } from './authzen-search.ts'

/** Milliseconds that a token leads to the next page. */
const TOKEN_LIFETIME = 15 * 60_000

/** What a search's pages are bound to: whoever asks, and everything that he asks. */
export interface PageBinding {
  readonly kind: 'subject' | 'resource' | 'action'
  readonly caller: Principal
  /** The whole query, without `page`. */
  readonly query: unknown
}

/**
 * Page tokens (AuthZEN §8.2): sealed, so that nobody reads where a listing stands or moves it, and bound to query and caller, so
 * that a token answers the question that it was given for.
 */
export class PageTokens {
  readonly #sealer: Sealer
  readonly #clock: Clock
  readonly #most: number
  readonly #usual: number

  /** @param most the largest page @param usual the page of who names no limit */
  constructor(sealer: Sealer, clock: Clock, most: number, usual: number) {
    this.#sealer = sealer
    this.#clock = clock
    this.#most = most
    this.#usual = usual
  }

  /** §8.2.1. @throws AuthzenRequestError when the query is not the one that the token was given for */
  read(page: unknown, binding: PageBinding): PageRequest & { readonly asked: number | undefined } {
    const given = readProperties('page', page) ?? {}
    const limit = own(given, 'limit') ?? undefined
    if (limit !== undefined && !(typeof limit === 'number' && Number.isSafeInteger(limit) && limit >= 0)) {
      throw new AuthzenRequestError('page.limit is not a whole number')
    }
    const token = own(given, 'token') ?? ''
    if (typeof token !== 'string') throw new AuthzenRequestError('page.token is not a text')
    if (token === '') return { limit: this.#within(limit), asked: limit }
    const kept = this.#open(token, contextOf(given, binding))
    const asked = own(kept, 'limit') as number | undefined
    // Left out, it is as before: so the specification's own example has it.
    if (limit !== undefined && limit !== asked) throw new AuthzenRequestError('page.limit is not what it was')
    const after = own(kept, 'after') as string
    return { limit: this.#within(asked), asked, ...(after === '' ? {} : { after }) }
  }

  /** §8.2.2: the token of the next page. @param page as it was sent */
  write(after: string, asked: number | undefined, page: unknown, binding: PageBinding): string {
    const kept = { after, expires: this.#clock.now() + TOKEN_LIFETIME, ...(asked === undefined ? {} : { limit: asked }) }
    return this.#sealer.seal(Buffer.from(JSON.stringify(kept)), contextOf(isObject(page) ? page : {}, binding))
  }

  #open(token: string, context: string): JsonObject {
    let kept: JsonObject | string
    try {
      kept = parseStrictJson(this.#sealer.open(token, context))
    } catch {
      throw new AuthzenRequestError('page.token does not belong to this query')
    }
    const expires = isObject(kept) ? own(kept, 'expires') : undefined
    if (!isObject(kept) || typeof expires !== 'number' || expires <= this.#clock.now()) {
      throw new AuthzenRequestError('page.token has expired')
    }
    return kept
  }

  #within(limit: number | undefined): number {
    return Math.min(limit ?? this.#usual, this.#most)
  }
}

function contextOf(page: JsonObject, { kind, caller, query }: PageBinding): string {
  const whose = [caller.kind, caller.subject, caller.tenant ?? null, caller.clientId ?? null]
  const all = JSON.stringify(sorted([whose, query, own(page, 'properties') ?? null]))
  return `rbac.authzen_page:${kind}:${createHash('sha256').update(all).digest('base64url')}`
}

/** §10.1.1: the order of members says nothing. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (!isObject(value)) return value
  return Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, member]) => [name, sorted(member)])
}
