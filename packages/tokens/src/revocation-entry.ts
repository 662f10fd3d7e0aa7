import { TokenError } from './errors.ts'
import { MAX_TOKEN_LENGTH } from './jws.ts'
import { CLOCK_DIFFERENCE, type Revocation, type RevocationEntry, type RevocationKind } from './revocation.ts'
import { type JsonObject, parseJsonObject } from './strict-json.ts'

/** Short names: a feed keeps these by the hundred thousand. */
const CODES: Readonly<Record<RevocationKind, string>> = {
  token: 't',
  grant: 'g',
  session: 's',
  subject: 'u',
  client: 'c',
  all: 'a',
}
const KINDS: ReadonlyMap<unknown, RevocationKind> = new Map(
  Object.entries(CODES).map(([kind, code]) => [code, kind as RevocationKind]),
)
// The last second that 32 bits hold: in the year 2106.
const LAST_SECOND = 0xffff_ffff

/**
 * Checks what a caller revokes.
 * @param now seconds since the epoch
 * @throws TokenError `tokens.revocation_invalid`
 */
export function entryOf(revocation: Revocation, now: number): RevocationEntry {
  switch (revocation.kind) {
    case 'token': {
      const { kind, expiresAt } = revocation
      const entry = { kind, id: idOf(revocation), revokedAt: now }
      if (expiresAt === undefined) return entry
      if (!isNumber(expiresAt)) throw invalid('expiresAt must be seconds since the epoch')
      return { ...entry, time: Math.min(Math.ceil(expiresAt), LAST_SECOND) }
    }
    case 'grant':
      return { kind: revocation.kind, id: idOf(revocation), revokedAt: now }
    case 'session':
      return { kind: revocation.kind, id: idOf(revocation), revokedAt: now, time: timeOf(revocation, now, now + 1) }
    case 'subject':
    case 'client':
      return { kind: revocation.kind, id: idOf(revocation), revokedAt: now, time: timeOf(revocation, now) }
    case 'all':
      return { kind: revocation.kind, id: '', revokedAt: now, time: timeOf(revocation, now) }
    default:
      throw invalid('kind is none that there is')
  }
}

function idOf({ id }: { readonly id: string }): string {
  if (!isId(id)) throw invalid(`id must be a string of 1 to ${MAX_TOKEN_LENGTH} characters`)
  return id
}

function timeOf({ before }: { readonly before?: number }, now: number, usual: number = now): number {
  const time = before ?? usual
  // Milliseconds by mistake would refuse every token for the next fifty thousand years.
  if (!isNumber(time) || time > now + CLOCK_DIFFERENCE) {
    throw invalid(`before must be seconds since the epoch, at most ${CLOCK_DIFFERENCE} ahead`)
  }
  return Math.floor(time)
}

/** An entry as a feed carries it. */
export function encodeEntry({ kind, id, revokedAt, time }: RevocationEntry): string {
  return JSON.stringify({ k: CODES[kind], r: revokedAt, ...(id !== '' && { i: id }), ...(time !== undefined && { t: time }) })
}

/** @returns `undefined` for what {@link encodeEntry} did not make */
export function decodeEntry(encoded: string): RevocationEntry | undefined {
  const { k, i, r, t } = parse(encoded) ?? {}
  const kind = KINDS.get(k)
  if (kind === undefined || !isSecond(r) || (t !== undefined && !isSecond(t))) return undefined
  if (kind === 'all' ? i !== undefined : !isId(i)) return undefined
  if (t === undefined && kind !== 'token' && kind !== 'grant') return undefined
  return { kind, id: kind === 'all' ? '' : (i as string), revokedAt: r, ...(t !== undefined && { time: t }) }
}

function parse(encoded: string): JsonObject | undefined {
  return parseJsonObject(Buffer.from(encoded))
}

function isId(id: unknown): id is string {
  return typeof id === 'string' && id !== '' && id.length <= MAX_TOKEN_LENGTH
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}

function isSecond(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= LAST_SECOND
}

function invalid(message: string): TokenError {
  return new TokenError('tokens.revocation_invalid', message)
}
