import { readFile } from 'node:fs/promises'
import { usage } from './arguments.ts'
import { CliError } from './errors.ts'

/** A credential, as a header. Shows itself to nobody but whoever sends it. */
export class Credential {
  readonly #header: string
  readonly #value: string
  readonly #subject: string | undefined

  /**
   * @param template a header with `{}` in the place of the credential: `Authorization: Bearer {}`
   * @throws CliError `cli.token_invalid`, `cli.usage`
   */
  constructor(token: string, template: string) {
    const [, header, value] = /^([!#$%&'*+.^_`|~\w-]+):\s*(.*\{\}.*)$/.exec(template) ?? []
    if (header === undefined || value === undefined) throw usage('--credential is no header with {} in it')
    if (!/^[\x21-\x7e]+$/.test(token))
      throw new CliError('cli.token_invalid', 'a credential is empty, or cannot stand in a header')
    this.#header = header
    // A function: `$&` in a credential means nothing.
    this.#value = value.replace('{}', () => token)
    this.#subject = subjectOf(token)
  }

  header(): readonly [name: string, value: string] {
    return [this.#header, this.#value]
  }

  /** Whose it says it is, where it is a JWT: for requests that claim to be his. Nothing is verified, nor decided by it. */
  subject(): string | undefined {
    return this.#subject
  }

  toJSON(): string {
    return '[credential]'
  }
}

/** Somebody in whose name requests are made. */
export interface ProbeActor {
  readonly name: string
  /** `undefined`: not known. Two actors of known, different tenants must see nothing of each other. */
  readonly tenant: string | undefined
  /** As the matrix names them. */
  readonly roles: readonly string[]
  readonly credential: Credential
}

/** What `--as` takes. */
export const actorForm = 'NAME[@TENANT][:ROLE[,ROLE]]=SOURCE'

/**
 * Reads what `--as` says. A credential comes from a variable of the environment, or a file: the command line is seen by every process.
 * No message has what stands behind the `=`.
 * @throws CliError `cli.usage`, `cli.token_on_command_line`, `cli.token_invalid`, `cli.file_failed`
 */
export async function readActor(
  text: string,
  template: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<ProbeActor> {
  const [, name, tenant, roles, source] = /^([\w.-]+)(?:@([^:=]+))?(?::([^=]+))?=(.+)$/.exec(text) ?? []
  if (name === undefined || source === undefined) throw usage(`--as takes ${actorForm}`)
  const token = await readToken(name, source, env)
  return { name, tenant, roles: roles?.split(',') ?? [], credential: new Credential(token.trim(), template) }
}

async function readToken(name: string, source: string, env: Readonly<Record<string, string | undefined>>): Promise<string> {
  if (source.startsWith('file:')) {
    try {
      return await readFile(source.slice('file:'.length), 'utf8')
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason'
      throw new CliError('cli.file_failed', `the file with the credential of ${name} could not be read: ${code}`)
    }
  }
  const variable = source.startsWith('env:') ? source.slice('env:'.length) : source
  const token = Object.hasOwn(env, variable) ? env[variable] : undefined
  if (token !== undefined) return token
  if (source.startsWith('env:')) throw new CliError('cli.token_invalid', `the variable with the credential of ${name} is not set`)
  throw new CliError(
    'cli.token_on_command_line',
    `what stands behind --as ${name}= is no variable of the environment: give env:VARIABLE or file:PATH, never the credential`,
  )
}

function subjectOf(token: string): string | undefined {
  const [, payload, signature] = token.split('.')
  if (payload === undefined || signature === undefined) return undefined
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString())
    const subject = typeof claims === 'object' && claims !== null && 'sub' in claims ? claims.sub : undefined
    return typeof subject === 'string' && subject.length <= 200 ? subject : undefined
  } catch {
    return undefined
  }
}
