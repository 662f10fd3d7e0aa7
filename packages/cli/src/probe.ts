import type { MatrixRow } from '@portcullis/rbac'
import { PathTemplate } from './path-template.ts'
import { accessChecks, methodChecks } from './probe-access.ts'
import type { ProbeActor } from './probe-actor.ts'
import { isOpen, isWriting, may, type ProbeCheck, type ProbeContext, type ProbeOutcome, type ProbeRoute } from './probe-check.ts'
import { isSuccess, ProbeClient } from './probe-client.ts'
import { Control } from './probe-control.ts'
import { forgeryChecks } from './probe-forgery.ts'
import { type GivenIds, ObjectFinder } from './probe-objects.ts'
import { listingChecks, ownershipChecks } from './probe-ownership.ts'
import { type ProbeReport, type ProbeResult, reportOf } from './probe-report.ts'

/** Options of {@link probe}. */
export interface ProbeOptions {
  /** Where the application runs: `http://127.0.0.1:3000`. */
  readonly target: string
  /** Its matrix: `routeMatrix`, or `parseAccessFile` of its `access.md`. */
  readonly rows: readonly MatrixRow[]
  /** Two of different tenants, and two of one tenant with different roles, show the most. */
  readonly actors: readonly ProbeActor[]
  /** Ids that listings do not show. */
  readonly ids?: GivenIds
  /** The member of a listed thing that is its id. Default: `id`; before it, the name of the route's parameter is looked for. */
  readonly idField?: string
  /** How many things of one actor are asked for on one route. Default: 2. */
  readonly mostIds?: number
  /** How the credential is sent. Default: `Authorization: Bearer {}`. */
  readonly credentialTemplate?: string
  /** Patterns of listings that are the same for every tenant. */
  readonly shared?: readonly string[]
  /** Sends POST, PUT, PATCH and DELETE, too: on what is not secured, they do what they say. Default: false. */
  readonly write?: boolean
  /** What writing requests send, by route: `{ 'PATCH /invoices/:id': { customer: 'Probe' } }`. Default: `{}`. */
  readonly bodies?: Readonly<Record<string, unknown>>
  /** Requests at once. Default: 8. */
  readonly concurrency?: number
  /** Milliseconds for one answer. Default: 5,000. */
  readonly timeout?: number
  /** Milliseconds for all. What was not tried by then is said. Default: 300,000. */
  readonly deadline?: number
  readonly signal?: AbortSignal
  readonly onProgress?: (done: number, all: number, found: number) => void
}

/**
 * Asks a running application for what it must refuse: everything of the matrix without a credential, with the wrong role, of another
 * tenant or owner, with HEAD, by other spellings, by forged ids and headers. Reports each answer of 2xx.
 *
 * Ids are what each actor's own listings show. That an actor is served where he may be is tried first: a probe whose credentials have
 * expired finds nothing, and does not call that clean.
 * @throws CliError `cli.target_invalid`
 */
export async function probe(options: ProbeOptions): Promise<ProbeReport> {
  const { rows, actors, concurrency = 8, timeout = 5000, deadline = 300_000 } = options
  const started = Date.now()
  const signal = AbortSignal.any([AbortSignal.timeout(deadline), ...(options.signal === undefined ? [] : [options.signal])])
  const client = new ProbeClient({ target: options.target, timeout, concurrency, signal })
  try {
    const routes = rows.flatMap((row): readonly ProbeRoute[] => {
      const template = PathTemplate.parse(row.pattern)
      return template === undefined ? [] : [{ row, name: `${row.method} ${row.pattern}`, template }]
    })
    const { idField = 'id', mostIds = 2, credentialTemplate = 'Authorization: Bearer {}' } = options
    const context: ProbeContext = {
      client,
      rows,
      routes,
      actors,
      finder: new ObjectFinder(client, rows, options.ids ?? {}, idField),
      control: await Control.measure(client, rows),
      idField,
      mostIds,
      credentialTemplate,
      shared: new Set(options.shared),
      write: options.write ?? false,
      bodies: options.bodies ?? {},
    }
    const doubts = await positiveControl(context)
    const plan = await planOf(context)
    const results = await run(plan.checks, concurrency, signal, options.onProgress)
    return reportOf({
      target: client.host,
      started,
      finished: Date.now(),
      requests: client.requests,
      results,
      unprobed: [...unparsed(rows), ...plan.unprobed],
      doubts,
    })
  } finally {
    client.close()
  }
}

