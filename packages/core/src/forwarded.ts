import type { Hop } from './proxies.ts'

// RFC 7239 §4: forwarded-pair = token "=" ( token / quoted-string ). Addresses with a port must be quoted, yet many proxies
// send them bare, so ":" and "[]" are let through here and judged as addresses later.
const pair = /\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(?:([!#$%&'*+.^_`|~0-9A-Za-z:[\]-]+)|"((?:[^"\\]|\\.)*)")\s*/y

/** Parses `Forwarded` (RFC 7239 §4); `undefined` when any of it is malformed. */
export function parseForwarded(header: string): readonly Hop[] | undefined {
  const hops: Hop[] = []
  let hop: Record<string, string> = {}
  let at = 0
  while (at < header.length) {
    pair.lastIndex = at
    const match = pair.exec(header)
    const name = match?.[1]?.toLowerCase()
    if (match === null || name === undefined || name in hop) return undefined
    hop[name] = match[2] ?? (match[3] ?? '').replace(/\\(.)/g, '$1')
    at = pair.lastIndex
    const separator = header[at]
    if (separator !== undefined && separator !== ';' && separator !== ',') return undefined
    if (separator !== ';') {
      hops.push({ from: hop['for'], proto: hop['proto'], host: hop['host'] })
      hop = {}
    }
    at++
    if (separator !== undefined && at === header.length) return undefined
  }
  return hops.length === 0 ? undefined : hops
}
