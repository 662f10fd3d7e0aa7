import type { KnownNames, PolicyCase } from './testing-row.ts'

/** A permission that no row asks about for a role. */
export interface Uncovered {
  readonly role: string
  readonly permission: string
}

/** The answer's part that says which held role's rule it was. */
interface Ruled {
  readonly rule?: { readonly path?: readonly unknown[] }
}

/**
 * Which role a case says something about: the one that is held alone; of several, the one whose rule decided. A denial that
 * `suspended` brings about says nothing of `accountant`.
 */
export function roleOf({ principal }: PolicyCase, reason: object): string | undefined {
  if (principal.roles.length === 1) return principal.roles[0]
  const decided = (reason as Ruled).rule?.path?.[0]
  return typeof decided === 'string' ? decided : undefined
}

/** Permissions × roles without a row, in order of definition. */
export function uncoveredOf({ permissions, roles }: KnownNames, covered: readonly Uncovered[]): readonly Uncovered[] {
  const seen = new Set(covered.map(({ role, permission }) => JSON.stringify([role, permission])))
  return roles.flatMap((role) =>
    permissions.filter((permission) => !seen.has(JSON.stringify([role, permission]))).map((permission) => ({ role, permission })),
  )
}

/** By role, a line each: `viewer: audit:read, invoice:refund`. */
export function formatUncovered(uncovered: readonly Uncovered[]): string {
  const byRole = new Map<string, string[]>()
  for (const { role, permission } of uncovered) byRole.set(role, [...(byRole.get(role) ?? []), permission])
  return [...byRole].map(([role, permissions]) => `${role}: ${permissions.join(', ')}`).join('\n')
}
