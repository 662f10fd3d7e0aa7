import { PortcullisError } from '@portcullis/core'
import { adviseCommand, adviseHelp } from './advise-command.ts'
import { auditCommand, auditHelp } from './audit-command.ts'
import { CliError, type ExitCode, exitCodes } from './errors.ts'
import { probeCommand, probeHelp } from './probe-command.ts'
import { routesCommand, routesHelp } from './routes-command.ts'
import { plain, type Streams } from './streams.ts'

interface Command {
  readonly help: string
  run(args: readonly string[], streams: Streams): Promise<ExitCode>
}

const commands: ReadonlyMap<string, Command> = new Map([
  ['routes', { help: routesHelp, run: routesCommand }],
  ['advise', { help: adviseHelp, run: adviseCommand }],
  ['probe', { help: probeHelp, run: probeCommand }],
  ['audit', { help: auditHelp, run: auditCommand }],
])

const help = `portcullis COMMAND [options]

  routes   who may call what, as a file that is reviewed; --check says what became possible for whom
  advise   what roles grant and nobody uses, from the decision log
  probe    asks a running application for what it must refuse
  audit    verifies or exports the chain of an audit log

portcullis COMMAND --help says more. Exit codes: 0 fine, 1 found something, 2 wrong arguments, 3 cannot be said, 4 failed.
`

/**
 * The command `portcullis`.
 * @param args without Node.js and the script
 * @returns the exit code; never rejects
 */
export async function portcullis(args: readonly string[], streams: Streams): Promise<ExitCode> {
  const [name, ...rest] = args
  const command = commands.get(name ?? '')
  if (command === undefined || rest.includes('--help') || rest.includes('-h')) {
    const isAsked = command !== undefined || name === '--help' || name === '-h'
    ;(isAsked ? streams.output : streams.error).write(command?.help ?? help)
    return isAsked ? exitCodes.fine : exitCodes.usage
  }
  try {
    return await command.run(rest, streams)
  } catch (error) {
    streams.error.write(`${describe(error)}\n`)
    const isUsage = error instanceof CliError && (error.code === 'cli.usage' || error.code === 'cli.token_on_command_line')
    if (isUsage) streams.error.write(`portcullis ${name} --help says how it is used\n`)
    return isUsage ? exitCodes.usage : exitCodes.failed
  }
}

function describe(error: unknown): string {
  if (error instanceof PortcullisError) return `${error.code}: ${plain(error.message)}`
  return `unexpected: ${error instanceof Error ? plain(`${error.name}: ${error.message}`) : 'something that is no error'}`
}
