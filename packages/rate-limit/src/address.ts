import { isIPv4, isIPv6 } from 'node:net'
import ipaddr from 'ipaddr.js'

/**
 * The part of an address that one customer holds: an IPv4 address whole, an IPv6 address down to its prefix, since a single host is
 * commonly handed 2^64 of them (RFC 6177, RFC 4291 §2.5.4). IPv4-mapped addresses are the IPv4 address (RFC 4291 §2.5.5.2).
 * @param ipv6Prefix bits that count
 * @returns canonical text; `undefined` where it is not an address
 */
export function addressPrefix(address: string, ipv6Prefix: number): string | undefined {
  if (isIPv4(address)) return address
  if (!isIPv6(address)) return undefined
  // The zone names an interface of this machine, never somebody else (RFC 4007 §11).
  const parsed = ipaddr.IPv6.parse(address.split('%', 1)[0] ?? '')
  if (parsed.isIPv4MappedAddress()) return parsed.toIPv4Address().toString()
  const parts = parsed.parts.map((part, i) => {
    const bits = Math.min(16, Math.max(0, ipv6Prefix - 16 * i))
    return part & (0xffff << (16 - bits)) & 0xffff
  })
  return `${new ipaddr.IPv6(parts).toRFC5952String()}/${ipv6Prefix}`
}
