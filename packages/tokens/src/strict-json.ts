import { isUtf8 } from 'node:buffer'
import { decodedLength, writeBase64url } from './base64url.ts'

/** A JSON object as parsed. */
export type JsonObject = { readonly [member: string]: unknown }

/** Why a segment is no JSON object: how it is spelled, or what it says. */
export type JsonFlaw = 'not base64url' | 'not an object'

// One for all: what is written here is read before anything else can run.
let scratch = Buffer.allocUnsafeSlow(8192)

/**
 * Parses a JSON object out of a segment of canonical base64url, in which no object has two members of one name (RFC 7515 §4,
 * RFC 7519 §4): parsers differ in which of two they take, and then two readers of one token see two tokens.
 * @param segment of a text that `isPlain`
 */
export function parseJsonSegment(segment: string): JsonObject | JsonFlaw {
  if (decodedLength(segment) > scratch.length) scratch = Buffer.allocUnsafeSlow(decodedLength(segment))
  const length = writeBase64url(scratch, segment)
  if (length === undefined) return 'not base64url'
  return parseJsonBytes(scratch, length) ?? 'not an object'
}

/** As {@link parseJsonSegment}, out of UTF-8. @returns `undefined` when it is anything else */
export function parseJsonObject(bytes: Uint8Array): JsonObject | undefined {
  return parseJsonBytes(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), bytes.byteLength)
}

function parseJsonBytes(bytes: Buffer, length: number): JsonObject | undefined {
  const text = bytes.toString('utf8', 0, length)
  // What is no UTF-8 was decoded to replacement characters. In ASCII there are none, and nothing else has as many characters as bytes.
  if ((text.length !== length || text.includes('\uFFFD')) && !isUtf8(bytes.subarray(0, length))) return undefined
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
    return isWhole(text, value) || !hasDuplicateMember(text) ? (value as JsonObject) : undefined
  } catch {
    return undefined
  }
}

/**
 * Whether a value has as many strings, names included, as its text has pairs of quotation marks: then no member was lost on the way,
 * and that is so for nearly every token. An escaped mark only makes the text's count higher, as a lost member does.
 */
function isWhole(text: string, value: object): boolean {
  let marks = 0
  for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', at + 1)) marks += 1
  return marks === 2 * stringsIn(value)
}

function stringsIn(value: object): number {
  const isArray = Array.isArray(value)
  const members: readonly unknown[] = isArray ? value : Object.values(value)
  let strings = isArray ? 0 : members.length
  for (let n = 0; n < members.length; n++) {
    const member = members[n]
    if (typeof member === 'string') strings += 1
    else if (typeof member === 'object' && member !== null) strings += stringsIn(member)
  }
  return strings
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
