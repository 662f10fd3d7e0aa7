import { mixGrown } from './events.ts'
import { missing, slotOf, spend, unitsOf, type Work } from './work.ts'

/**
 * The work that every refusal costs. An account that does not exist, one whose hash is of today, and one that still has a hash of
 * the old system are refused after the same native calls: the most that any stored hash asks for, of each slot, once.
 *
 * The alternative, to give each unknown account the scheme of some known one at the rate at which the schemes are stored, costs less.
 * It was not taken: it tells an account that has migrated since the last guess, and whoever knows that all of one company were
 * imported together knows which rate to expect of them.
 */
export interface Mix {
  /** Learns what a stored hash asks for. */
  meet(work: readonly Work[]): void
  /** Does what is missing after `spent`. */
  top(spent: readonly Work[]): Promise<void>
}

/** @param stated what is known to be stored, the work of a new hash among it */
export function createMix(stated: readonly Work[]): Mix {
  const most = new Map<string, Work>()
  const grow = (work: Work): boolean => {
    const slot = slotOf(work)
    const before = most.get(slot)
    if (before !== undefined && unitsOf(before) >= unitsOf(work)) return false
    most.set(slot, work)
    return true
  }
  for (const work of stated) grow(work)

  return {
    meet(works) {
      for (const work of works) if (grow(work)) mixGrown.publish({ kind: work.kind })
    },
    async top(spent) {
      for (const [slot, whole] of most) {
        const done = spent.filter((work) => slotOf(work) === slot).reduce((sum, work) => sum + unitsOf(work), 0)
        for (const work of missing(whole, done)) await spend(work)
      }
    },
  }
}
