import { createMemoryRateLimitStore, type RateLimitStore } from '@portcullis/rate-limit'
import { exhaustedSuite } from '../src/exhausted.ts'
import { manualClock } from '../src/store.ts'

/** A few turns of the event loop, so that questions and answers overtake each other. */
async function network(): Promise<void> {
  for (let turns = Math.floor(Math.random() * 4); turns > 0; turns--) await new Promise(setImmediate)
}

function behindNetwork(memory: RateLimitStore): RateLimitStore {
  const trip = async <T>(work: () => T): Promise<Awaited<T>> => {
    await network()
    const answer = await work()
    await network()
    return answer
  }
  return {
    declare: (policies) => memory.declare?.(policies),
    consume: (...check) => trip(() => memory.consume(...check)),
    adjust: (...change) => trip(() => memory.adjust(...change)),
  }
}

for (const [name, behind] of [
  ['memory', (memory: RateLimitStore) => memory],
  ['memory, behind a network', behindNetwork],
] as const) {
  exhaustedSuite({
    name,
    async open() {
      const clock = manualClock()
      const store = behind(createMemoryRateLimitStore({ clock }))
      return { store, now: clock.now, advance: clock.advance, close: async () => {} }
    },
  })
}