function unparsed(rows: readonly MatrixRow[]): ProbeReport['unprobed'] {
  return rows
    .filter((row) => !isOpen(row) && PathTemplate.parse(row.pattern) === undefined)
    .map(({ method, pattern }) => ({ route: `${method} ${pattern}`, why: 'its pattern is more than segments and parameters' }))
}

/** Whether actors are served at all: sentences where not. */
async function positiveControl({ client, routes, actors, finder }: ProbeContext): Promise<readonly string[]> {
  const doubts = await Promise.all(
    actors.map(async (actor) => {
      const theirs = routes.filter(({ row }) => row.method === 'GET' && !isOpen(row) && may(row, actor) !== false)
      for (const { template } of theirs) {
        const own = template.parameters.length === 0 ? undefined : (await finder.find(actor, template)).objects[0]
        const target = template.fill(own?.parameters ?? {})
        if (target !== undefined && isSuccess(await client.send({ method: 'GET', target, as: actor }))) return undefined
      }
      return theirs.length === 0
        ? `${actor.name} may read nothing, so it is not known whether his credential is good`
        : `${actor.name} was served nowhere, also where he may be: is his credential good?`
    }),
  )
  return doubts.filter((doubt) => doubt !== undefined)
}

interface Plan {
  readonly checks: readonly ProbeCheck[]
  readonly unprobed: ProbeReport['unprobed']
}

async function planOf(context: ProbeContext): Promise<Plan> {
  const checks: ProbeCheck[] = []
  const unprobed: { route: string; why: string }[] = []
  for (const route of context.routes) {
    const access = await accessChecks(context, route)
    const ownership = await ownershipChecks(context, route)
    checks.push(...access, ...ownership, ...(await methodChecks(context, route)))
    checks.push(...(await forgeryChecks(context, route)), ...(await listingChecks(context, route)))
    const why = reasonFor(context, route, access.length, ownership.length)
    if (why !== undefined) unprobed.push({ route: route.name, why })
  }
  return { checks, unprobed }
}

/** Why a route was not tried, or not with what is another's. */
function reasonFor(
  { write, actors }: ProbeContext,
  { row, template }: ProbeRoute,
  access: number,
  ownership: number,
): string | undefined {
  if (isOpen(row)) return undefined
  if (isWriting(row.method) && row.method !== '*' && !write) return 'it writes: --write'
  if (template.parameters.length > 0 && access === 0) return 'no listing shows an id for it: --ids'
  if (template.parameters.length > 0 && ownership === 0 && actors.length > 1)
    return 'nothing is known that is one actor’s and not another’s: --ids'
  return undefined
}

async function run(
  checks: readonly ProbeCheck[],
  concurrency: number,
  signal: AbortSignal,
  onProgress: ProbeOptions['onProgress'],
): Promise<readonly ProbeResult[]> {
  const results: ProbeResult[] = []
  let found = 0
  const take = async (check: ProbeCheck): Promise<void> => {
    const outcome: ProbeOutcome = signal.aborted ? LATE : await check.run()
    if (outcome.type === 'found') found += 1
    results.push({ check, outcome })
    onProgress?.(results.length, checks.length, found)
  }
  const writes = checks.filter(({ isWriting }) => isWriting)
  const reads = checks.filter(({ isWriting }) => !isWriting)
  const queue = reads.values()
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      for (const check of queue) await take(check)
    }),
  )
  // One behind the other: what one changes, another looks at.
  for (const check of writes) await take(check)
  return results
}

const LATE: ProbeOutcome = { type: 'unjudged', why: 'the time was over' }
