import type { HeaderList } from './decision.ts'

/** Headers ready for Node: a name as first written, one value or several lines. Keyed by lower-case name. */
export type MergedHeaders = Map<string, { readonly name: string; value: string | string[] }>

// Each line of these stands by itself.
const lines = new Set(['set-cookie', 'www-authenticate'])
// These are lists: two guards that both speak are joined by a comma (RFC 9110 §5.3).
const lists = new Set(['vary', 'link', 'ratelimit', 'ratelimit-policy', 'server-timing'])

/**
 * Adds a list to what is merged so far. `Set-Cookie` and `WWW-Authenticate` keep every line, list-valued headers are joined,
 * and of any other header the later value stands: a reply's own word is the last.
 */
export function mergeHeaders(into: MergedHeaders, list: HeaderList): void {
  for (const [name, value] of list) {
    const key = name.toLowerCase()
    const before = into.get(key)
    if (before === undefined) into.set(key, { name, value: lines.has(key) ? [value] : value })
    else if (Array.isArray(before.value)) before.value.push(value)
    else if (lists.has(key)) before.value = `${before.value}, ${value}`
    else before.value = value
  }
}
