import { afterEach, beforeEach, describe, it } from 'vitest'
import { bodies } from './adapter-bodies.ts'
import { coverage } from './adapter-coverage.ts'
import { deciding } from './adapter-deciding.ts'
import { formsOfRoutes } from './adapter-forms.ts'
import { headers } from './adapter-headers.ts'
import { opaqueHandlers } from './adapter-opaque.ts'
import { settling } from './adapter-settling.ts'
import { heads, spelled } from './adapter-spellings.ts'
import { type AdapterContext, type AdapterUnderTest, openAdapter } from './adapter-subject.ts'
import { proxies, telling } from './adapter-telling.ts'

export { adapterExample } from './adapter-example.ts'
export type {
  AdapterUnderTest,
  AppDescription,
  AppPart,
  DrainPart,
  GuardPart,
  HandlerAnswer,
  HandlerRequest,
  HeadersPart,
  MiddlewarePart,
  MountPart,
  NestedPart,
  OverridePart,
  ParserPart,
  Part,
  RoutePart,
  RoutePath,
  RunningApp,
} from './adapter-subject.ts'
export { type RawRequest, send, type WireResponse } from './adapter-wire.ts'

/** Milliseconds that a row may take on a slow machine. */
const timeout = 60_000

/**
 * Declares, with vitest's `describe` and `it`, everything that an adapter must do, over real sockets. Call it at the top of a test
 * file with a harness that builds the described applications on the adapter's framework.
 *
 * @example adapterSuite({ name: 'Express', start, routerSettings: { defaults: {} }, parsersReachEndpoints: true, … })
 */
export function adapterSuite(adapter: AdapterUnderTest): void {
  const parts = {
    deciding,
    headers,
    settling,
    bodies,
    coverage,
    'forms of routes': formsOfRoutes,
    'opaque handlers': opaqueHandlers,
    events: telling,
    'trusted proxies': proxies,
    spellings: [...heads, ...spelled(adapter.routerSettings)],
  }
  describe(`an adapter: ${adapter.name}`, () => {
    let context: AdapterContext
    beforeEach(() => {
      context = openAdapter(adapter)
    })
    afterEach(() => context.close())

    for (const [part, behaviours] of Object.entries(parts)) {
      describe(part, () => {
        for (const { title, check } of behaviours) it(title, () => check(context), timeout)
      })
    }
  })
}
