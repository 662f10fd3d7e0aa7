import { type ParseArgsConfig, parseArgs } from 'node:util'
import { CliError } from './errors.ts'

type Options = NonNullable<ParseArgsConfig['options']>
type Values<O extends Options> = ReturnType<typeof parseArgs<{ options: O; strict: true; allowPositionals: false }>>['values']

/**
 * The options of a command. What a message says never holds a value: it may be a credential in the wrong place.
 * @throws CliError `cli.usage`
 */
export function readArguments<const O extends Options>(args: readonly string[], options: O): Values<O> {
  try {
    return parseArgs({ args: [...args], options, strict: true, allowPositionals: false }).values
  } catch (error) {
    throw usage(faultOf(error, args, options))
  }
}

function faultOf(error: unknown, args: readonly string[], options: Options): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION') {
    const known = (name: string): boolean => Object.hasOwn(options, name)
    const names = args.filter((arg) => arg.startsWith('-')).map((arg) => (arg.split('=', 1)[0] ?? '').replace(/^--?(no-)?/, ''))
    const wrong = names.find((name) => !known(name)) ?? ''
    // A name of another shape may be a value that begins with a dash.
    return /^[a-z][a-z-]{0,30}$/.test(wrong) ? `there is no option --${wrong}` : 'one of the options is unknown'
  }
  if (code === 'ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL') return 'an argument stands without an option'
  if (code === 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE') {
    const name = /'(?:-\w, )?--([a-z-]+)/.exec(error instanceof Error ? error.message : '')?.[1]
    return name === undefined ? 'an option has no value, or takes none' : `--${name} has no value, or takes none`
  }
  return 'the arguments cannot be read'
}

/** @throws CliError `cli.usage` */
export function needed<T>(value: T | undefined, option: string): T {
  if (value === undefined) throw usage(`${option} is missing`)
  return value
}

/**
 * A whole number.
 * @throws CliError `cli.usage`
 */
export function wholeNumber(text: string, option: string, least: number, most: number = Number.MAX_SAFE_INTEGER): number {
  const number = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
  if (!(Number.isSafeInteger(number) && number >= least && number <= most)) {
    throw usage(`${option} is not a whole number from ${least} to ${most}`)
  }
  return number
}

export function usage(message: string): CliError {
  return new CliError('cli.usage', message)
}
