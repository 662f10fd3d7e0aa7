import { once } from 'node:events'
import {
  type AuditVerdict,
  type Clock,
  type Collection,
  createAuditLog,
  type Json,
  type Store,
  type Stored,
  systemClock,
} from '@portcullis/core'
import { formatHead } from './audit-file.ts'

/** Options of {@link exportAudit}. */
export interface AuditExportOptions {
  readonly store: Store
  /** The log's name, as it was given to `createAuditLog`. Default: `default`. */
  readonly log?: string
  readonly output: NodeJS.WritableStream
  readonly clock?: Clock
}

/**
 * Writes an audit log as NDJSON: a line that says what it is, then a line for each batch, as it is kept. The chain is verified while it
 * is read; what is not right is exported all the same, for whoever has to look at it.
 */
export async function exportAudit({
  store,
  log = 'default',
  output,
  clock = systemClock,
}: AuditExportOptions): Promise<AuditVerdict> {
  const head = await createAuditLog({ store, name: log, clock }).head()
  await put(output, formatHead(log, clock.now(), head))
  let failure: AuditVerdict | undefined
  // `verify` ends at the first batch that is wrong: the rest is read behind its back.
  const copying = new CopyingStore(store, (value) => put(output, `${JSON.stringify(value)}\n`))
  const verdict = await createAuditLog({ store: copying, name: log, clock }).verify(head)
  if (!verdict.ok) failure = verdict
  await copying.finish()
  return failure ?? verdict
}

async function put(output: NodeJS.WritableStream, text: string): Promise<void> {
  if (!output.write(text)) await once(output, 'drain')
}

/** A store of which everything is copied that is found in it. */
class CopyingStore implements Store {
  readonly #store: Store
  readonly #copy: (value: Json) => Promise<void>
  #rest: AsyncIterator<Stored<Json>> | undefined

  constructor(store: Store, copy: (value: Json) => Promise<void>) {
    this.#store = store
    this.#copy = copy
  }

  collection<T extends Json>(declaration: Parameters<Store['collection']>[0]): Collection<T> {
    const real = this.#store.collection<T>(declaration)
    return {
      get: (id) => real.get(id),
      create: (id, value, options) => real.create(id, value, options),
      replace: (id, version, value, options) => real.replace(id, version, value, options),
      take: (id) => real.take(id),
      remove: (id) => real.remove(id),
      find: (index, key, page) => this.#copying(real.find(index, key, page)),
    }
  }

  /** Copies what nobody asked for any more. */
  async finish(): Promise<void> {
    for (let next = await this.#rest?.next(); next !== undefined && next.done !== true; next = await this.#rest?.next()) {
      await this.#copy(next.value.value)
    }
  }

  async *#copying<T extends Json>(found: AsyncIterable<Stored<T>>): AsyncGenerator<Stored<T>> {
    const iterator = found[Symbol.asyncIterator]()
    // Not ended when the reader stops in the middle.
    this.#rest = iterator
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
      await this.#copy(next.value.value)
      yield next.value
    }
  }
}
