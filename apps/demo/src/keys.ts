import {
  authenticated,
  type Guard,
  json,
  type Principal,
  problem,
  type Reply,
  readJson,
  requirePrincipal,
} from '@portcullis/core'
import type { ApiKeyInfo, ApiKeys } from '@portcullis/tokens'
import { z } from 'zod'
import { scopes } from './access.ts'
import type { ApiRoute, Call } from './api.ts'
import { absent, check, nothing, queryOf } from './input.ts'

const apiScopes = Object.keys(scopes)
const DAY = 86_400

const newKey = z.strictObject({
  name: z.string().trim().min(1).max(100).optional(),
  /** Without it: what the token that asks may do. */
  scopes: z
    .array(z.enum(apiScopes as [string, ...string[]]))
    .min(1)
    .optional(),
  /** Seconds. */
  lifetime: z
    .int()
    .min(60)
    .max(365 * DAY)
    .optional(),
})
const whichKey = z.strictObject({ id: z.string().min(1).max(100) })
const MOST_KEYS = 50

/** The caller's own API keys: whose they are, the principal says, and nothing in the request. */
export function keyRoutes(keys: ApiKeys, guards: readonly Guard[]): readonly ApiRoute[] {
  const route = (
    method: ApiRoute['method'],
    path: string,
    handle: (call: Call, owner: Principal) => Promise<Reply>,
  ): ApiRoute => ({
    method,
    path,
    guards,
    policy: authenticated(),
    handle: async (call) => {
      const caller = requirePrincipal(call.view)
      return mayManageKeys(caller) ? handle(call, caller) : problem({ status: 403, detail: 'Keys are managed by people.' })
    },
  })
  const revoke = async (id: string, owner: Principal, call: Call): Promise<Reply> =>
    (await keys.revoke(id, owner, { request: call.view })) ? { status: 204 } : absent()

  return [
    route('GET', '/api/keys', async ({ view }, owner) => {
      const query = check(nothing, queryOf(view))
      return query.ok ? json({ items: (await listed(keys, owner)).map(present) }) : query.reply
    }),
    route('POST', '/api/keys', async ({ view }, owner) => {
      const body = check(newKey, await readJson(view))
      if (!body.ok) return body.reply
      const { name, lifetime } = body.value
      const wanted = body.value.scopes ?? apiScopes.filter((scope) => owner.scopes?.includes(scope))
      if ((await listed(keys, owner)).length >= MOST_KEYS) return problem({ status: 409, detail: 'Delete a key first.' })
      const { subject, tenant, scopes: within } = owner
      const request = {
        subject,
        scopes: wanted,
        within,
        ...(tenant !== undefined && { tenant }),
        ...(name !== undefined && { name }),
        ...(lifetime !== undefined && { lifetime }),
      }
      const issued = await keys.issue(request, { request: view })
      if (!issued.ok) return problem({ status: 403, detail: 'A key holds no more than the token that asks for it.' })
      // Shown here, and never again.
      const headers = [['Cache-Control', 'no-store']] as const
      return json({ ...present(issued), key: issued.key }, { status: 201, headers })
    }),
    route('DELETE', '/api/keys', async (call, owner) => {
      const query = check(whichKey, queryOf(call.view))
      return query.ok ? revoke(query.value.id, owner, call) : query.reply
    }),
    route('DELETE', '/api/keys/:id', async (call, owner) => revoke(call.params['id'] ?? '', owner, call)),
  ]
}

/** A person who has signed in: a key that could make keys would outlive itself, and a client has no account to own them. */
function mayManageKeys({ kind, clientId }: Principal): boolean {
  return kind === 'user' && clientId !== undefined
}

async function listed(keys: ApiKeys, { subject, tenant }: Principal): Promise<readonly ApiKeyInfo[]> {
  const all: ApiKeyInfo[] = []
  for await (const key of keys.list({ subject, ...(tenant !== undefined && { tenant }) })) all.push(key)
  return all
}

function present({ id, name, scopes: held, createdAt, expiresAt, lastUsedAt }: ApiKeyInfo): object {
  return {
    id,
    name: name ?? null,
    scopes: held,
    createdAt: new Date(createdAt).toISOString(),
    expiresAt: new Date(expiresAt).toISOString(),
    lastUsedAt: lastUsedAt === undefined ? null : new Date(lastUsedAt).toISOString(),
  }
}
