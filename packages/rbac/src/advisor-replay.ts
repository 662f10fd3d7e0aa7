import { callerKey, type Holders, type KnownRoles, type RolePermissions } from './advisor-roles.ts'
import { allowedLines } from './advisor-usage.ts'

/** Smaller roles, and fewer of them. Its maps are complete: what they do not name stays as it is. */
export interface RoleProposal {
  /** What each changed role would allow, written out: nothing of it comes from inheritance. */
  readonly roles: Readonly<Record<string, readonly string[]>>
  /** The roles that a caller would hold, for each caller who would hold others. */
  readonly assignments: readonly ProposedAssignment[]
}

/** The roles of one caller, all of them. */
export interface ProposedAssignment {
  readonly subject: string
  readonly tenant?: string | undefined
  readonly roles: readonly string[]
}

/** A decision that was allowed, and would not be any more. */
export interface BrokenAllow {
  /** The number of its line in the log, from 1. */
  readonly line: number
  /** Milliseconds since the epoch. */
  readonly time: number
  readonly subject: string
  readonly tenant: string | undefined
  readonly permission: string
}

/** What came of a log's allowed decisions under a proposal. */
export interface ReplayCount {
  /** Permissions that were asked about: one decision may need several. */
  readonly checked: number
  /** Of those within the window: allowed then, denied under the proposal. The first are listed. */
  readonly broken: number
  readonly examples: readonly BrokenAllow[]
  /** The same, older than the window: something that is done once a year, for example. */
  readonly brokenBefore: number
  /** Denied today already: the rules, or the caller's roles, have changed since. */
  readonly outdated: number
  /** By callers of whom neither the log nor the grants tell the roles. */
  readonly unknown: number
}

const EXAMPLES = 20

/** @param from milliseconds since the epoch: the window's begin */
export async function replayLog(
  log: AsyncIterable<string>,
  known: KnownRoles,
  holders: Holders,
  proposal: RoleProposal,
  from: number,
): Promise<ReplayCount> {
  const roles: RolePermissions = new Map(Object.entries(proposal.roles).map(([role, list]) => [role, new Set(list)]))
  const assigned = new Map(proposal.assignments.map((one) => [callerKey(one.subject, one.tenant), one.roles] as const))
  const count = { checked: 0, broken: 0, brokenBefore: 0, outdated: 0, unknown: 0 }
  const examples: BrokenAllow[] = []
  for await (const { number, line } of allowedLines(log)) {
    const { subject, tenant, kind, permissions, time } = line
    // Programs acting for themselves hold no roles: nothing is proposed for them.
    if (kind !== 'user' || subject === undefined) continue
    const keys = holders.keysOf(subject, tenant)
    const granted = keys.flatMap((key) => holders.rolesAt(key))
    const held = line.roles ?? granted
    if (line.roles === undefined && keys.length === 0) {
      count.unknown += permissions.length
      continue
    }
    const others = held.filter((role) => !granted.includes(role))
    const kept = keys.flatMap((key) => assigned.get(key) ?? holders.rolesAt(key).filter((role) => held.includes(role)))
    const now = known.together(held)
    const then = known.proposed([...others, ...kept], roles, held)
    for (const permission of permissions) {
      count.checked += 1
      if (then.has(permission)) continue
      if (!now.has(permission)) count.outdated += 1
      else if (time < from) count.brokenBefore += 1
      else {
        count.broken += 1
        if (examples.length < EXAMPLES) examples.push({ line: number, time, subject, tenant, permission })
      }
    }
  }
  return { ...count, examples }
}
