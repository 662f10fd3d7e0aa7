import { StoreError } from './errors.ts'

/** Counts what is under way, so that closing can wait for it. */
export class UnderWay {
  #count = 0
  #closing: Promise<void> | undefined
  #drained: (() => void) | undefined

  /** @throws StoreError `store_sql.closed` */
  begin(): void {
    if (this.#closing !== undefined) throw new StoreError('store_sql.closed', 'the store was closed')
    this.#count += 1
  }

  end(): void {
    this.#count -= 1
    if (this.#count === 0) this.#drained?.()
  }

  async during<R>(work: () => Promise<R>): Promise<R> {
    this.begin()
    try {
      return await work()
    } finally {
      this.end()
    }
  }

  /** Lets nothing more begin, waits for the rest, then calls `close`. Again: answers as before. */
  close(close: () => Promise<void>): Promise<void> {
    this.#closing ??= new Promise<void>((resolve) => {
      if (this.#count === 0) resolve()
      else this.#drained = resolve
    }).then(close)
    return this.#closing
  }
}
