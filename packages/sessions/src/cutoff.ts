import type { Clock, Collection, Store } from '@portcullis/core'

/** The moment by which all sessions of a kind have ended. */
export interface Cutoff {
  /** Sessions that began at it or earlier are over; 0: there never was one. Milliseconds, no older than {@link bound}. */
  before(): Promise<number>
  /** Moves it to now, and says where it is. `undefined`: others moved it again and again meanwhile. */
  raise(): Promise<number | undefined>
}

/** Milliseconds for which a process goes by what it read: every session would be two reads otherwise. */
const bound = 5_000
const rounds = 64

type Row = { readonly before: number }

/** @param cookieName parts kinds of sessions that share a store */
export function createCutoff(store: Store, cookieName: string, clock: Clock): Cutoff {
  // Durable, since it is for ever: a failover that loses it would let everybody back in.
  const rows: Collection<Row> = store.collection<Row>({ name: 'sessions.cutoffs', keep: 'durable' })
  let known: { readonly before: number; readonly until: number } | undefined
  let asking: Promise<number> | undefined

  const learn = (before: number): number => {
    known = { before, until: clock.now() + bound }
    return before
  }
  const ask = async (): Promise<number> => {
    const stored = await rows.get(cookieName)
    // What was raised here meanwhile is newer than what this read saw.
    return learn(Math.max(stored?.value.before ?? 0, known?.before ?? 0))
  }

  return {
    async before() {
      if (known !== undefined && clock.now() < known.until) return known.before
      asking ??= ask().finally(() => {
        asking = undefined
      })
      return asking
    },
    async raise() {
      for (let round = 0; round < rounds; round++) {
        const stored = await rows.get(cookieName)
        const before = Math.max(clock.now(), stored?.value.before ?? 0)
        const written =
          stored === undefined
            ? await rows.create(cookieName, { before })
            : await rows.replace(cookieName, stored.version, { before })
        if (written) return learn(before)
      }
      return undefined
    },
  }
}
