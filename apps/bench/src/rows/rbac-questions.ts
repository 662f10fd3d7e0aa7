import type { Principal } from '@portcullis/core'

/** A resource's name in the rows of rbac: as many as there are rules. */
export type Resource = `r${number}`

/** "May some", with its right answer: `read` is granted on every resource, `refund` on none. */
export interface Check {
  readonly resource: Resource
  readonly action: 'read' | 'refund'
  readonly allowed: boolean
}

/** A record, of whichever resource. */
export type OwnedRecord = { readonly tenant: string; readonly createdBy: string }

/** "May he update this one", with its right answer. */
export interface Question {
  readonly resource: Resource
  readonly record: OwnedRecord
  readonly allowed: boolean
}

/** Who asks, everywhere. */
export const caller: Principal & { readonly tenant: string } = {
  subject: 'u1',
  kind: 'user',
  tenant: 'acme',
  roles: ['clerk'],
}

/** The names of so many resources. */
export function resourcesOf(rules: number): readonly Resource[] {
  return Array.from({ length: rules }, (_, n): Resource => `r${n}`)
}

/**
 * Pairs, one granted and one denied, spread over the rules: who scans them meets the first as often as the last.
 * @param pairs how many: each is about another resource
 */
export function checks(rules: number, pairs: number): readonly Check[] {
  return spread(rules, pairs).flatMap(({ resource }): Check[] => [
    { resource, action: 'read', allowed: true },
    { resource, action: 'refund', allowed: false },
  ])
}

/** {@link checks} of records: the caller's own, and another's of his tenant, or his own of another tenant. */
export function questions(rules: number, pairs: number): readonly Question[] {
  return spread(rules, pairs).flatMap(({ resource, pair }): Question[] => {
    const other = pair % 2 === 0 ? { tenant: 'acme', createdBy: 'u2' } : { tenant: 'globex', createdBy: 'u1' }
    return [
      { resource, record: { tenant: 'acme', createdBy: 'u1' }, allowed: true },
      { resource, record: other, allowed: false },
    ]
  })
}

function spread(rules: number, pairs: number): readonly { readonly resource: Resource; readonly pair: number }[] {
  return Array.from({ length: pairs }, (_, pair) => ({ resource: `r${Math.floor((pair * rules) / pairs)}` as const, pair }))
}

/**
 * Every ninth pair, for subjects that take milliseconds: both kinds of denial, and as spread. A round of theirs may be one question, so that
 * they go on where the last round ended.
 */
export function fewOf<T>(all: readonly T[]): readonly T[] {
  return all.filter((_, n) => (n >> 1) % 9 === 0)
}
