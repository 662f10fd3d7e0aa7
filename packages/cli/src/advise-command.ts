import { type Advice, adviseRoles, type RoleGrant } from '@portcullis/rbac/advisor'
import { giving, loadApp, type PortcullisApp } from './app-module.ts'
import { needed, readArguments, wholeNumber } from './arguments.ts'
import { CliError, type ExitCode, exitCodes } from './errors.ts'
import { linesOf } from './files.ts'
import { plain, type Streams } from './streams.ts'

export const adviseHelp = `portcullis advise --app FILE --log FILE [--log FILE …] [--grants FILE] [--window DAYS] [--json]

Compares what roles grant with what the decision log says was used, and proposes smaller ones.

  --app FILE      the application's module; its default export gives { access }, and may give { grants, since, reachOf }
  --log FILE      a decision log (createDecisionLog of @portcullis/rbac/advisor), oldest first; .gz is unpacked
  --grants FILE   who holds which role: a line of JSON each, { subject, tenant, role, since }, since in milliseconds
  --window DAYS   what was not used for so long is unused. Default: 90
  --json          everything that was found, as JSON

Exit codes: 0 the proposal would deny nothing that the log allowed; 3 the log cannot show that; 1 it would deny something;
2 wrong arguments; 4 something could not be read.
`

/** What a line of a log or of grants has at most, in UTF-16 code units. */
const LONGEST_LINE = 1_048_576
const LISTED_CALLERS = 20

/** `portcullis advise` */
export async function adviseCommand(args: readonly string[], { output }: Streams): Promise<ExitCode> {
  const values = readArguments(args, {
    app: { type: 'string' },
    log: { type: 'string', multiple: true },
    grants: { type: 'string' },
    window: { type: 'string', default: '90' },
    json: { type: 'boolean', default: false },
  })
  const file = needed(values.app, '--app')
  const logs = needed(values.log, '--log')
  const window = wholeNumber(values.window, '--window', 1, 36_500) * 86_400
  const app = await loadApp(file, ['access'])
  const { access, since, reachOf } = app
  const advice = await adviseRoles({
    access,
    window,
    grants: await grantsOf(values.grants, file, app),
    log: () => linesOf(logs, LONGEST_LINE),
    ...(since === undefined ? {} : { since }),
    ...(reachOf === undefined ? {} : { reachOf }),
  })
  await app.close?.()
  output.write(values.json ? `${JSON.stringify(advice, undefined, 2)}\n` : describe(advice))
  const { verdict } = advice.replay
  return verdict === 'safe' ? exitCodes.fine : verdict === 'unproven' ? exitCodes.unproven : exitCodes.found
}

async function grantsOf(
  path: string | undefined,
  file: string,
  app: PortcullisApp,
): Promise<Iterable<RoleGrant> | AsyncIterable<RoleGrant>> {
  if (path !== undefined) return readGrants(path)
  return app.grants === undefined ? [] : giving(file, app.grants)
}

async function* readGrants(path: string): AsyncGenerator<RoleGrant> {
  let number = 0
  for await (const line of linesOf([path], LONGEST_LINE)) {
    number += 1
    if (line.trim() === '') continue
    try {
      // What it holds is checked by the advisor.
      yield JSON.parse(line) as RoleGrant
    } catch (cause) {
      throw new CliError('cli.file_invalid', `${path}: line ${number} is not JSON`, { cause })
    }
  }
}

function describe(advice: Advice): string {
  const { coverage, window, roles, clients, subsets, callers, proposal, replay } = advice
  const day = (time: number): string => new Date(time).toISOString().slice(0, 10)
  const lines = [
    `${coverage.lines} lines, ${coverage.allows} allowed; the window is ${day(window.from)} to ${day(window.to)}.`,
    '',
    'Roles',
    ...roles.map((one) => `  ${plain(one.role)}: ${sentences[one.standing](one)}`),
    ...(clients.unused.length === 0 ? [] : [`  programs acting for themselves never used ${clients.unused.join(', ')}`]),
    ...subsets.map(
      ({ role, of, equal, proposed, heldTogether }) =>
        `  ${role} ${equal ? 'allows the same as' : 'allows nothing that is not in'} ${of}${proposed ? ', under the proposal' : ''}` +
        `${heldTogether === 0 ? '' : `; ${heldTogether} hold both`}`,
    ),
    '',
    `Callers with more than they used: ${callers.length}`,
    ...callers.slice(0, LISTED_CALLERS).map(({ subject, tenant, roles: held, used, unused, proposed }) => {
      const next = proposed === held || proposed.join() === held.join() ? '' : `; ${proposed.join(' + ') || 'no role'} would do`
      return `  ${plain(subject)}${tenant === undefined ? '' : ` of ${plain(tenant)}`}, ${plain(held.join(' + '))}: used ${used.length}, not ${unused.join(', ')}${next}`
    }),
    ...(callers.length > LISTED_CALLERS ? [`  and ${callers.length - LISTED_CALLERS} more: --json has them`] : []),
    '',
    'Proposal (each list is the whole of its role, without inheritance)',
    ...Object.entries(proposal.roles).map(([role, list]) => `  ${role}: ${list.join(', ') || 'nothing'}`),
    `  ${proposal.assignments.length} callers with other roles`,
    '',
    `Replayed against it: ${replay.verdict}`,
    ...replay.because.map((because) => `  ${because}`),
    ...replay.examples.map(
      ({ line, subject, permission }) => `  line ${line}: ${plain(subject)} was allowed ${plain(permission)}`,
    ),
  ]
  return `${lines.join('\n')}\n`
}

type RoleLine = Advice['roles'][number]

const sentences: Readonly<Record<RoleLine['standing'], (one: RoleLine) => string>> = {
  reduced: ({ unused, holders }) => `nobody of ${holders.judged} used ${unused.join(', ')}${undated(holders)}`,
  kept: ({ recent }) => (recent.length === 0 ? 'all of it is used' : `all is used but what is new: ${recent.join(', ')}`),
  young: ({ holders }) => `its ${holders.young} holders are newer than the window`,
  unheld: () => 'nobody holds it',
  denying: () => 'denies something, and is left as it is',
}

function undated({ undated }: RoleLine['holders']): string {
  return undated === 0 ? '' : ` (since when ${undated} of them hold it is not known)`
}
