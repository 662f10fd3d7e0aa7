/** A JSON object as parsed. Read members with `Object.hasOwn` first: a polluted prototype must not supply any. */
export type JsonObject = Readonly<Record<string, unknown>>

/** The deepest nesting that is read. */
const DEEPEST = 32

/**
 * Parses a JSON object by I-JSON (RFC 7493, which AuthZEN §11.5 asks for): UTF-8, no object with two members of one name, since
 * readers differ in which they take; nothing named `__proto__`, and no more than 32 levels.
 * @returns the object, or what is wrong: a text that quotes nothing
 */
export function parseStrictJson(bytes: Uint8Array): JsonObject | string {
  let text: string
  let value: unknown
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    value = JSON.parse(text)
  } catch {
    return 'the body is not JSON in UTF-8'
  }
  if (!isObject(value)) return 'the body is not a JSON object'
  return flawOf(text) ?? value
}

/** Whether it is a JSON object, and no array. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** An own member; `undefined` when there is none, whatever a prototype says. */
export function own(object: JsonObject, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined
}

/** @param json valid JSON */
function flawOf(json: string): string | undefined {
  // One entry for each bracket that is open: the names seen so far in an object, nothing in an array.
  const open: (Set<string> | undefined)[] = []
  for (const [token, text, colon] of json.matchAll(/("(?:[^"\\]|\\.)*")([ \t\n\r]*:)?|[{}[\]]/g)) {
    if (token === '{' || token === '[') open.push(token === '{' ? new Set() : undefined)
    else if (token === '}' || token === ']') open.pop()
    else if (text !== undefined && colon !== undefined) {
      // Parsed, because `"id"` and `"\u0069d"` are one name.
      const name = JSON.parse(text) as string
      if (name === '__proto__') return 'the body has a member named __proto__'
      const names = open.at(-1)
      if (names?.has(name)) return 'an object in the body has two members of one name'
      names?.add(name)
    }
    if (open.length > DEEPEST) return `the body is nested deeper than ${DEEPEST} levels`
  }
  return undefined
}
