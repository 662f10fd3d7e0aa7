import { type MatrixRow, parseAccessFile, routeMatrix } from '@portcullis/rbac'
import { loadApp, routesOf } from './app-module.ts'
import { needed, readArguments, usage, wholeNumber } from './arguments.ts'
import { CliError, type ExitCode, exitCodes } from './errors.ts'
import { readData, readText, writeText } from './files.ts'
import { type ProbeOptions, probe } from './probe.ts'
import { actorForm, readActor } from './probe-actor.ts'
import type { GivenIds } from './probe-objects.ts'
import { formatJunit, type ProbeReport } from './probe-report.ts'
import { plain, type Streams } from './streams.ts'

export const probeHelp: string = `portcullis probe --target URL (--routes FILE | --app FILE) --as ACTOR [--as ACTOR …] [options]

Asks a running application for what it must refuse, and reports every answer of 2xx.

  --target URL       where it runs: http://127.0.0.1:3000
  --routes FILE      access.md, or its JSON
  --app FILE         the application's module; its default export gives { access, routes }
  --as ACTOR         ${actorForm}, SOURCE being env:VARIABLE or file:PATH:
                     --as alice@acme:owner=env:ALICE --as bob@globex:owner=env:BOB --as carol@acme:viewer=env:CAROL
  --credential TEXT  how it is sent. Default: "Authorization: Bearer {}"
  --ids FILE         ids that listings do not show, as JSON: { "alice": { "/keys/:id": ["k1"] } }
  --id-field NAME    the member of a listed thing that is its id, besides the parameter's name. Default: id
  --max-ids N        things of one actor that are asked for on one route. Default: 2
  --shared PATTERN   a listing that is the same for every tenant; may be repeated
  --write            sends POST, PUT, PATCH and DELETE, too. On what is not secured they do what they say: not in production
  --bodies FILE      what writing requests send, as JSON: { "PATCH /invoices/:id": { "customer": "Probe" } }
  --concurrency N    requests at once. Default: 8
  --timeout SECONDS  for one answer. Default: 5
  --deadline SECONDS for all. Default: 300
  --strict           a route that was not tried, or not in every way, is no success
  --json FILE        the report as JSON; "-": standard output
  --junit FILE       the report as JUnit XML

Exit codes: 0 everything was refused; 1 something was not; 3 it cannot be said: a credential is not good, checks came to no answer, or
nothing could be asked for; 2 wrong arguments; 4 a file, the application or the target could not be read.
`

const LISTED = 50
/** Milliseconds between two lines of progress. */
const PROGRESS = 1000

/** `portcullis probe` */
export async function probeCommand(args: readonly string[], streams: Streams): Promise<ExitCode> {
  const values = readArguments(args, {
    target: { type: 'string' },
    routes: { type: 'string' },
    app: { type: 'string' },
    as: { type: 'string', multiple: true },
    credential: { type: 'string', default: 'Authorization: Bearer {}' },
    ids: { type: 'string' },
    'id-field': { type: 'string', default: 'id' },
    'max-ids': { type: 'string', default: '2' },
    shared: { type: 'string', multiple: true, default: [] },
    write: { type: 'boolean', default: false },
    bodies: { type: 'string' },
    concurrency: { type: 'string', default: '8' },
    timeout: { type: 'string', default: '5' },
    deadline: { type: 'string', default: '300' },
    strict: { type: 'boolean', default: false },
    json: { type: 'string' },
    junit: { type: 'string' },
  })
  const target = needed(values.target, '--target')
  const names = needed(values.as, '--as')
  const actors = await Promise.all(names.map((text) => readActor(text, values.credential, streams.env)))
  if (new Set(actors.map(({ name }) => name)).size < actors.length) throw usage('two actors have one name')
  const rows = await rowsOf(values)
  const unknown = actors.flatMap(({ roles }) => roles).filter((role) => !rows.some((row) => Object.hasOwn(row.roles, role)))
  if (unknown.length > 0) throw usage(`the matrix has no role ${unknown.join(', ')}`)
  const { error } = streams
  let told = Date.now()
  const onProgress: ProbeOptions['onProgress'] = (done, all, found) => {
    if (Date.now() - told < PROGRESS && done < all) return
    told = Date.now()
    error.write(`probe: ${done} of ${all} checks, ${found} found\n`)
  }
  const report = await probe({
    target,
    rows,
    actors,
    onProgress,
    signal: streams.signal,
    credentialTemplate: values.credential,
    idField: values['id-field'],
    mostIds: wholeNumber(values['max-ids'], '--max-ids', 1, 100),
    shared: values.shared,
    write: values.write,
    concurrency: wholeNumber(values.concurrency, '--concurrency', 1, 256),
    timeout: wholeNumber(values.timeout, '--timeout', 1, 600) * 1000,
    deadline: wholeNumber(values.deadline, '--deadline', 1, 86_400) * 1000,
    ids: values.ids === undefined ? {} : idsOf(values.ids, await readData(values.ids)),
    bodies: values.bodies === undefined ? {} : objectOf(values.bodies, await readData(values.bodies)),
  })
  if (values.junit !== undefined) await writeText(values.junit, formatJunit(report))
  const data = `${JSON.stringify(report, undefined, 2)}\n`
  if (values.json === '-') streams.output.write(data)
  else {
    if (values.json !== undefined) await writeText(values.json, data)
    streams.output.write(describe(report))
  }
  return codeOf(report, values.strict)
}

