import { readFile } from 'node:fs/promises'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { verify as nativeVerify } from '@node-rs/argon2'
import { createPasswordGate, createPasswords } from '@portcullis/password'
import { expectAnswer } from './errors.ts'
import type { StormFigures, StormSubject } from './storm.ts'

// Run by storm.ts with --expose-gc: verifies so many passwords at once, twice, prints what the second time did to everything else in
// the process, and ends.

interface Verifier {
  readonly gate: number
  verify(password: string, stored: string): Promise<boolean>
}

const verifiers: Readonly<Record<StormSubject, (signIns: number) => Verifier>> = {
  portcullis() {
    // Size and queue are the defaults. The wait is not: on a busy machine nobody is to be refused, since a refusal is very fast.
    const gate = createPasswordGate({ maxWait: 60_000 })
    const passwords = createPasswords({ gate })
    return { gate: gate.size, verify: async (password, stored) => (await passwords.verify(password, stored)).ok }
  },
  ungated: (signIns) => ({ gate: signIns, verify: (password, stored) => nativeVerify(stored, password) }),
}

/** Reads a file again and again; a short pause in between leaves the processor to the hashes. */
function reader(): { stop(): Promise<number> } {
  const file = fileURLToPath(import.meta.url)
  let worst = 0
  let stopped = false
  const reads = (async () => {
    while (!stopped) {
      const start = performance.now()
      await readFile(file)
      worst = Math.max(worst, performance.now() - start)
      await pause(1)
    }
  })()
  return {
    // The read that is under way counts: without a gate it waits for nearly all the hashes.
    async stop() {
      stopped = true
      await reads
      return worst
    },
  }
}

/** Samples, and not `maxRSS` of the operating system: on Linux a new process begins with that of its parent. */
function peakMemory(): { stop(): number } {
  let peak = 0
  const sample = (): void => {
    peak = Math.max(peak, process.memoryUsage.rss())
  }
  const timer = setInterval(sample, 1)
  return {
    stop() {
      clearInterval(timer)
      sample()
      return peak
    },
  }
}

const [subject, size, password = '', stored = ''] = process.argv.slice(2)
const signIns = Number(size)
const { gate, verify } = verifiers[subject as StormSubject](signIns)

async function signInAll(): Promise<void> {
  const answers = await Promise.all(Array.from({ length: signIns }, () => verify(password, stored)))
  for (const answer of answers) expectAnswer(`password.storm ${subject}`, answer)
}

globalThis.gc?.()
const before = process.memoryUsage.rss()
const memory = peakMemory()
expectAnswer(`password.storm ${subject}`, !(await verify(`${password}?`, stored)))
await signInAll()

const loop = monitorEventLoopDelay({ resolution: 1 })
const reads = reader()
loop.enable()
const start = performance.now()
await signInAll()
const seconds = (performance.now() - start) / 1000
loop.disable()

const figures: StormFigures = {
  read: await reads.stop(),
  memory: (memory.stop() - before) / 2 ** 20,
  speed: signIns / seconds,
  loop: loop.percentile(99) / 1e6,
  gate,
}
process.stdout.write(JSON.stringify(figures))
