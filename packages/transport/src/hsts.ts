import { TransportError } from './errors.ts'

/** How long browsers shall use HTTPS alone (RFC 6797). */
export interface HstsOptions {
  /** Seconds; two years by default, one year at least (ASVS v5.0.0-3.4.1). 0 takes it back (RFC 6797 §6.1.1). */
  readonly maxAge?: number
  /** Default true: a subdomain over plain HTTP could set cookies for this host. */
  readonly includeSubDomains?: boolean
  /** Asks for a place on the lists that browsers ship. It takes months to get off them; false by default. */
  readonly preload?: boolean
}

const YEAR = 31_536_000

/** @throws TransportError `transport.hsts_invalid` */
export function formatHsts(options: HstsOptions): string {
  const { maxAge = 2 * YEAR, includeSubDomains = true, preload = false } = options
  if (!Number.isSafeInteger(maxAge) || (maxAge !== 0 && maxAge < YEAR)) {
    throw new TransportError('transport.hsts_invalid', `hsts.maxAge is neither 0 nor at least ${YEAR} seconds`)
  }
  if (preload && (!includeSubDomains || maxAge === 0)) {
    throw new TransportError('transport.hsts_invalid', 'hsts.preload needs includeSubDomains and a maxAge of at least a year')
  }
  return [`max-age=${maxAge}`, ...(includeSubDomains ? ['includeSubDomains'] : []), ...(preload ? ['preload'] : [])].join('; ')
}
