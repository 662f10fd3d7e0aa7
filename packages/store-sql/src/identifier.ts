import { createHash } from 'node:crypto'

/** PostgreSQL cuts identifiers to 63 bytes without an error; two that begin alike would become one. */
const LONGEST = 63

/** The name of the table that keeps a collection: `oauth.codes` is in `pc_oauth$codes`. */
export function tableName(collection: string): string {
  return identifier(['pc', collection.replace('.', '$')], '_')
}

/** The column that holds the keys of a declared index. */
export function indexColumn(index: string): `index_${string}` {
  return `index_${index}`
}

/** Begins a key that stands for a longer one. */
const DIGESTED = '\u0001'

/**
 * What an index column holds for a key: the key, or a digest where it is longer than an SQL index takes. No key looks like the digest
 * of another: those that begin as digests do are digested, too.
 * @param longest bytes of UTF-8
 */
export function indexedKey(key: string, longest: number): string {
  if (!key.startsWith(DIGESTED) && (key.length * 3 <= longest || Buffer.byteLength(key) <= longest)) return key
  return DIGESTED + createHash('sha256').update(key).digest('base64url')
}

/** The name of an SQL index. */
export function indexName(table: string, column: string): string {
  return identifier([table, column], '$')
}

// Only names that core's normalizeDeclaration has accepted come here: [a-z0-9_], and a dot that is now a $, which no name has.
function identifier(parts: readonly string[], separator: string): string {
  const name = parts.join(separator)
  if (name.length <= LONGEST) return name
  const digest = createHash('sha256').update(name).digest('hex').slice(0, 16)
  return `${name.slice(0, LONGEST - digest.length - 1)}$${digest}`
}
