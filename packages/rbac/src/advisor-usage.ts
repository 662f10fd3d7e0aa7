import { type DecisionLine, parseDecisionLine } from './advisor-line.ts'
import { callerKey, type Holders } from './advisor-roles.ts'

/** What a decision log holds, and what it cannot say. */
export interface LogCoverage {
  readonly lines: number
  /** Allowed decisions about permissions, of the whole log. */
  readonly allows: number
  /** Milliseconds since the epoch of the first and the last line; `undefined` for an empty log. */
  readonly from: number | undefined
  readonly to: number | undefined
  /** Lines of no known format, and the numbers of the first of them. */
  readonly unreadable: { readonly count: number; readonly first: readonly number[] }
  /** Lines that the log says it left out. */
  readonly dropped: { readonly allows: number; readonly denials: number }
  /** The smallest part of allowed decisions that was written, where nothing was done to keep the first of each kind. */
  readonly sampled: number | undefined
}

/** What a caller was allowed in the window. */
export interface CallerUse {
  readonly subject: string
  readonly tenant: string | undefined
  /** Roles that lines say he held. */
  readonly roles: Set<string>
  readonly used: Set<string>
}

/** What was used in the window, by whom, and through which role. Grows with callers and permissions, not with lines. */
export interface Usage {
  readonly coverage: LogCoverage
  readonly callers: ReadonlyMap<string, CallerUse>
  readonly ofRole: ReadonlyMap<string, ReadonlySet<string>>
  readonly ofClients: ReadonlySet<string>
}

/** A line with its number in the log, from 1. */
export interface NumberedLine {
  readonly number: number
  readonly line: DecisionLine
}

const NAMED_LINES = 5

/** @param from milliseconds since the epoch: the window's begin */
export async function readUsage(log: AsyncIterable<string>, holders: Holders, from: number): Promise<Usage> {
  const callers = new Map<string, CallerUse>()
  const ofRole = new Map<string, Set<string>>()
  const ofClients = new Set<string>()
  const reader = new LogReader()
  for await (const text of log) {
    const line = reader.take(text)
    if (line === undefined || line.time < from) continue
    const { subject, tenant, kind, permissions } = line
    if (kind === 'client') addAll(ofClients, permissions)
    if (kind !== 'user' || subject === undefined) continue
    const keys = holders.keysOf(subject, tenant)
    for (const key of keys.length === 0 ? [callerKey(subject, tenant)] : keys) {
      const caller = getOrAdd(callers, key, () => ({ subject, tenant, roles: new Set<string>(), used: new Set<string>() }))
      addAll(caller.used, permissions)
      addAll(caller.roles, line.roles ?? [])
    }
    const roles = line.roles ?? keys.flatMap((key) => holders.rolesAt(key))
    for (const role of roles)
      addAll(
        getOrAdd(ofRole, role, () => new Set<string>()),
        permissions,
      )
  }
  return { coverage: reader.coverage(), callers, ofRole, ofClients }
}

/** The allowed decisions about permissions in a log, with the numbers of their lines. */
export async function* allowedLines(log: AsyncIterable<string>): AsyncGenerator<NumberedLine> {
  const reader = new LogReader()
  for await (const text of log) {
    const line = reader.take(text)
    if (line !== undefined) yield { number: reader.number, line }
  }
}

class LogReader {
  number = 0
  #allows = 0
  #from: number | undefined
  #to: number | undefined
  #unreadable = 0
  readonly #first: number[] = []
  readonly #dropped = { allows: 0, denials: 0 }
  #sampled: number | undefined

  /** @returns the line, where it is an allowed decision about permissions */
  take(text: string): DecisionLine | undefined {
    this.number += 1
    const line = parseDecisionLine(text)
    if (line === undefined) {
      this.#unreadable += 1
      if (this.#first.length < NAMED_LINES) this.#first.push(this.number)
      return undefined
    }
    this.#from = Math.min(this.#from ?? line.time, line.time)
    this.#to = Math.max(this.#to ?? line.time, line.time)
    if (line.type !== 'decision') {
      this.#dropped.allows += line.allows ?? 0
      this.#dropped.denials += line.denials ?? 0
      return undefined
    }
    const { sampling } = line
    if (sampling?.first === false) this.#sampled = Math.min(this.#sampled ?? 1, sampling.rate)
    if (line.outcome !== 'allowed' || line.permissions.length === 0) return undefined
    this.#allows += 1
    return line
  }

  coverage(): LogCoverage {
    return {
      lines: this.number,
      allows: this.#allows,
      from: this.#from,
      to: this.#to,
      unreadable: { count: this.#unreadable, first: this.#first },
      dropped: this.#dropped,
      sampled: this.#sampled,
    }
  }
}

function addAll(set: Set<string>, items: readonly string[]): void {
  for (const item of items) set.add(item)
}

function getOrAdd<V>(map: Map<string, V>, key: string, make: () => V): V {
  const kept = map.get(key)
  if (kept !== undefined) return kept
  const made = make()
  map.set(key, made)
  return made
}
