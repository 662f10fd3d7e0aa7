import { createMemoryStore, PortcullisError, type Store } from '@portcullis/core'
import { describe, expect, it } from 'vitest'
import { type AcquiredSeat, type ConcurrencyOptions, createConcurrencyLimit, leaseLost } from '../src/index.ts'
import { keyDigest } from '../src/store-kit.ts'
import { around, leasingStores } from './leasing-stores.ts'
import { caught, manualClock } from './support.ts'

const secret = 'a secret of more than sixteen bytes'

function limitOn(store: Store, options: Partial<ConcurrencyOptions> = {}) {
  return createConcurrencyLimit({ max: 10, secret, store, ...options })
}

type Limit = ReturnType<typeof limitOn>

/** The seats that so many get who all ask at once, each in the next process. */
async function rush(limits: readonly Limit[], count: number, key = 'k'): Promise<AcquiredSeat[]> {
  const asked = Array.from({ length: count }, (_, n) => limits[n % limits.length]!.acquire(key))
  return (await Promise.all(asked)).filter((attempt) => attempt.acquired)
}

describe.each(leasingStores)('a concurrency limit whose seats are $title', ({ open }) => {
  const processes = async (count: number, options: Partial<ConcurrencyOptions> = {}) => {
    const clock = manualClock()
    const stores = await open(clock, count)
    return { clock, stores, limits: stores.map((store) => limitOn(store, { clock, lease: 30, ...options })) }
  }

  it('lets exactly 10 of 200 pass that ask at once in three processes [ASVS 2.4.1]', async () => {
    const { limits } = await processes(3)
    expect(await rush(limits, 200)).toHaveLength(10)
  })

  it('gives a seat that came back to exactly one of those who ask at once', async () => {
    const { limits } = await processes(3)
    const [first] = await rush(limits, 10)
    await first!.release()
    expect(await rush(limits, 50)).toHaveLength(1)
  })

  it('finds the last free seat of many, and every seat that is free', async () => {
    const { limits } = await processes(1, { max: 60 })
    for (let n = 0; n < 60; n++) expect(await limits[0]!.acquire('k')).toMatchObject({ acquired: true, degraded: false })
    expect(await limits[0]!.acquire('k')).toMatchObject({ acquired: false, reason: { code: 'rate_limit.concurrency_exceeded' } })
  })

  it('counts each key by itself, and each limit', async () => {
    const { clock, limits, stores } = await processes(1)
    const other = limitOn(stores[0], { name: 'other', clock })
    expect(await rush(limits, 20, 'a')).toHaveLength(10)
    expect(await rush(limits, 20, 'b')).toHaveLength(10)
    expect(await rush([other], 20, 'a')).toHaveLength(10)
  })

  it('has the seats of a process that died back when their lease has passed, and not before', async () => {
    const { clock, limits } = await processes(2)
    expect(await rush([limits[0]!], 10)).toHaveLength(10)
    clock.time += 29_999
    expect(await rush([limits[1]!], 10)).toHaveLength(0)
    clock.time += 1
    expect(await rush([limits[1]!], 10)).toHaveLength(10)
  })

  it('renews the seat of a long request as often as it takes', async () => {
    const { clock, limits } = await processes(2, { max: 1 })
    const [seat] = await rush([limits[0]!], 1)
    for (let n = 0; n < 20; n++) {
      clock.time += 11_000
      await limits[0]!.renew()
      expect(await rush([limits[1]!], 2)).toHaveLength(0)
    }
    expect(seat!.signal.aborted).toBe(false)
    await seat!.release()
    expect(await rush([limits[1]!], 2)).toHaveLength(1)
  })

  it('neither renews nor gives back a seat that is another process’s by now, and says that it was lost', async () => {
    const { clock, limits } = await processes(3, { max: 1 })
    const lost: unknown[] = []
    const stop = leaseLost.subscribe(({ data }) => lost.push(data))
    const [slept] = await rush([limits[0]!], 1)
    clock.time += 30_000
    const [owner] = await rush([limits[1]!], 1)
    await limits[0]!.renew()
    expect(slept!.signal.aborted).toBe(true)
    expect(lost).toEqual([{ limiter: 'concurrency' }])
    await slept!.release()
    expect(await rush([limits[2]!], 5)).toHaveLength(0)
    await owner!.release()
    expect(await rush([limits[2]!], 5)).toHaveLength(1)
    stop()
  })

  it('gives back nothing of another process either when it was never told that its own seat was lost', async () => {
    const { clock, limits } = await processes(3, { max: 1 })
    const [slept] = await rush([limits[0]!], 1)
    clock.time += 30_000
    await rush([limits[1]!], 1)
    await slept!.release()
    expect(await rush([limits[2]!], 5)).toHaveLength(0)
  })

  it('hands nobody a seat that is another process’s by now', async () => {
    const { clock, limits } = await processes(2, { max: 1, wait: { queue: 1, timeout: 0.3 } })
    const [slept] = await rush([limits[0]!], 1)
    const wait = limits[0]!.acquire('k')
    await new Promise((done) => setTimeout(done, 20))
    clock.time += 30_000
    await rush([limits[1]!], 1)
    await slept!.release()
    expect(await wait).toMatchObject({ acquired: false, reason: { code: 'rate_limit.wait_timeout' } })
  })

  it('goes on in its seat after it slept, where nobody sat down meanwhile', async () => {
    const { clock, limits } = await processes(2, { max: 1 })
    const [slept] = await rush([limits[0]!], 1)
    clock.time += 60_000
    await limits[0]!.renew()
    expect(slept!.signal.aborted).toBe(false)
    expect(await rush([limits[1]!], 5)).toHaveLength(0)
  })

  it('leaves no seat behind when a renewal and the end of the work cross', async () => {
    const { clock, limits } = await processes(2)
    for (let round = 0; round < 10; round++) {
      const seats = await rush([limits[0]!], 10)
      expect(seats).toHaveLength(10)
      clock.time += 15_000
      await Promise.all([limits[0]!.renew(), ...seats.map((seat) => seat.release())])
      expect(await rush([limits[1]!], 10)).toHaveLength(10)
      clock.time += 30_000
    }
  })

  it('keeps keys out of the store', async () => {
    const { stores, limits } = await processes(1)
    await limits[0]!.acquire('ada@acme.test')
    const ids: string[] = []
    const seen = stores[0].collection({ name: 'rate_limit.seats', indexes: ['subject'] })
    for await (const { id, value } of seen.find('subject', `concurrency:${keyDigest(secret)('ada@acme.test')}`))
      ids.push(`${id} ${value}`)
    expect(ids).toHaveLength(1)
    expect(ids[0]).not.toContain('ada')
  })
})

describe('the leases of a process', () => {
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
