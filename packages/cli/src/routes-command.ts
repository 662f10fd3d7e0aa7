import { type AccessChange, compareMatrices, formatAccessFile, parseAccessFile, routeMatrix } from '@portcullis/rbac'
import { loadApp, routesOf } from './app-module.ts'
import { needed, readArguments, usage } from './arguments.ts'
import { type ExitCode, exitCodes } from './errors.ts'
import { readText, writeText } from './files.ts'
import { plain, type Streams } from './streams.ts'

export const routesHelp = `portcullis routes --app FILE [--out FILE] [--check] [--json]

Writes who may call what: every route of the application, and for each role whether it may.

  --app FILE    the application's module; its default export gives { access, routes }
  --out FILE    the file that is written, or compared with. Default: access.md. "-": standard output
  --check       writes nothing; says what the application allows that the file does not say, and the other way round
  --json        prints the matrix, or with --check the differences, as JSON, and writes no file

Exit codes: 0 the file is (now) what the application says; 1 access was widened; 3 the file differs otherwise;
2 wrong arguments; 4 the application or the file could not be read.
`

/** `portcullis routes` */
export async function routesCommand(args: readonly string[], { output }: Streams): Promise<ExitCode> {
  const {
    app: file,
    out,
    check,
    json,
  } = readArguments(args, {
    app: { type: 'string' },
    out: { type: 'string', default: 'access.md' },
    check: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  })
  const module = needed(file, '--app')
  if (check && out === '-') throw usage('--check needs a file to compare with')
  const app = await loadApp(module, ['access', 'routes'])
  const rows = routeMatrix(app.access, await routesOf(module, app))
  await app.close?.()
  const text = formatAccessFile(rows)
  if (!check) {
    if (json) output.write(`${JSON.stringify({ routes: rows }, undefined, 2)}\n`)
    else if (out === '-') output.write(text)
    else await writeText(out, text)
    return exitCodes.fine
  }
  const committed = await readText(out)
  const changes = compareMatrices(parseAccessFile(committed), rows)
  const isSame = committed.replaceAll('\r\n', '\n') === text
  if (json) output.write(`${JSON.stringify({ isSame, changes }, undefined, 2)}\n`)
  else if (!isSame) output.write(describe(out, changes))
  if (isSame) return exitCodes.fine
  return changes.some(({ kind }) => kind === 'widened') ? exitCodes.found : exitCodes.unproven
}

function describe(file: string, changes: readonly AccessChange[]): string {
  const of = (kind: AccessChange['kind']): string[] =>
    changes.filter((change) => change.kind === kind).map(({ message }) => `  ${plain(message)}`)
  const parts = [
    ['Access was widened:', of('widened')],
    ['Access was narrowed:', of('narrowed')],
    ['Rules read differently:', of('changed')],
  ] as const
  const told = parts.filter(([, lines]) => lines.length > 0).flatMap(([head, lines]) => [head, ...lines])
  // Somebody changed the table and not the data behind it, or a route changed in a way that has no words.
  const none = told.length === 0 ? ['Nobody may do more or less, but the file is not what would be written.'] : []
  return `${[`${file} is not what the application says.`, ...told, ...none, `If that is meant: portcullis routes --out ${file}, and commit it.`].join('\n')}\n`
}
