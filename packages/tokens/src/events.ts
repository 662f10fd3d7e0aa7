import { defineEvent, type EventType } from '@portcullis/core'

/** A request's token was refused; `code` is the reason's. */
export const rejectedEvent: EventType<'tokens.rejected', { readonly code: string }> = defineEvent('tokens.rejected')

/** A token went out, signed or opaque; the token itself is not in the event. */
export const issuedEvent: EventType<
  'tokens.issued',
  { readonly typ: string; readonly jti: string; readonly subject?: string; readonly clientId?: string }
> = defineEvent('tokens.issued')

/** A family of refresh tokens began. */
export const refreshIssuedEvent: EventType<'tokens.refresh_issued', RefreshEvent> = defineEvent('tokens.refresh_issued')

/** A refresh token was exchanged for its successor. A retry that gets the same answer again is no event. */
export const refreshRotatedEvent: EventType<'tokens.refresh_rotated', RefreshEvent> = defineEvent('tokens.refresh_rotated')

/** A refresh token was used again after its successor: somebody has a copy, and the family has ended. */
export const refreshReuseEvent: EventType<'tokens.refresh_reuse', RefreshEvent> = defineEvent('tokens.refresh_reuse')

/** A family of refresh tokens ended before its time. */
export const refreshEndedEvent: EventType<'tokens.refresh_ended', RefreshEvent> = defineEvent('tokens.refresh_ended')

/** Whose family it is. */
export interface RefreshEvent {
  readonly familyId: string
  readonly subject: string
  readonly clientId: string
  readonly sessionId?: string
}

/** Something was revoked here; `id` is what the claim of its kind holds, and never a token. `before`: seconds since the epoch. */
export const revokedEvent: EventType<
  'tokens.revoked',
  { readonly kind: string; readonly id?: string; readonly before?: number }
> = defineEvent('tokens.revoked')

/** Too little is known of what others revoke. Once, and then `tokens.revocation_feed_restored`; `lastInSync`: milliseconds. */
export const revocationFeedLostEvent: EventType<
  'tokens.revocation_feed_lost',
  { readonly lastInSync?: number; readonly cause?: string; readonly whenLost: 'refuse' | 'accept' }
> = defineEvent('tokens.revocation_feed_lost')

/** What others revoke is known again, all of it. */
export const revocationFeedRestoredEvent: EventType<'tokens.revocation_feed_restored', { readonly entries: number }> =
  defineEvent('tokens.revocation_feed_restored')
/** Whose API key it is. */
export interface ApiKeyEvent {
  /** Not secret: it finds the key in a listing, and is the first part of its text. */
  readonly keyId: string
  readonly subject: string
  readonly tenant?: string
  readonly clientId?: string
}

/** An API key was issued. */
export const apiKeyIssuedEvent: EventType<'tokens.api_key_issued', ApiKeyEvent> = defineEvent('tokens.api_key_issued')

/** An API key was replaced by another, and ends at `endsAt` (milliseconds since the epoch). */
export const apiKeyRotatedEvent: EventType<
  'tokens.api_key_rotated',
  ApiKeyEvent & { readonly replacedBy: string; readonly endsAt: number }
> = defineEvent('tokens.api_key_rotated')

/** An API key was ended before its time. */
export const apiKeyRevokedEvent: EventType<'tokens.api_key_revoked', ApiKeyEvent> = defineEvent('tokens.api_key_revoked')

/** An opaque access token was ended before its time. */
export const opaqueRevokedEvent: EventType<
  'tokens.opaque_revoked',
  { readonly jti: string; readonly subject: string; readonly clientId?: string }
> = defineEvent('tokens.opaque_revoked')

/** An introspection endpoint could not be asked, or its answer not be used. */
export const introspectionFailedEvent: EventType<
  'tokens.introspection_failed',
  { readonly endpoint: string; readonly message: string }
> = defineEvent('tokens.introspection_failed')

/** A key was added to a key ring; it signs from `activatesAt` on (milliseconds since the epoch). */
export const keyAddedEvent: EventType<
  'tokens.key_added',
  { readonly ring: string; readonly kid: string; readonly alg: string; readonly activatesAt: number }
> = defineEvent('tokens.key_added')

/** A key's time in a ring is over: no token under it is accepted any more. */
export const keyRemovedEvent: EventType<'tokens.key_removed', { readonly ring: string; readonly kid: string }> =
  defineEvent('tokens.key_removed')

/** A key was taken out of a ring before its time: nothing that it signed is accepted any more. */
export const keyRevokedEvent: EventType<'tokens.key_revoked', { readonly ring: string; readonly kid: string }> =
  defineEvent('tokens.key_revoked')

/** A remote JWKS was read; `ignored` has a code for each key in it that is not used. */
export const jwksRefreshedEvent: EventType<
  'tokens.jwks_refreshed',
  { readonly url: string; readonly keys: number; readonly ignored: readonly string[] }
> = defineEvent('tokens.jwks_refreshed')

/** A remote JWKS could not be read. `stale`: the keys from before are still in use. */
export const jwksFailedEvent: EventType<
  'tokens.jwks_failed',
  { readonly url: string; readonly message: string; readonly stale: boolean }
> = defineEvent('tokens.jwks_failed')
