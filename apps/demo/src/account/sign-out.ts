import type { EventContext } from '@portcullis/core'
import type { AccountParts } from './parts.ts'

/** Ends all sessions of an account, what clients have of it, and every access token (ASVS 7.4.2, 7.4.5). */
export async function signOutEverywhere(
  { sessions, refreshTokens }: Pick<AccountParts, 'sessions' | 'refreshTokens'>,
  account: string,
  context: EventContext = {},
): Promise<void> {
  await sessions.endAll(account, context)
  // Also those of grants that have outlived their session, and of devices, which never had one.
  await refreshTokens.endAll(account, context)
}
