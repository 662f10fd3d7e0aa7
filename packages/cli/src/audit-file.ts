import type { AuditHead, Collection, Json, Store, Stored } from '@portcullis/core'
import { CliError } from './errors.ts'
import { linesOf } from './files.ts'

/** The first line of an exported log. */
export interface AuditExportHead {
  readonly format: typeof FORMAT
  readonly version: typeof VERSION
  /** The name of the log, which every hash covers. */
  readonly log: string
  /** When it was exported, in milliseconds since the epoch. */
  readonly exportedAt: number
  /** The log's end, as it was when the export began: cut off lines show. */
  readonly head: AuditHead | null
}

const FORMAT = 'portcullis-audit'
const VERSION = 1
/** A batch holds what one process appended at once: its line may be long. In UTF-16 code units. */
const LONGEST_LINE = 256 * 1_048_576

export function formatHead(log: string, exportedAt: number, head: AuditHead | undefined): string {
  return `${JSON.stringify({ format: FORMAT, version: VERSION, log, exportedAt, head: head ?? null } satisfies AuditExportHead)}\n`
}

/** @throws CliError `cli.file_failed`, `cli.file_invalid` */
export async function readHead(path: string): Promise<AuditExportHead> {
  for await (const text of linesOf([path], LONGEST_LINE)) {
    const line = parse(text)
    if (isObject(line) && line['format'] === FORMAT && line['version'] === VERSION) {
      const { log, exportedAt, head } = line
      const isHead = head === null || (isObject(head) && typeof head['seq'] === 'number' && typeof head['hash'] === 'string')
      if (typeof log === 'string' && typeof exportedAt === 'number' && isHead) return line as unknown as AuditExportHead
    }
    break
  }
  throw new CliError('cli.file_invalid', `${path} does not begin as an exported audit log does`)
}

/** Records that a file does not have between two that it has. */
export interface AuditGap {
  /** The line behind it. */
  readonly line: number
  readonly from: number
  readonly to: number
}

/**
 * An exported log as a store that can be read once, from its begin to its end: so that the chain is verified by the code that wrote it,
 * and no file is too long.
 */
export class AuditFileStore implements Store {
  readonly #path: string
  /** The line that was read last, from 1. */
  line = 0
  /** What it says its records are. */
  records: { readonly from: number; readonly to: number } | undefined
  readonly gaps: AuditGap[] = []

  constructor(path: string) {
    this.#path = path
  }

  collection<T extends Json>(): Collection<T> {
    const refuse = (): never => {
      throw new CliError('cli.file_invalid', 'an exported log is only read')
    }
    return { get: refuse, create: refuse, replace: refuse, take: refuse, remove: refuse, find: () => this.#batches<T>() }
  }

  async *#batches<T extends Json>(): AsyncGenerator<Stored<T>> {
    this.line = 0
    for await (const text of linesOf([this.#path], LONGEST_LINE)) {
      this.line += 1
      if (this.line === 1) continue
      const value = parse(text)
      const records = recordsOf(value)
      if (records === undefined) {
        throw new CliError('cli.file_invalid', `line ${this.line} is not a batch of records: it was changed, or cut`)
      }
      const next = (this.records?.to ?? records.from - 1) + 1
      if (records.from > next) this.gaps.push({ line: this.line, from: next, to: records.from - 1 })
      this.records = records
      yield { id: String(records.from), value: value as T, version: 0, expiresAt: undefined }
    }
  }
}

function recordsOf(value: unknown): { readonly from: number; readonly to: number } | undefined {
  if (!isObject(value)) return undefined
  const { first, entries, hash } = value
  const isBatch = Number.isSafeInteger(first) && Array.isArray(entries) && entries.length > 0 && entries.every(isObject)
  if (!isBatch || typeof hash !== 'string') return undefined
  return { from: Number(first), to: Number(first) + entries.length - 1 }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
