import { describe, expect, it } from 'vitest'
import { type Deed, type Outcome, play, type Random, seeded, type World } from './leased-quota-simulation.ts'

const numRuns = Number(process.env['PORTCULLIS_MODEL_RUNS'] ?? (process.env['CI'] === undefined ? 1000 : 10_000))

function anyWorld(random: Random): World {
  const policies = Array.from({ length: 1 + Number(random(4) === 0) }, () => ({
    quota: 1 + random(80),
    window: 50 + random(3000),
    burst: 1 + random(120),
  }))
  const lease = 5 + random(600)
  // Mostly faster than a lease, and now and then slower.
  const latency = random(random(8) === 0 ? lease * 2 : 1 + Math.ceil(lease / 8))
  return { nodes: 1 + random(8), most: 1 + random(16), lease, policies, latency, failing: random(3) === 0 ? 5 + random(30) : 0 }
}

/** Trickles, bursts, pauses and deaths. */
function anyDeeds({ nodes, lease }: World, random: Random): Deed[] {
  const deeds: Deed[] = []
  const dear = random(3) === 0
  let at = 0
  for (let checks = 0; checks < 90; ) {
    const node = random(nodes)
    const kind = random(12)
    if (kind === 0) at += random(3 * lease)
    else if (kind === 1) deeds.push({ at, node, dies: true })
    else {
      const times = random(4) === 0 ? 1 + random(20) : 1
      deeds.push({ at, node, cost: dear ? 1 + random(5) : 1, times })
      checks += times
    }
    at += random(random(3) === 0 ? Math.ceil(lease / 2) : 1 + Math.ceil(lease / 20))
  }
  return deeds
}

/** A store with room for everybody's hands, which fills up again, by far or not quite, while units lie in them. */
function roomyWorld(random: Random): World {
  const [nodes, most, lease] = [1 + random(8), 2 + random(15), 50 + random(1000)]
  const burst = nodes * most * (1 + random(3)) + random(20)
  const quota = 1 + random(nodes * most * (random(2) === 0 ? 1 : 4))
  return {
    nodes,
    most,
    lease,
    policies: [{ quota, window: lease, burst }],
    latency: random(1 + Math.ceil(lease / (random(2) === 0 ? 6 : 60))),
    failing: random(4) === 0 ? 5 + random(30) : 0,
  }
}

/** Everybody fills his hands, waits for the store to be full again, and lets go at once, with more than there is. */
function hoard({ nodes, most, lease, latency, policies }: World, random: Random): Deed[] {
  const deeds: Deed[] = []
  const gap = 2 * latency + 1 + random(3)
  let at = 0
  for (let round = 0; round < 2; round++) {
    const steps = 2 + random(4)
    for (let step = 0; step < steps; step++) {
      for (let node = 0; node < nodes; node++) deeds.push({ at: at + random(3), node, cost: 1, times: 1 + random(step + 2) })
      at += gap
    }
    if (random(3) === 0) deeds.push({ at, node: random(nodes), dies: true })
    // From the last question: around the end of what it brought, or anywhere before.
    at += random(2) === 0 ? random(lease) : Math.max(0, lease - gap - random(gap + 4) + 2)
    const times = most + Math.ceil(policies[0]!.burst / nodes)
    for (let node = 0; node < nodes; node++) deeds.push({ at: at + random(3), node, cost: 1, times })
    if (random(3) === 0) {
      // Drained, and kept so: hands must be empty soon, and stay so.
      for (let i = 0; i < 20; i++) deeds.push({ at: at + i * Math.ceil(lease / 6), node: random(nodes), cost: 1, times: most })
      at += lease * 4
    }
    at += random(4 * lease)
  }
  return deeds
}

describe('quota that is leased by processes whose clocks disagree, which die, over a store that takes a while', () => {
  it(`in ${numRuns} runs never lets more through than the bounds`, { timeout: 600_000 }, async () => {
    const seen = { fromHand: 0, beyond: 0 }
    for (let seed = 0; seed < numRuns; seed++) {
      const random = seeded(seed)
      const roomy = seed % 2 === 0
      const world = roomy ? roomyWorld(random) : anyWorld(random)
      const outcome: Outcome = await play(world, roomy ? hoard(world, random) : anyDeeds(world, random), random)
      if (outcome.faults.length > 0)
        throw new Error(`seed ${seed}: ${outcome.faults.join('; ')} ${JSON.stringify({ world, outcome })}`)
      seen.fromHand += outcome.fromHand
      if (outcome.over.some(({ measured }) => measured > 0)) seen.beyond += 1
    }
    // Hard enough to say something: hands were used, and more was let through than the policy alone would have.
    expect(seen.fromHand).toBeGreaterThan(10 * numRuns)
    expect(seen.beyond).toBeGreaterThan(numRuns / 20)
  })
})
