import type { Json, Stored } from '@portcullis/core'
import type { ApiKeyEvent } from './events.ts'
import type { ReferenceRecord } from './reference-record.ts'

/**
 * Whose keys are meant; a `Principal` is one. Take it from the request's principal and never from what a client sent: that is how
 * one user mints, or ends, another one's key (better-auth CVE-2025-61928).
 */
export interface ApiKeyOwner {
  readonly subject: string
  /** Only keys of this tenant. Without it: of every tenant, and of none. */
  readonly tenant?: string
}

/** What can be read about a key once it was issued: nothing of its secret. */
export interface ApiKeyInfo {
  readonly id: string
  readonly subject: string
  readonly name?: string
  readonly tenant?: string
  readonly clientId?: string
  readonly scopes: readonly string[]
  /** Milliseconds since the epoch, as all times here. */
  readonly createdAt: number
  readonly expiresAt: number
  /** To the minute. */
  readonly lastUsedAt?: number
  /** The key that it took over from. */
  readonly replaces?: string
  /** The key that takes over from it. */
  readonly replacedBy?: string
}

/** A key as it is kept. */
export type ApiKeyRecord = ReferenceRecord & {
  readonly name?: string
  readonly lastUsedAt?: number
  readonly replaces?: string
  readonly replacedBy?: string
  /** Seconds that it was issued for: `exp` moves when it is replaced. */
  readonly lifetime: number
} & { readonly [member: string]: Json | undefined }

/** What a record says to its owner. */
export function describeKey({ id, value }: Pick<Stored<ApiKeyRecord>, 'id' | 'value'>): ApiKeyInfo {
  const { name, lastUsedAt, replaces, replacedBy, claims } = value
  return {
    id,
    ...whose(value),
    scopes: scopesOf(value),
    createdAt: Number(claims['iat']) * 1000,
    expiresAt: Number(claims['exp']) * 1000,
    ...(name !== undefined && { name }),
    ...(lastUsedAt !== undefined && { lastUsedAt }),
    ...(replaces !== undefined && { replaces }),
    ...(replacedBy !== undefined && { replacedBy }),
  }
}

/** What listeners are told. */
export function describeEvent({ id, subject, tenant, clientId }: ApiKeyInfo): ApiKeyEvent {
  return { keyId: id, subject, ...(tenant !== undefined && { tenant }), ...(clientId !== undefined && { clientId }) }
}

export function scopesOf({ claims }: ApiKeyRecord): readonly string[] {
  return typeof claims['scope'] === 'string' ? claims['scope'].split(' ') : []
}

/** Whether a record is the owner's. */
export function isOwnedBy({ claims }: ApiKeyRecord, { subject, tenant }: ApiKeyOwner): boolean {
  return claims['sub'] === subject && (tenant === undefined || claims['tenant'] === tenant)
}

function whose({ claims }: ApiKeyRecord): Pick<ApiKeyInfo, 'subject' | 'tenant' | 'clientId'> {
  const { sub, tenant, client_id: clientId } = claims
  return {
    subject: String(sub),
    ...(typeof tenant === 'string' && { tenant }),
    ...(typeof clientId === 'string' && { clientId }),
  }
}