function codeOf({ findings, checks, unjudged, doubts, unprobed }: ProbeReport, isStrict: boolean): ExitCode {
  if (findings.length > 0) return exitCodes.found
  const isWhole = checks > 0 && unjudged.length === 0 && doubts.length === 0
  return isWhole && !(isStrict && unprobed.length > 0) ? exitCodes.fine : exitCodes.unproven
}

async function rowsOf({
  routes,
  app: file,
}: {
  routes?: string | undefined
  app?: string | undefined
}): Promise<readonly MatrixRow[]> {
  if ((routes === undefined) === (file === undefined)) throw usage('probe takes either --routes or --app')
  if (routes !== undefined) return parseAccessFile(await readText(routes))
  const module = needed(file, '--app')
  const app = await loadApp(module, ['access', 'routes'])
  const rows = routeMatrix(app.access, await routesOf(module, app))
  await app.close?.()
  return rows
}

function idsOf(path: string, data: unknown): GivenIds {
  const isValue = (value: unknown): boolean =>
    typeof value === 'string' || (isObject(value) && Object.values(value).every((one) => typeof one === 'string'))
  const isList = (list: unknown): boolean => Array.isArray(list) && list.every(isValue)
  const isPlaces = (places: unknown): boolean => isObject(places) && Object.values(places).every(isList)
  if (!isObject(data) || !Object.values(data).every(isPlaces)) {
    throw new CliError('cli.file_invalid', `${path} is not { "actor": { "/pattern/:id": ["id"] } }`)
  }
  return data as GivenIds
}

function objectOf(path: string, data: unknown): Readonly<Record<string, unknown>> {
  if (!isObject(data)) throw new CliError('cli.file_invalid', `${path} is not an object`)
  return data
}

function describe(report: ProbeReport): string {
  const { findings, unprobed, unjudged, doubts, checks, requests, duration } = report
  const lines = [
    `${checks} checks, ${requests} requests, ${(duration / 1000).toFixed(1)} s`,
    ...listOf(
      `Answered, and should not have been: ${findings.length}`,
      findings,
      (one) => `${one.route}: ${one.message} (${one.method} ${one.target})`,
    ),
    ...listOf(`No answer: ${unjudged.length}`, unjudged, (one) => `${one.route}: ${one.as} ${one.about}: ${one.why}`),
    ...listOf('Not tried, or not in every way:', unprobed, ({ route, why }) => `${route}: ${why}`),
    ...listOf('Doubts:', doubts, (doubt) => doubt),
  ]
  return `${lines.join('\n')}\n`
}

function listOf<T>(head: string, items: readonly T[], say: (item: T) => string): readonly string[] {
  if (items.length === 0) return []
  const more = items.length > LISTED ? [`  and ${items.length - LISTED} more: --json has them`] : []
  return [head, ...items.slice(0, LISTED).map((item) => `  ${plain(say(item))}`), ...more]
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
