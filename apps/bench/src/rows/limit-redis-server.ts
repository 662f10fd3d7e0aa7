import type { Redis } from 'ioredis'
import { speedOf } from '../bench.ts'
import { BenchError } from '../errors.ts'
import { type MeasureOptions, median, type Subject } from '../harness.ts'
import { type Growth, type Row, row } from '../report.ts'
import { addresses, requestsFrom } from './addresses.ts'

/** Enough that the server's processor time, in microseconds, is some hundred thousand of them. */
const CHECKS = 20_000
const SIZES = [1_000, 10_000, 100_000, 1_000_000] as const

/**
 * Processor time that the server itself takes for a check, `used_cpu_user` and `used_cpu_sys`: it does one thing at a time, so this says how
 * many checks a server can carry, whoever asks.
 * @param admin a connection of its own
 * @param target what ours may be of a peer's
 */
export async function serverTime(
  bench: string,
  admin: Redis,
  [ours, ...peers]: readonly [Subject, ...Subject[]],
  { rounds }: MeasureOptions,
  target: number,
): Promise<readonly Row[]> {
  const times = new Map<Subject, number[]>([ours, ...peers].map((subject) => [subject, []]))
  for (const subject of times.keys()) await subject.run(CHECKS)
  for (let round = 0; round < rounds; round++) {
    for (const [subject, found] of times) {
      const before = await processorTime(admin)
      await subject.run(CHECKS)
      found.push(((await processorTime(admin)) - before) / CHECKS)
    }
  }
  const of = (subject: Subject): number => median(times.get(subject) ?? [])
  return peers.map((peer) => row({ bench, ours: of(ours), unit: 'µs/check', peer: peer.name, theirs: of(peer), target }))
}

/** Microseconds. */
async function processorTime(admin: Redis): Promise<number> {
  const text = await admin.info('cpu')
  return 1e6 * (numberIn(text, 'used_cpu_user') + numberIn(text, 'used_cpu_sys'))
}

async function usedMemory(admin: Redis): Promise<number> {
  return numberIn(await admin.info('memory'), 'used_memory')
}

function numberIn(text: string, name: string): number {
  const found = new RegExp(`^${name}:([\\d.]+)`, 'm').exec(text)?.[1]
  if (found === undefined) throw new BenchError('bench.measurement_failed', `the server does not say its ${name}`)
  return Number(found)
}

/**
 * The same checks where a server has more and more buckets, and what each of them takes there.
 * @param admin a connection to a server that is emptied
 * @param subjectOf checks of such keys, one after the other
 */
export async function growthOf(
  admin: Redis,
  subjectOf: (keys: readonly string[]) => Subject,
  options: MeasureOptions,
): Promise<readonly Growth[]> {
  const speeds: { size: number; ours: number }[] = []
  const bytes: { size: number; ours: number }[] = []
  for (const size of SIZES) {
    await admin.flushall()
    const empty = await usedMemory(admin)
    const keys = addresses(size)
    await subjectOf(keys).run(size)
    bytes.push({ size, ours: Math.round(((await usedMemory(admin)) - empty) / size) })
    speeds.push({ size, ours: Math.round(await speedOf(subjectOf(requestsFrom(keys)), options)) })
  }
  return [
    { bench: 'limit.redis.keys', unit: 'ops/s', size: 'keys', growth: speeds },
    { bench: 'limit.redis.bytes', unit: 'bytes/key', size: 'keys', growth: bytes },
  ]
}
