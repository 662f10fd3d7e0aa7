import { setTimeout as pause } from 'node:timers/promises'
import type { Collection, Json } from '@portcullis/core'
import { assert, expect } from 'vitest'
import { type Answer, answer, eventually, type FaultContext, freshId, reading } from './store-fault-subject.ts'
import { collect } from './store-subject.ts'

/** Milliseconds between two rounds of each loop: a load, and no more entries than can be looked at afterwards. */
const PACE = 2

/**
 * A load that keeps book of what it was told, over all connections, and holds the store to it: while it runs no answer may be wrong,
 * and afterwards all that was acknowledged is there.
 */
export class Load {
  readonly #context: FaultContext
  readonly #owner: string = freshId()
  readonly #tried: string[] = []
  readonly #created: string[] = []
  /** What the winner wrote. */
  readonly #contested = new Map<string, Json>()
  readonly #spent: string[] = []
  readonly #documents = new Map<string, { acknowledged: number; attempted: number }>()
  readonly #loops: Promise<void>[] = []
  #failure: { readonly error: unknown } | undefined
  #running = true
  #turn = 0
  #acknowledged = 0
  #calls = 0
  #rejected = 0

  /** @param keeps whether what is acknowledged outlasts the fault */
  constructor(context: FaultContext, keeps: boolean) {
    this.#context = context
    const replace = (): (() => Promise<void>) => this.#replacer(freshId(), keeps)
    const rounds = [() => this.#create(), () => this.#create(), () => this.#contend(), () => this.#spend(), () => this.#spend()]
    for (const round of [...rounds, replace(), replace()]) this.#loops.push(this.#loop(round))
  }

  /** Creates that were answered with true. */
  get acknowledged(): number {
    return this.#acknowledged
  }

  /** Calls that were answered. */
  get answered(): number {
    return this.#calls - this.#rejected
  }

  /** Calls that were rejected. */
  get rejected(): number {
    return this.#rejected
  }

  /** Waits for the load to get there; fails at once when an answer was wrong. */
  async until(what: string, holds: () => boolean): Promise<void> {
    await eventually(this.#context, what, () => {
      if (this.#failure !== undefined) throw this.#failure.error
      return holds()
    })
  }

  async stop(): Promise<void> {
    this.#running = false
    await Promise.all(this.#loops)
    if (this.#failure !== undefined) throw this.#failure.error
  }

  /** After {@link stop}, with a server that works: that nothing is half there; and, where it keeps, that all is there. */
  async verify(keeps: boolean): Promise<void> {
    const there = new Set<string>()
    await inBatches(this.#tried, async (id) => {
      if (await this.#agrees(id)) there.add(id)
    })
    const listed = await reading(this.#context, () => collect(this.#any().find('user', this.#owner)))
    expect(
      listed.map(({ id }) => id),
      'the index has what get has',
    ).toEqual([...there].sort())
    if (!keeps) return
    const missing = this.#created.filter((id) => !there.has(id))
    expect(missing.length, `${missing.length} of ${this.#created.length} acknowledged creates are lost`).toBe(0)
    await inBatches([...this.#contested], async ([id, value]) => {
      expect((await this.#read(id))?.value, 'the create that was acknowledged is what is there').toEqual(value)
    })
    await inBatches(this.#spent, async (id) => {
      expect(await this.#read(id), 'what was taken is there again').toBeUndefined()
    })
    for (const [id, { acknowledged }] of this.#documents) {
      if (acknowledged === 0) continue
      expect(Number((await this.#read(id))?.value), 'an acknowledged replace is lost').toBeGreaterThanOrEqual(acknowledged)
    }
  }

  async #loop(round: () => Promise<void>): Promise<void> {
    while (this.#running && this.#failure === undefined) {
      try {
        await round()
      } catch (error) {
        this.#failure ??= { error }
      }
      await pause(PACE)
    }
  }

  /** One id, once: whoever is told that it was there already is told something wrong. */
  async #create(): Promise<void> {
    const id = freshId()
    this.#tried.push(id)
    const created = await this.#call((collection) => collection.create(id, { id }, { index: { user: this.#owner, tenant: id } }))
    if (!created.answered) return
    assert(created.value, 'create of a new id said that it was there: the store repeated its own write, and took it for another')
    this.#acknowledged += 1
    this.#created.push(id)
  }

  async #contend(): Promise<void> {
    const id = freshId()
    const outcomes = await Promise.all([0, 1, 2].map((value) => this.#call((collection) => collection.create(id, value))))
    const winners = [0, 1, 2].filter((n) => {
      const outcome = outcomes[n]
      return outcome?.answered === true && outcome.value
    })
    assert(winners.length <= 1, `of concurrent creates of one id ${winners.length} succeeded`)
    const [winner] = winners
    if (winner !== undefined) this.#contested.set(id, winner)
  }

  /** A one-time value, and three who want it; each asks again when nobody answers. */
  async #spend(): Promise<void> {
    const id = freshId()
    const created = await this.#call((collection) => collection.create(id, { code: id }))
    if (!created.answered) return
    let taken = 0
    await Promise.all(
      [0, 1, 2].map(async () => {
        for (let attempt = 0; attempt < 3; attempt++) {
          const outcome = await this.#call((collection) => collection.take(id))
          if (!outcome.answered) continue
          if (outcome.value !== undefined) taken += 1
          return
        }
      }),
    )
    assert(taken <= 1, `a one-time value was taken ${taken} times`)
    if (taken === 1) this.#spent.push(id)
  }

  /** The only writer of a document: what it reads is never older than what it was told was written. */
  #replacer(id: string, keeps: boolean): () => Promise<void> {
    const book = { acknowledged: 0, attempted: 0 }
    this.#documents.set(id, book)
    return async () => {
      const read = await this.#call((collection) => collection.get(id))
      if (!read.answered) return
      book.attempted += 1
      const next = book.attempted
      if (read.value === undefined) {
        assert(!keeps || book.acknowledged === 0, 'a document that was acknowledged is gone')
        const created = await this.#call((collection) => collection.create(id, next))
        // False: a create that was rejected has arrived since.
        if (created.answered && created.value) book.acknowledged = next
        return
      }
      const { value, version } = read.value
      if (keeps) assert(Number(value) >= book.acknowledged, 'an older value is there than was acknowledged')
      const replaced = await this.#call((collection) => collection.replace(id, version, next))
      if (replaced.answered && replaced.value) book.acknowledged = next
    }
  }

  /** @returns whether it is there, by its id and by its index */
  async #agrees(id: string): Promise<boolean> {
    let there = false
    // A call that was given up on may still be under way.
    await eventually(this.#context, 'index and entry agree', async () => {
      const entry = await this.#read(id)
      const found = await reading(this.#context, () => collect(this.#any().find('tenant', id)))
      there = entry !== undefined
      return found.length === (there ? 1 : 0)
    })
    return there
  }

  #read(id: string): ReturnType<Collection<Json>['get']> {
    return reading(this.#context, () => this.#any().get(id))
  }

  async #call<T>(use: (collection: Collection<Json>) => Promise<T>): Promise<Answer<T>> {
    const outcome = await answer(this.#context, () => use(this.#any()))
    this.#calls += 1
    if (!outcome.answered) this.#rejected += 1
    return outcome
  }

  /** The next connection. */
  #any(): Collection<Json> {
    const { connections } = this.#context
    this.#turn += 1
    return connections[this.#turn % connections.length] ?? connections[0]
  }
}

async function inBatches<T>(items: readonly T[], check: (item: T) => Promise<void>): Promise<void> {
  for (let begin = 0; begin < items.length; begin += 20) await Promise.all(items.slice(begin, begin + 20).map(check))
}
