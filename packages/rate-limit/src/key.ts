import { type Principal, principalOf, type RequestView } from '@portcullis/core'
import { addressPrefix } from './address.ts'
import { RateLimitError } from './errors.ts'

/** Finds out whom a request counts for; `undefined`: it can't tell, and the request is not let through uncounted. */
export interface LimitKey {
  (req: RequestView): string | undefined
  /** What sort of key it is, for events: `address`, `principal`; `custom` where it does not say. */
  readonly kind?: string
}

/** Options of {@link byAddress}. */
export interface ByAddressOptions {
  /** Bits of an IPv6 address that count, 64 by default, from 32 to 128. Of an IPv4 address all count. */
  readonly ipv6Prefix?: number
}

/**
 * Counts by the client's address, as the trusted proxies tell it.
 * @throws RateLimitError `rate_limit.options_invalid`
 */
export function byAddress(options: ByAddressOptions = {}): LimitKey {
  const ipv6Prefix = checkPrefix(options.ipv6Prefix)
  const key = (req: RequestView): string | undefined => {
    const ip = req.client.ip
    if (ip === undefined) return undefined
    // The view's address is canonical already: without a colon it is IPv4.
    return ip.includes(':') ? addressPrefix(ip, ipv6Prefix) : ip
  }
  return Object.assign(key, { kind: 'address' })
}

/** Options of {@link byPrincipal}. */
export interface ByPrincipalOptions {
  /**
   * `subject` (default): each user, and each client that acts for itself, within his tenant. `client`: the OAuth client, for all
   * its users. `tenant`: everybody of one tenant.
   */
  readonly per?: 'subject' | 'client' | 'tenant'
}

/**
 * Counts by who is calling. An authenticating guard must run before; where none did, or the principal has no client or tenant, there
 * is no key.
 */
export function byPrincipal(options: ByPrincipalOptions = {}): LimitKey {
  const { per = 'subject' } = options
  const key = (req: RequestView): string | undefined => {
    const principal = principalOf(req)
    return principal && KEYS[per](principal)
  }
  return Object.assign(key, { kind: per === 'subject' ? 'principal' : per })
}

/** Counts all requests together: for what the whole server can bear. Said in so many words, since by accident it locks everybody out. */
export const everybody: LimitKey = Object.assign(() => 'everybody', { kind: 'everybody' })

const KEYS: Readonly<Record<'subject' | 'client' | 'tenant', (principal: Principal) => string | undefined>> = {
  // The length makes it unambiguous: a tenant may hold any character, so may a subject.
  subject: ({ kind, tenant, subject }) => `${kind}:${tenant === undefined ? '' : `${tenant.length}:${tenant}`}:${subject}`,
  client: ({ kind, clientId, subject }) => clientId ?? (kind === 'client' ? subject : undefined),
  tenant: ({ tenant }) => tenant,
}

/** @throws RateLimitError `rate_limit.options_invalid` */
export function checkPrefix(bits = 64): number {
  if (!Number.isInteger(bits) || bits < 32 || bits > 128) {
    throw new RateLimitError('rate_limit.options_invalid', 'ipv6Prefix is a whole number of bits from 32 to 128')
  }
  return bits
}
