import { type AuditBatch, type AuditHead, follows, headOf, seal } from './audit-chain.ts'
import { type Clock, systemClock } from './clock.ts'
import { CoreError } from './errors.ts'
import type { Collection, Json, Store, Stored } from './store.ts'
import { checkId } from './store-contract.ts'

/** What happened, as {@link AuditLog.append} takes it. */
export interface AuditEntry {
  /** `package.what_happened`, as events are named. */
  readonly type: string
  /** When it happened, in milliseconds since the epoch. */
  readonly time: number
  readonly data: Json
}

/** What happened, as the log has it. */
export interface AuditRecord extends AuditEntry {
  /** Its number in the log: 1, 2, 3 and so on, without a gap. */
  readonly seq: number
}

/** Which part of a log is read. */
export interface AuditPage {
  /** `descending`, the default: the newest first. */
  readonly order?: 'ascending' | 'descending'
  /** Begin behind this number, in the order asked for. */
  readonly after?: number
  /** At most this many. Without it: all. */
  readonly limit?: number
}

/** What {@link AuditLog.verify} found. */
export type AuditVerdict =
  /** `from` is the oldest number that is kept; `head` the newest, `undefined` for an empty log. */
  | { readonly ok: true; readonly from: number; readonly head: AuditHead | undefined }
  /** `changed`: the records from `seq` on are not those that were written. `missing`: records before `seq` are gone, and not by age. */
  | { readonly ok: false; readonly reason: 'changed' | 'missing'; readonly seq: number }

/** A log that is only ever added to, in which each batch holds the hash of the one before. */
export interface AuditLog {
  /**
   * Appends, all of them or none, behind one another; resolves once the store has them. A rejection may leave them appended all the same.
   * What is appended while another append is under way travels in one write.
   * @throws CoreError `core.audit_invalid`, `core.audit_contended` (503); whatever the store throws
   */
  append(entries: readonly AuditEntry[]): Promise<void>
  read(page?: AuditPage): AsyncIterable<AuditRecord>
  /** The newest record's number, and the hash of all up to it: kept elsewhere, it is an anchor for {@link verify}. */
  head(): Promise<AuditHead | undefined>
  /**
   * Reads the whole log and recomputes the chain. Whoever can write to the store can write a whole new chain, or cut its end off: only an
   * anchor shows that.
   * @param anchor a head from before; records that it covers and that have expired since are not looked for
   */
  verify(anchor?: AuditHead): Promise<AuditVerdict>
}

/** Options of {@link createAuditLog}. */
export interface AuditLogOptions {
  readonly store: Store
  /** Tells the logs of one store apart, one for each tenant for example: 1 to 400 characters. Default: `default`. */
  readonly name?: string
  /** How long records are kept, in seconds. Default: 400 days. */
  readonly retention?: number
  readonly clock?: Clock
}

/** In one write: so many entries, and about so many characters of JSON, but for a single append that has more. */
const MOST_ENTRIES = 1000
const MOST_CHARACTERS = 262_144
const NUMBER_DIGITS = 16
/** Writers that meet at one number, again and again: with so many attempts it is the store that is broken. */
const MOST_ATTEMPTS = 300

interface Waiting {
  readonly entries: readonly AuditEntry[]
  /** Characters of JSON. */
  readonly length: number
  resolve(): void
  reject(error: unknown): void
}

/**
 * An audit log in a store. Needs nothing but `create` and `find`: the next number is the id of the next write, so of several writers one
 * wins each number, and the others go on behind it. One write holds what one process had to say at that moment, up to 1,000 entries.
 *
 * @throws CoreError `core.audit_invalid`
 * @example
 * const audit = createAuditLog({ store, name: tenant })
 * await audit.append([{ type: 'invoice.refunded', time: Date.now(), data: { id } }])
 */
