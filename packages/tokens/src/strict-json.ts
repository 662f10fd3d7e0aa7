import { isUtf8 } from 'node:buffer'

/** A JSON object as parsed. */
export type JsonObject = { readonly [member: string]: unknown }

/**
 * Parses a JSON object out of UTF-8 bytes, in which no object has two members of one name (RFC 7515 §4, RFC 7519 §4): parsers
 * differ in which of two they take, and then two readers of one token see two tokens.
 * @returns `undefined` when it is anything else
 */
export function parseJsonObject(bytes: Uint8Array): JsonObject | undefined {
  if (!isUtf8(bytes)) return undefined
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
    // What prints as it was read lost no member on the way. Nearly every token is of this kind, and this is the cheap way to see it.
    if (JSON.stringify(value) !== text && hasDuplicateMember(text)) return undefined
    return value as JsonObject
  } catch {
    return undefined
  }
}

/** Whether any object in a text that is valid JSON has two members of one name. */
function hasDuplicateMember(json: string): boolean {
  // One entry for each bracket that is open: the names seen so far in an object, nothing in an array.
  const open: (Set<string> | undefined)[] = []
  let at = 0
  while (at < json.length) {
    const character = json[at]
    if (character === '{') open.push(new Set())
    else if (character === '[') open.push(undefined)
    else if (character === '}' || character === ']') open.pop()
    else if (character === '"') {
      const end = endOfString(json, at)
      const names = open.at(-1)
      if (names !== undefined && isMemberName(json, end)) {
        // Parsed, because `"exp"` and `"\u0065xp"` are one name.
        const name = JSON.parse(json.slice(at, end)) as string
        if (names.has(name)) return true
        names.add(name)
      }
      at = end
      continue
    }
    at += 1
  }
  return false
}

function endOfString(json: string, start: number): number {
  let at = start + 1
  while (json[at] !== '"') at += json[at] === '\\' ? 2 : 1
  return at + 1
}

function isMemberName(json: string, end: number): boolean {
  let at = end
  while (json[at] === ' ' || json[at] === '\t' || json[at] === '\n' || json[at] === '\r') at += 1
  return json[at] === ':'
}
