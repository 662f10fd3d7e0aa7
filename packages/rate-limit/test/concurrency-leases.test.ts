import { createMemoryStore, PortcullisError, type Store } from '@portcullis/core'
import { describe, expect, it } from 'vitest'
import { type AcquiredSeat, type ConcurrencyOptions, createConcurrencyLimit } from '../src/index.ts'
import { around } from './stepping-store.ts'
import { caught, manualClock } from './support.ts'

const secret = 'a secret of more than sixteen bytes'

function limitOn(store: Store, options: Partial<ConcurrencyOptions> = {}) {
  return createConcurrencyLimit({ max: 10, secret, store, ...options })
}

type Limit = ReturnType<typeof limitOn>

/** The seats that so many get who all ask at once. */
async function rush(limits: readonly Limit[], count: number, key = 'k'): Promise<AcquiredSeat[]> {
  const asked = Array.from({ length: count }, (_, n) => limits[n % limits.length]!.acquire(key))
  return (await Promise.all(asked)).filter((attempt) => attempt.acquired)
}

describe('the leases of a process', () => {
  it('are handed to nobody who waits when they are another process’s by now', async () => {
    const clock = manualClock()
    const store = createMemoryStore({ clock })
    const options = { clock, max: 1, wait: { queue: 1, timeout: 0.3 } }
    const [sleeps, owns] = [limitOn(store, options), limitOn(store, options)]
    const [slept] = await rush([sleeps], 1)
    const wait = sleeps.acquire('k')
    await new Promise(setImmediate)
    clock.time += 30_000
    expect(await rush([owns], 1)).toHaveLength(1)
    await slept!.release()
    expect(await wait).toMatchObject({ acquired: false, reason: { code: 'rate_limit.wait_timeout' } })
  })

  it('are renewed by a timer, and the timer ends with them', async () => {
    const store = createMemoryStore()
    const limit = limitOn(store, { lease: 1, max: 1 })
    const written = watch(store)
    const attempt = (await limitOn(written.store, { lease: 1, max: 1 }).acquire('k')) as AcquiredSeat
    await written.replaced()
    expect(await limit.acquire('k')).toMatchObject({ acquired: false })
    await attempt.release()
    expect(await limit.acquire('k')).toMatchObject({ acquired: true })
  })

  it('are not lost while the store can’t be asked for less than a lease, and are after it', async () => {
    const clock = manualClock()
    const { store, asked } = failing(createMemoryStore({ clock }))
    const limit = limitOn(store, { clock, lease: 30 })
    const attempt = (await limit.acquire('k')) as AcquiredSeat
    asked.down = true
    clock.time += 29_000
    await limit.renew()
    expect(attempt.signal.aborted).toBe(false)
    clock.time += 1_000
    await limit.renew()
    expect(attempt.signal.aborted).toBe(true)
    await attempt.release()
  })

  it('are not taken again by a renewal that crosses the end of the work', async () => {
    const clock = manualClock()
    const inner = createMemoryStore({ clock })
    let arrived = (): void => {}
    let open = (): void => {}
    const [atGate, gate] = [new Promise<void>((done) => (arrived = done)), new Promise<void>((done) => (open = done))]
    let asked = 0
    const store = around(inner, async (verb) => {
      if (verb !== 'create') return
      asked += 1
      // The second of them, on its way to the store: the seat that lapsed is taken again.
      if (asked !== 3) return
      arrived()
      await gate
    })
    const limit = limitOn(store, { clock, max: 1 })
    const attempt = (await limit.acquire('k')) as AcquiredSeat
    clock.time += 31_000
    const renewed = limit.renew()
    await atGate
    const released = attempt.release()
    await new Promise(setImmediate)
    open()
    await Promise.all([renewed, released])
    expect(await limitOn(inner, { clock, max: 1 }).acquire('k')).toMatchObject({ acquired: true })
  })

  it('end with their time when they can’t be given back', async () => {
    const clock = manualClock()
    const { store, asked } = failing(createMemoryStore({ clock }))
    const limit = limitOn(store, { clock, max: 1, whenUnavailable: 'closed' })
    const attempt = (await limit.acquire('k')) as AcquiredSeat
    asked.down = true
    await attempt.release()
    asked.down = false
    expect(await limit.acquire('k')).toMatchObject({ acquired: false })
    clock.time += 30_000
    expect(await limit.acquire('k')).toMatchObject({ acquired: true })
  })
})

describe('a concurrency limit whose store is down', () => {
  it.each([
    ['its share', { processes: 3 }, 3],
    ['at least one', { processes: 50 }, 1],
    ['everybody', { whenUnavailable: 'open' }, 40],
  ] as const)('lets %s pass', async (_, options, count) => {
    const { store, asked } = failing(createMemoryStore())
    asked.down = true
    const seats = await rush([limitOn(store, options)], 40)
    expect(seats).toHaveLength(count)
    expect(seats[0]).toMatchObject({ degraded: true })
  })

  it('throws where it is to be closed', async () => {
    const { store, asked } = failing(createMemoryStore())
    asked.down = true
    expect(await caught(() => limitOn(store, { whenUnavailable: 'closed' }).acquire('k'))).toMatchObject({ code: 'test.down' })
  })

  it('does not take a mistake for an outage', async () => {
    const { store, asked } = failing(createMemoryStore())
    asked.down = true
    asked.error = new TypeError('a mistake')
    expect(await caught(() => limitOn(store).acquire('k'))).toBeInstanceOf(TypeError)
  })

  it('needs a secret, so that no key is in a store in the clear', async () => {
    expect(await caught(() => createConcurrencyLimit({ max: 1, store: createMemoryStore() }))).toMatchObject({
      code: 'rate_limit.options_invalid',
    })
  })
})

/** A store that can be down. */
function failing(inner: Store) {
  const asked = { down: false, error: new PortcullisError('test.down', 'down', { status: 503 }) as Error }
  const store = around(inner, () => {
    if (asked.down) throw asked.error
  })
  return { store, asked }
}

/** A store that tells when something was replaced. */
function watch(inner: Store) {
  let tell = (): void => {}
  const replaced = new Promise<void>((resolve) => {
    tell = resolve
  })
  let steps = 0
  const store = around(inner, (verb) => {
    if (verb !== 'replace') return
    steps += 1
    if (steps === 2) tell()
  })
  return { store, replaced: () => replaced }
}