export function createAuditLog(options: AuditLogOptions): AuditLog {
  const { store, name = 'default', retention = 400 * 86_400, clock = systemClock } = options
  checkName(name)
  if (!(Number.isFinite(retention) && retention >= 1)) throw invalid('retention must be a second or more')
  const batches: Collection<AuditBatch> = store.collection({ name: 'core.audit', indexes: ['log'] })
  const idOf = (seq: number): string => `${name}:${String(seq).padStart(NUMBER_DIGITS, '0')}`

  /** Where the next write goes, as far as this process knows. */
  let known: AuditBatch | undefined
  const waiting: Waiting[] = []
  let writing = false

  async function newest(): Promise<AuditBatch | undefined> {
    for await (const { value } of batches.find('log', name, { order: 'descending', limit: 1 })) return value
    return undefined
  }

  async function write(entries: readonly AuditEntry[]): Promise<void> {
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      known ??= await newest()
      const expiresAt = Math.ceil(clock.now() + retention * 1000)
      const batch = seal(name, known, entries, expiresAt)
      // Not known until it is there: a write that failed may have taken place.
      known = undefined
      if (await batches.create(idOf(batch.first), batch, { expiresAt, index: { log: name } })) {
        known = batch
        return
      }
    }
    throw new CoreError('core.audit_contended', `others were faster ${MOST_ATTEMPTS} times`, { status: 503 })
  }

  async function writeAll(): Promise<void> {
    while (waiting.length > 0) {
      const together = takeTogether(waiting)
      try {
        await write(together.flatMap(({ entries }) => entries))
        for (const { resolve } of together) resolve()
      } catch (error) {
        for (const { reject } of together) reject(error)
      }
    }
    writing = false
  }

  async function* ascending(after: number): AsyncGenerator<Stored<AuditBatch>> {
    // The batch in which the next number is begins at it, or before it.
    for await (const first of batches.find('log', name, { order: 'descending', after: idOf(after + 2), limit: 1 })) {
      yield first
      yield* batches.find('log', name, { after: first.id })
      return
    }
    yield* batches.find('log', name)
  }

  async function* recordsOf(page: AuditPage): AsyncGenerator<AuditRecord> {
    const { order = 'descending', after } = page
    if (order === 'ascending') {
      const behind = after ?? 0
      for await (const { value } of ascending(behind)) {
        for (const record of records(value)) if (record.seq > behind) yield record
      }
      return
    }
    const before = after ?? Number.POSITIVE_INFINITY
    const from = after === undefined ? {} : { after: idOf(after) }
    for await (const { value } of batches.find('log', name, { order, ...from })) {
      for (const record of records(value).reverse()) if (record.seq < before) yield record
    }
  }

  return {
    async append(entries) {
      if (entries.length === 0) return
      const checked = checkEntries(entries)
      await new Promise<void>((resolve, reject) => {
        waiting.push({ ...checked, resolve, reject })
        if (writing) return
        writing = true
        void writeAll()
      })
    },
    async *read(page = {}) {
      checkPage(page)
      let left = page.limit ?? Number.POSITIVE_INFINITY
      if (left <= 0) return
      for await (const record of recordsOf(page)) {
        yield record
        left -= 1
        if (left <= 0) return
      }
    },
    async head() {
      const batch = await newest()
      return batch && headOf(batch)
    },
    async verify(anchor) {
      let before: AuditBatch | undefined
      let from = 1
      for await (const { value } of batches.find('log', name)) {
        const standing = follows(name, before, value, clock.now())
        if (standing !== 'good') return { ok: false, reason: standing, seq: value.first }
        if (before === undefined) from = value.first
        if (anchor !== undefined && !agrees(value, anchor)) return { ok: false, reason: 'changed', seq: value.first }
        before = value
      }
      const head = before && headOf(before)
      if (anchor !== undefined && (head?.seq ?? 0) < anchor.seq) return { ok: false, reason: 'missing', seq: anchor.seq }
      return { ok: true, from, head }
    },
  }
}

/** As many as fit into one write, one at least. */
function takeTogether(waiting: Waiting[]): Waiting[] {
  let entries = 0
  let characters = 0
  let count = 0
  for (const { entries: more, length } of waiting) {
    entries += more.length
    characters += length
    if (count > 0 && (entries > MOST_ENTRIES || characters > MOST_CHARACTERS)) break
    count += 1
  }
  return waiting.splice(0, count)
}

/** An anchor is the end of a batch: no batch may go over it, and the one that ends there must have its hash. */
function agrees(batch: AuditBatch, anchor: AuditHead): boolean {
  const { seq, hash } = headOf(batch)
  if (seq === anchor.seq) return hash === anchor.hash
  return seq < anchor.seq || batch.first > anchor.seq
}

function records({ first, entries }: AuditBatch): AuditRecord[] {
  return entries.map(({ type, time, data }, n) => ({ seq: first + n, type, time, data }))
}

function checkName(name: string): void {
  checkId(name)
  if (name.length > 400) throw invalid('name must have at most 400 characters')
}

function checkEntries(entries: readonly AuditEntry[]): Pick<Waiting, 'entries' | 'length'> {
  if (entries.length > MOST_ENTRIES) throw invalid(`at most ${MOST_ENTRIES} entries are appended at once`)
  let length = 0
  const checked = entries.map(({ type, time, data }) => {
    if (typeof type !== 'string' || type === '') throw invalid('an entry needs a type')
    if (!Number.isSafeInteger(time) || time < 0) throw invalid("an entry's time is in whole milliseconds since the epoch")
    let text: string | undefined
    try {
      text = JSON.stringify(data)
    } catch {
      // A cycle, or a bigint.
    }
    if (text === undefined) throw invalid("an entry's data is not JSON")
    length += text.length
    // A copy, and in the form in which it will be read again: that is what is hashed.
    return { type, time, data: JSON.parse(text) as Json }
  })
  return { entries: checked, length }
}

function checkPage({ after, limit }: AuditPage): void {
  for (const number of [after, limit]) {
    if (number !== undefined && !(Number.isSafeInteger(number) && number >= 0)) {
      throw new CoreError('core.page_invalid', 'a page of a log takes whole numbers of 0 or more')
    }
  }
}

function invalid(message: string): CoreError {
  return new CoreError('core.audit_invalid', message)
}
