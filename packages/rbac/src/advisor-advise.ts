import { type Clock, systemClock } from '@portcullis/core'
import { AdvisorError } from './advisor-errors.ts'
import {
  adviseOnCallers,
  adviseOnRoles,
  type CallerAdvice,
  findSubsets,
  type PermissionSince,
  proposedRoles,
  type RoleAdvice,
  type SubsetAdvice,
} from './advisor-proposal.ts'
import { type ReplayCount, type RoleProposal, replayLog } from './advisor-replay.ts'
import { type GrantReach, Holders, KnownRoles, type RoleGrant } from './advisor-roles.ts'
import { type LogCoverage, readUsage } from './advisor-usage.ts'
import type { MatrixAccess } from './matrix.ts'

/** Options of {@link adviseRoles}. */
export interface AdviseOptions {
  /** The roles as they are. */
  readonly access: MatrixAccess
  /** Lines of a decision log, without their line feeds. Called twice, and must give the same both times. */
  readonly log: () => AsyncIterable<string>
  /** Who holds which role. Those whom it leaves out are known by what the log says of their roles, if it does. */
  readonly grants?: Iterable<RoleGrant> | AsyncIterable<RoleGrant>
  /** In seconds: what was not used for so long counts as unused. Default: 90 days. */
  readonly window?: number
  /** Since when a role has a permission: what it has for less than the window is not judged. */
  readonly since?: PermissionSince
  /** Which permissions of roles reach less, or more, than the caller's tenant: none stands in for one of another reach. Default: none. */
  readonly reachOf?: GrantReach
  readonly clock?: Clock
}

/** Whether a proposal may be followed. */
export interface ReplayVerdict extends ReplayCount {
  /**
   * `safe`: the log is whole, and none of what it allowed would be denied. `unproven`: nothing was found that would be denied, but the log
   * cannot show it: see `because`. `unsafe`: something that was allowed within the window would be denied.
   */
  readonly verdict: 'safe' | 'unproven' | 'unsafe'
  /** Sentences. */
  readonly because: readonly string[]
}

/** What {@link adviseRoles} found. Plain data, for JSON. */
export interface Advice {
  /** In milliseconds since the epoch. `covered`: whether the log reaches back to its begin. */
  readonly window: { readonly from: number; readonly to: number; readonly covered: boolean }
  readonly coverage: LogCoverage
  readonly roles: readonly RoleAdvice[]
  /** What programs acting for themselves may hold, and never used. */
  readonly clients: { readonly permissions: readonly string[]; readonly unused: readonly string[] }
  readonly subsets: readonly SubsetAdvice[]
  readonly callers: readonly CallerAdvice[]
  readonly proposal: RoleProposal
  readonly replay: ReplayVerdict
}

/** 90 days, in seconds. */
const WINDOW = 90 * 86_400
/** How sure a sentence about a sampled log is. */
const CONFIDENCE = 0.95

/**
 * Compares what roles grant with what a decision log says was used, proposes smaller ones, and replays the whole log against them.
 * Memory grows with callers and permissions, not with lines.
 * @throws AdvisorError `rbac.advice_invalid`; whatever reading the log or the grants throws
 * @example const { proposal, replay } = await adviseRoles({ access, grants, log: () => linesOf('decisions.ndjson') })
 */
export async function adviseRoles(options: AdviseOptions): Promise<Advice> {
  const { access, log, since = () => undefined, reachOf = () => undefined } = options
  const { from, to } = windowOf(options)
  const known = new KnownRoles(access, reachOf)
  const holders = await readGrants(options.grants ?? [])
  const usage = await readUsage(log(), holders, from)
  const roles = adviseOnRoles(known, holders, usage, from, since)
  const smaller = proposedRoles(known, roles)
  const callers = adviseOnCallers(known, holders, usage, smaller, from)
  const proposal: RoleProposal = {
    roles: Object.fromEntries(
      roles.filter(({ standing }) => standing === 'reduced').map(({ role }) => [role, [...(smaller.get(role) ?? [])]]),
    ),
    assignments: callers
      .filter(({ roles: now, proposed }) => proposed !== now)
      .map(({ subject, tenant, proposed }) => ({ subject, ...(tenant === undefined ? {} : { tenant }), roles: proposed })),
  }
  const clients = [...known.clients()]
  return {
    window: { from, to, covered: isCovered(usage.coverage, from) },
    coverage: usage.coverage,
    roles,
    clients: { permissions: clients, unused: clients.filter((permission) => !usage.ofClients.has(permission)) },
    subsets: findSubsets(known, smaller, holders),
    callers,
    proposal,
    replay: judge(await replayLog(log(), known, holders, proposal, from), usage.coverage, from, to),
  }
}

