import { availableParallelism } from 'node:os'

/** Lets so many pieces of work run at once; the others wait, first come, first served. */
export interface Gate {
  /** The most that run at once. */
  readonly size: number
  run<T>(work: () => Promise<T>): Promise<T>
}

/** @param size the most that run at once */
export function createGate(size: number): Gate {
  let free = size
  const waiting: (() => void)[] = []
  return {
    size,
    async run(work) {
      if (free > 0) free--
      else await new Promise<void>((enter) => waiting.push(enter))
      try {
        return await work()
      } finally {
        // The place is handed over and never free in between, so that nobody who comes later slips in first.
        const next = waiting.shift()
        if (next) next()
        else free++
      }
    },
  }
}

/**
 * How many hashes may run at once. Each holds a thread of libuv's pool for its whole time; file reads and DNS look-ups need
 * the same threads, so two are left to them where there are more than two.
 */
export function gateSize(cores: number, threadPoolSize: string | undefined): number {
  const threads = threadPoolSize !== undefined && /^[1-9]\d{0,3}$/.test(threadPoolSize) ? Number(threadPoolSize) : 4
  return Math.max(1, Math.min(cores, threads - 2))
}

let shared: Gate | undefined

/** The gate of this process: the pool is the process's, so all `createPasswords` share one. */
export function processGate(): Gate {
  const { UV_THREADPOOL_SIZE } = process.env
  shared ??= createGate(gateSize(availableParallelism(), UV_THREADPOOL_SIZE))
  return shared
}
