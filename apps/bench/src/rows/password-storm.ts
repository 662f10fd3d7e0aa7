import { createPasswords } from '@portcullis/password'
import type { Bench } from '../bench.ts'
import { median } from '../harness.ts'
import { row } from '../report.ts'
import { type StormFigures, storm } from '../storm.ts'

const SIGN_INS = 32
const PASSWORD = 'correct horse battery staple'
/** MiB that one hash takes at 19,456 KiB, and what the rest of a process may add. */
const HASH = 19
const REST = 10
/** Milliseconds. */
const LOOP = 20

/** 32 sign-ins at once through the gate, and the same native verify without one; a process for each round. */
export const passwordStorm: Bench = {
  name: 'password.storm',
  async run({ rounds }) {
    const stored = await createPasswords().hash(PASSWORD)
    const [gated, ungated]: StormFigures[][] = [[], []]
    for (let round = 0; round < rounds; round++) {
      gated?.push(await storm('portcullis', SIGN_INS, PASSWORD, stored))
      ungated?.push(await storm('ungated', SIGN_INS, PASSWORD, stored))
    }
    const ours = medians(gated ?? [])
    const theirs = medians(ungated ?? [])
    const peer = '@node-rs/argon2'
    const read = { bench: 'password.storm.read', ours: ours.read, unit: 'ms' } as const
    const memory = { bench: 'password.storm.memory', ours: ours.memory, unit: 'MiB' } as const
    const speed = { bench: 'password.storm.hashes', ours: ours.speed, unit: 'ops/s' } as const
    const loop = { bench: 'password.storm.loop', ours: ours.loop, unit: 'ms' } as const
    return {
      rows: [
        row({ ...read, peer, theirs: theirs.read, target: 0.2 }),
        row({ ...memory, peer: 'target', theirs: ours.gate * HASH + REST, target: 1 }),
        row({ ...memory, peer, theirs: theirs.memory }),
        row({ ...speed, peer, theirs: theirs.speed, target: 0.9 }),
        row({ ...loop, peer: 'target', theirs: LOOP, target: 1 }),
        row({ ...loop, peer, theirs: theirs.loop }),
      ],
    }
  },
}

function medians(rounds: readonly StormFigures[]): StormFigures {
  const of = (figure: keyof StormFigures): number => median(rounds.map((one) => one[figure]))
  return { read: of('read'), memory: of('memory'), speed: of('speed'), loop: of('loop'), gate: of('gate') }
}
