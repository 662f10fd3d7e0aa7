import { deliveryFailed } from './events.ts'

/**
 * Runs work once whoever is being served has been answered: how long it takes, and whether it fails, tells nobody anything.
 * @param account for the event, where there is one
 */
export function afterwards(account: string | undefined, work: () => Promise<void>): void {
  setImmediate(async () => {
    try {
      await work()
    } catch {
      deliveryFailed.publish(account === undefined ? {} : { account })
    }
  })
}
