import { afterEach, beforeEach, describe, it } from 'vitest'
import { freezing, killing } from './store-fault-outages.ts'
import {
  checkFault,
  type FailingStoreUnderTest,
  type FaultBehaviour,
  type FaultContext,
  openFaultContext,
} from './store-fault-subject.ts'
import { crowding, denying, filling, slowing } from './store-fault-trouble.ts'

export type { FailingStoreUnderTest, StoreFaults } from './store-fault-subject.ts'

/** Options of {@link storeFaultSuite}. */
export interface StoreFaultSuiteOptions {
  /** The backend's name, as the report shall show it. */
  readonly name: string
  /** Opens the backend, on a server that works; called before each test. */
  open(): Promise<FailingStoreUnderTest>
  /** How long the store lets a call take, in milliseconds. */
  readonly deadline: number
  /** Which faults `open` gives; rows are declared for those alone. */
  readonly can: {
    /** `kill` and `restart`. */
    readonly kill?: boolean
    /** `freeze` and `thaw`. */
    readonly freeze?: boolean
    /** `slow` and `fast`. */
    readonly slow?: boolean
    /** `fill` and `drain`. */
    readonly fill?: boolean
    /** `crowd` and `disperse`. */
    readonly crowd?: boolean
    /** `readOnly` and `writable`. */
    readonly readOnly?: boolean
  }
  /** Whether all that was acknowledged is there after `kill` and `restart`. Default: false. */
  readonly durable?: boolean
  /** How long each test may take, in milliseconds. Default: 120,000. */
  readonly timeout?: number
}

/**
 * Declares, with vitest's `describe` and `it`, what a Portcullis `Store` must do when its server fails: no call waits longer than its
 * deadline; none is answered wrongly; what is an outage says so, with status 503, and is told once; all comes back by itself.
 * Call it at the top of a test file.
 *
 * @example storeFaultSuite({ name: 'Redis', open, deadline: 250, can: { kill: true, freeze: true } })
 */
export function storeFaultSuite(options: StoreFaultSuiteOptions): void {
  const { name, open, deadline, can, durable = false, timeout = 120_000 } = options
  describe(`a failing store: ${name}`, () => {
    let context: FaultContext
    beforeEach(async () => {
      context = openFaultContext(await open(), { deadline, durable })
    }, timeout)
    afterEach(async () => {
      await context.close()
    }, timeout)

    for (const [part, behaviours] of Object.entries(partsOf(can))) {
      describe(part, () => {
        for (const behaviour of behaviours) it(behaviour.title, () => checkFault(context, behaviour), timeout)
      })
    }
  })
}

function partsOf(can: StoreFaultSuiteOptions['can']): Record<string, readonly FaultBehaviour[]> {
  return {
    ...(can.kill && { killed: killing }),
    ...(can.freeze && { frozen: freezing }),
    ...(can.slow && { slow: slowing }),
    ...(can.fill && { full: filling }),
    ...(can.crowd && { crowded: crowding }),
    ...(can.readOnly && { 'read-only': denying }),
  }
}
