import { addressRanges, CoreError, parseAddress, type RequestView } from '@portcullis/core'
import { RateLimitError } from './errors.ts'

/** Addresses and CIDR ranges, as `203.0.113.0/24` or `2001:db8::/32`; or a function, for a list that changes. */
export type AddressList = readonly string[] | ((req: RequestView) => boolean)

/**
 * Whether a request is on a list.
 * @throws RateLimitError `rate_limit.options_invalid` when declared; at a request without an address, where the list has any,
 *   `rate_limit.key_missing`: who can't be looked up must not pass for who is not on it
 */
export function addressList(list: AddressList): (req: RequestView) => boolean {
  if (typeof list === 'function') return list
  if (list.length === 0) return () => false
  const contains = rangesOf(list)
  return ({ client }) => {
    // Mapped IPv4 addresses are the IPv4 address, whoever made the view.
    const address = parseAddress(client.ip)
    if (address === undefined) throw new RateLimitError('rate_limit.key_missing', 'a request has no address to look up in a list')
    return contains(address)
  }
}

function rangesOf(list: readonly string[]): (ip: string) => boolean {
  try {
    return addressRanges(list)
  } catch (cause) {
    if (!(cause instanceof CoreError)) throw cause
    throw new RateLimitError('rate_limit.options_invalid', 'a list has an entry that is neither an address nor a range', {
      cause,
    })
  }
}