/**
 * Replays a log against a proposal of one's own, or one of {@link adviseRoles} that was changed by hand.
 * @throws AdvisorError `rbac.advice_invalid`; whatever reading the log or the grants throws
 */
export async function replayDecisions(
  options: Omit<AdviseOptions, 'since'> & { readonly proposal: RoleProposal },
): Promise<ReplayVerdict> {
  const { from, to } = windowOf(options)
  const holders = await readGrants(options.grants ?? [])
  const { coverage } = await readUsage(options.log(), holders, from)
  const count = await replayLog(
    options.log(),
    new KnownRoles(options.access, options.reachOf ?? (() => undefined)),
    holders,
    options.proposal,
    from,
  )
  return judge(count, coverage, from, to)
}

function windowOf({ window = WINDOW, clock = systemClock }: Pick<AdviseOptions, 'window' | 'clock'>): {
  readonly from: number
  readonly to: number
} {
  if (!(Number.isSafeInteger(window) && window >= 1)) {
    throw new AdvisorError('rbac.advice_invalid', 'window is not a number of whole seconds, 1 or more')
  }
  const to = clock.now()
  return { from: to - window * 1000, to }
}

async function readGrants(grants: Iterable<RoleGrant> | AsyncIterable<RoleGrant>): Promise<Holders> {
  const holders = new Holders()
  for await (const grant of grants) holders.add(grant)
  return holders
}

function isCovered({ from }: LogCoverage, begin: number): boolean {
  return from !== undefined && from <= begin
}

function judge(count: ReplayCount, coverage: LogCoverage, from: number, to: number): ReplayVerdict {
  const doubts = doubtsAbout(count, coverage, from, to)
  if (count.broken > 0) {
    const broken = `${times(count.broken, 'allowed decision')} of the window would be denied`
    return { ...count, verdict: 'unsafe', because: [broken, ...doubts] }
  }
  if (doubts.length > 0) return { ...count, verdict: 'unproven', because: doubts }
  return { ...count, verdict: 'safe', because: [`none of ${times(count.checked, 'logged allow')} would become a denial`] }
}

function doubtsAbout(count: ReplayCount, coverage: LogCoverage, from: number, to: number): readonly string[] {
  const { unreadable, dropped, sampled } = coverage
  const days = (milliseconds: number): string => (milliseconds / 86_400_000).toFixed(1)
  const doubts: (string | undefined)[] = [
    isCovered(coverage, from)
      ? undefined
      : `the log covers ${coverage.from === undefined ? 'nothing' : `${days(Math.max(0, to - coverage.from))} days`} of a window of ${days(to - from)}`,
    sampled === undefined ? undefined : aboutSample(sampled),
    dropped.allows > 0 ? `the log left out ${times(dropped.allows, 'allowed decision')}: its writer was too slow` : undefined,
    unreadable.count > 0
      ? `${times(unreadable.count, 'line')} could not be read, the first in line ${unreadable.first.join(', ')}`
      : undefined,
    count.unknown > 0 ? `${times(count.unknown, 'allow')} of callers whose roles nobody tells could not be replayed` : undefined,
    count.brokenBefore > 0 ? `${times(count.brokenBefore, 'allow')} from before the window would be denied` : undefined,
  ]
  return doubts.filter((doubt) => doubt !== undefined)
}

function aboutSample(rate: number): string {
  if (rate === 0) return 'the log holds no allowed decisions: its sample is 0'
  const seen = Math.ceil(Math.log(1 - CONFIDENCE) / Math.log(1 - rate))
  return `the log holds ${rate} of what was allowed: what somebody used less than ${seen} times may be missing from it (${(1 - CONFIDENCE).toFixed(2)})`
}

function times(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
