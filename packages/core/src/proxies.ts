import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'
import { CoreError } from './errors.ts'
import { parseForwarded } from './forwarded.ts'
import type { Client, RequestHeaders } from './view.ts'

/** What a connection says by itself. */
export interface Connection {
  readonly remoteAddress: string | undefined
  /** Whether TLS ends here. */
  readonly encrypted: boolean
}

/** Finds out who the client is. */
export type ClientResolver = (connection: Connection, headers: RequestHeaders) => Client

/** One hop, as a proxy reported it. */
export interface Hop {
  /** As written: an address, maybe with a port. */
  readonly from: string | undefined
  readonly proto: string | undefined
  readonly host: string | undefined
}

/**
 * Resolves the client from a list of trusted proxies. Forwarding headers are believed only when the peer itself is on the list;
 * they are read from the right, one hop for each trusted proxy, and reading stops at the first address that is not on the list
 * or not well-formed. `Forwarded` (RFC 7239) and `X-Forwarded-*` are both understood; where both are present and name different
 * clients, one of them came from the client, and neither is believed.
 *
 * @param cidrs for example `['10.0.0.0/8', '::1/128']`; a bare address is a range of one; empty: nobody is believed
 * @throws CoreError `core.proxy_list_invalid`
 */
export function trustedProxies(cidrs: readonly string[]): ClientResolver {
  const trusted = addressRanges(cidrs)

  return (connection, headers) => {
    const peer: Client = {
      ip: parseAddress(connection.remoteAddress),
      secure: connection.encrypted,
      host: parseHost(one(headers['host'])) ?? '',
    }
    if (!trusted(peer.ip)) return peer
    const standard =
      headers['forwarded'] === undefined ? undefined : walk(peer, parseForwarded(joined(headers['forwarded'])), trusted)
    const customary = hasCustomary(headers) ? walk(peer, customaryHops(headers), trusted) : undefined
    if (standard !== undefined && customary !== undefined) return agree(standard, customary) ? standard : peer
    return standard ?? customary ?? peer
  }
}

/**
 * Whether an address, as {@link parseAddress} gives it, is in one of several ranges.
 * @param cidrs as for {@link trustedProxies}; empty: no address is
 * @throws CoreError `core.proxy_list_invalid`
 */
export function addressRanges(cidrs: readonly string[]): (ip: string | undefined) => boolean {
  const ranges = cidrs.map(parseRange)
  return (ip) => ip !== undefined && ranges.some((range) => contains(range, ip))
}

/** An address as text in canonical form: IPv4-mapped folded, no zone, no port. `undefined` when it is not one. */
export function parseAddress(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  const zone = text.indexOf('%')
  const bare = zone === -1 ? text : text.slice(0, zone)
  // ipaddr.js also reads 0x7f.1 and 127.1; `isIP` does not.
  const family = isIP(bare)
  if (family === 4) return bare
  if (family === 0) return undefined
  const address = ipaddr.IPv6.parse(bare)
  return address.isIPv4MappedAddress() ? address.toIPv4Address().toString() : address.toRFC5952String()
}

type Range = [ipaddr.IPv4 | ipaddr.IPv6, number]

function parseRange(cidr: string): Range {
  const [address = '', bits, ...more] = cidr.trim().split('/')
  const family = isIP(address)
  const width = family === 4 ? 32 : 128
  const length = bits === undefined ? width : /^\d{1,3}$/.test(bits) ? Number(bits) : -1
  if (family === 0 || more.length > 0 || length < 0 || length > width) {
    throw new CoreError('core.proxy_list_invalid', `not an address or CIDR range: ${JSON.stringify(cidr)}`)
  }
  const parsed = ipaddr.parse(address)
  if (parsed instanceof ipaddr.IPv6 && parsed.isIPv4MappedAddress() && length >= 96) return [parsed.toIPv4Address(), length - 96]
  return [parsed, length]
}

function contains([network, bits]: Range, ip: string): boolean {
  const address = ipaddr.parse(ip)
  return address.kind() === network.kind() && address.match(network, bits)
}

function walk(peer: Client, hops: readonly Hop[] | undefined, trusted: (ip: string | undefined) => boolean): Client {
  let client = peer
  if (hops === undefined) return client
  for (let at = hops.length - 1; at >= 0; at--) {
    const hop = hops[at]
    if (hop === undefined) break
    const ip = parseNode(hop.from)
    // A proxy that hides its client ("unknown", "_hidden") or says something malformed: what it forwards has no address to trust.
    if (ip === undefined) break
    const proto = hop.proto?.toLowerCase()
    client = {
      ip,
      secure: proto === 'https' ? true : proto === 'http' ? false : client.secure,
      host: parseHost(hop.host) ?? client.host,
    }
    if (!trusted(ip)) break
  }
  return client
}

function agree(a: Client, b: Client): boolean {
  return a.ip === b.ip && a.secure === b.secure && a.host === b.host
}

function hasCustomary(headers: RequestHeaders): boolean {
  return (
    headers['x-forwarded-for'] !== undefined ||
    headers['x-forwarded-proto'] !== undefined ||
    headers['x-forwarded-host'] !== undefined
  )
}

/** `X-Forwarded-*` as hops. Lists are aligned at the right; a shorter one stands for the outermost proxy that wrote it. */
function customaryHops(headers: RequestHeaders): readonly Hop[] | undefined {
  const addresses = list(headers['x-forwarded-for'])
  const protos = list(headers['x-forwarded-proto'])
  const hosts = list(headers['x-forwarded-host'])
  return addresses.map((from, at) => ({
    from,
    proto: aligned(protos, addresses.length, at),
    host: aligned(hosts, addresses.length, at),
  }))
}

function aligned(values: readonly string[], length: number, at: number): string | undefined {
  return values[Math.max(0, values.length - length + at)]
}

function list(header: string | readonly string[] | undefined): string[] {
  return header === undefined
    ? []
    : joined(header)
        .split(',')
        .map((item) => item.trim())
}

function joined(header: string | readonly string[]): string {
  return typeof header === 'string' ? header : header.join(', ')
}

function one(header: string | readonly string[] | undefined): string | undefined {
  return typeof header === 'string' ? header : undefined
}

/** RFC 7239 §6: an address, maybe with a port; IPv6 in brackets. */
function parseNode(node: string | undefined): string | undefined {
  if (node === undefined) return undefined
  if (isIP(node) !== 0) return parseAddress(node)
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|(\d{1,3}(?:\.\d{1,3}){3}))(?::\d{1,5})?$/.exec(node)
  return parseAddress(match?.[1] ?? match?.[2])
}

/** RFC 3986 §3.2.2 without user info or percent-encoding, which no browser sends. */
function parseHost(host: string | undefined): string | undefined {
  if (host === undefined || host.length > 255) return undefined
  return /^(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_.])?|\[[0-9a-fA-F:.]+\])(?::\d{1,5})?$/.test(host)
    ? host.toLowerCase()
    : undefined
}
