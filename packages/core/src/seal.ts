import { CoreError } from './errors.ts'

const writers = ['push', 'unshift', 'splice', 'pop', 'shift', 'sort', 'reverse', 'fill', 'copyWithin'] as const

/**
 * Closes a list in which a framework keeps what answers requests: whoever adds to it is told so where he does it. Sealing twice is
 * sealing once.
 * @param nameOf what an entry is called in the message
 */
export function seal<T>(list: T[], nameOf: (entry: T) => string): void {
  if (Object.isFrozen(list)) return
  const refuse = (...entries: unknown[]): never => {
    const named = entries.filter((entry): entry is T => typeof entry === 'object' || typeof entry === 'function').map(nameOf)
    throw new CoreError(
      'core.application_sealed',
      `${named.join(', ') || 'a change'} comes after assertCovered(), where no rule of it was looked at: add it before`,
    )
  }
  for (const writer of writers) Object.defineProperty(list, writer, { value: refuse })
  Object.freeze(list)
}
