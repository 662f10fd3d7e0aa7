import { authenticated, type EndpointRoute, facts, open } from '@portcullis/core'
import { createLedgerReset, forgottenEndpoints } from './forgotten.ts'
import { overviewRoute } from './overview.ts'
import type { AccountParts } from './parts.ts'
import { passkeyScript, passkeyScriptPath } from './passkey-script.ts'
import { passkeyRoutes } from './passkeys.ts'
import { passwordRoutes } from './password.ts'
import { peopleRoutes } from './people.ts'
import { createDoor } from './person.ts'
import { recoveryRoutes } from './recovery.ts'
import { sessionRoutes } from './sessions.ts'
import { totpRoutes } from './totp.ts'

export type { AccountParts } from './parts.ts'
export { createLedgerPolicy } from './policy.ts'

/**
 * The pages on which people look after their own accounts, and owners after those of their company. They stand behind the entrance's
 * cross-origin protection: no form has a token of its own.
 */
export function accountEndpoints(parts: AccountParts): readonly EndpointRoute[] {
  const { guards } = parts
  const door = createDoor(parts)
  const reset = createLedgerReset(parts)
  const routes = [
    overviewRoute(parts, door),
    ...passkeyRoutes(parts, door),
    ...totpRoutes(parts, door),
    ...recoveryRoutes(parts, door),
    ...passwordRoutes(parts, door),
    ...sessionRoutes(parts, door),
    ...peopleRoutes(parts, door, reset),
  ]
  return [
    ...routes.map(
      ({ method, path, policy = authenticated(), handle }): EndpointRoute => ({
        method,
        path,
        policy,
        guards: [...(method === 'POST' ? guards : []), door.guard],
        endpoint: (req) => handle(req, facts(req, door.guard)),
      }),
    ),
    ...forgottenEndpoints(parts, reset),
    { method: 'GET', path: passkeyScriptPath, policy: open('a script'), endpoint: async () => passkeyScript },
  ]
}
