import { createMemoryRateLimitStore, scopePolicies } from '@portcullis/rate-limit'
import { MemoryStore } from 'express-rate-limit'
import { RateLimiterMemory } from 'rate-limiter-flexible'
import type { MemorySubject } from './memory.ts'

// Run by memory.ts with --expose-gc: fills one limiter, prints the bytes that each key has added, and ends.

const WINDOW = 86_400

const fill: Readonly<Record<MemorySubject, (keys: number) => Promise<object>>> = {
  async portcullis(keys) {
    const store = createMemoryRateLimitStore({ maxKeys: keys })
    const policies = scopePolicies('bench', [{ name: 'daily', quota: 100, window: WINDOW }])
    for (let n = 0; n < keys; n++) store.consume([address(n)], policies, 1)
    return store
  },
  async 'rate-limiter-flexible'(keys) {
    const limiter = new RateLimiterMemory({ points: 100, duration: WINDOW })
    for (let n = 0; n < keys; n++) await limiter.consume(address(n))
    return limiter
  },
  async 'express-rate-limit'(keys) {
    const store = new MemoryStore()
    store.init({ windowMs: WINDOW * 1000 } as Parameters<MemoryStore['init']>[0])
    for (let n = 0; n < keys; n++) await store.increment(address(n))
    return store
  },
}

function address(n: number): string {
  return `10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`
}

function used(): number {
  for (let pass = 0; pass < 3; pass++) globalThis.gc?.()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

const [subject, keys] = process.argv.slice(2)
const make = fill[subject as MemorySubject]
// Once before: what is compiled and cached for good belongs to no key.
await make(100)
const before = used()
const kept = await make(Number(keys))
const after = used()
process.stdout.write(String((after - before) / Number(keys)))
// The limiter is alive until here, and its timers do not keep the process.
process.exit(kept === undefined ? 1 : 0)
