import { isSelected, parseArguments } from './arguments.ts'
import { BenchError } from './errors.ts'
import { jsonLines, type Outcome, table } from './report.ts'
import { coreDecide } from './rows/core-decide.ts'
import { limitMemory } from './rows/limit-memory.ts'
import { limitRedis } from './rows/limit-redis.ts'
import { passwordStorm } from './rows/password-storm.ts'
import { passwordTiming } from './rows/password-timing.ts'
import { rbacCheck } from './rows/rbac-check.ts'
import { rbacBind, rbacRecord } from './rows/rbac-record.ts'
import { storeBenches } from './rows/store.ts'
import { tokensSign } from './rows/tokens-sign.ts'
import { tokensVerify, tokensVerifyCached } from './rows/tokens-verify.ts'

const benches = [
  coreDecide,
  rbacCheck,
  rbacRecord,
  rbacBind,
  limitMemory,
  limitRedis,
  ...tokensVerify,
  tokensVerifyCached,
  ...tokensSign,
  passwordStorm,
  passwordTiming,
  ...storeBenches,
]

try {
  const known = benches.map((bench) => bench.name)
  const { json, names, ...options } = parseArguments(process.argv.slice(2), known)
  const outcomes: Outcome[] = []
  for (const bench of benches) {
    if (!isSelected(bench.name, names)) continue
    const outcome = await bench.run(options)
    if (json) for (const line of jsonLines(outcome)) console.log(line)
    else console.error(`${bench.name} done`)
    outcomes.push(outcome)
  }
  if (!json) console.log(table(outcomes))
} catch (error) {
  if (!(error instanceof BenchError)) throw error
  console.error(`${error.code}: ${error.message}`)
  process.exitCode = error.code === 'bench.arguments_invalid' ? 2 : 1
}
