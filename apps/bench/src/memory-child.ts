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

const [subject, size] = process.argv.slice(2)
const keys = Number(size)
const make = fill[subject as MemorySubject]
// A heap moves by some 100 kB of its own accord: of a small limiter there are several, so that it does not count for a key.
const copies = Math.max(1, Math.ceil(100_000 / keys))
const kept: object[] = []
// Once before: what is compiled and cached for good belongs to no key.
await make(keys)
// In a turn of its own: what made it holds on to it until its turn has ended.
await new Promise((resolve) => setImmediate(resolve))
const before = used()
for (let copy = 0; copy < copies; copy++) kept.push(await make(keys))
const after = used()
process.stdout.write(String((after - before) / (copies * keys)))
// The limiters are alive until here, and their timers do not keep the process.
process.exit(kept.length === copies ? 0 : 1)
