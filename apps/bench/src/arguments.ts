import { BenchError } from './errors.ts'

/** What the command line asks for. */
export interface Arguments {
  /** One JSON object a line instead of a table. */
  readonly json: boolean
  /** Names as given; a name stands for itself and for everything below it: `tokens` for `tokens.verify.ES256`. */
  readonly names: readonly string[]
  /** Rounds; the documented least is 7. */
  readonly rounds: number
  /** Milliseconds that a subject runs in one round. */
  readonly roundMs: number
}

/** @throws BenchError `bench.arguments_invalid` */
export function parseArguments(given: readonly string[], known: readonly string[]): Arguments {
  let [json, rounds, roundMs] = [false, 9, 40]
  const names: string[] = []
  for (const argument of given) {
    const [option, value] = argument.split('=', 2)
    if (argument === '--json') json = true
    else if (option === '--rounds') rounds = whole('--rounds', value, 7, 1_000)
    else if (option === '--round-ms') roundMs = whole('--round-ms', value, 1, 10_000)
    else if (argument.startsWith('-') && argument !== '--') throw invalid(`there is no option ${argument}`)
    else if (argument !== '--') names.push(argument)
  }
  for (const name of names) {
    if (known.some((bench) => matches(bench, name))) continue
    throw invalid(`there is no bench ${name}; there are ${known.join(', ')}`)
  }
  return { json, names, rounds, roundMs }
}

/** Whether a bench is asked for; without names, all are. */
export function isSelected(bench: string, names: readonly string[]): boolean {
  return names.length === 0 || names.some((name) => matches(bench, name))
}

function matches(bench: string, name: string): boolean {
  return bench === name || bench.startsWith(`${name}.`)
}

function whole(option: string, text: string | undefined, min: number, max: number): number {
  const value = Number(text)
  if (text === undefined || text === '' || !Number.isInteger(value) || value < min || value > max) {
    throw invalid(`${option} takes a whole number from ${min} to ${max}`)
  }
  return value
}

function invalid(message: string): BenchError {
  return new BenchError('bench.arguments_invalid', message)
}
