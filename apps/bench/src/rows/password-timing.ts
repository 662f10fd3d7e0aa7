import { hash as bcryptHash } from '@node-rs/bcrypt'
import { createPasswords } from '@portcullis/password'
import type { Bench } from '../bench.ts'
import { expectAnswer } from '../errors.ts'
import { median } from '../harness.ts'
import { row } from '../report.ts'

const SAMPLES = 200
const BCRYPT_COST = 10
const PASSWORD = 'correct horse battery staple'
const WRONG = 'correct horse battery stable'
/** How much slower than the fastest refusal another may be. */
const WITHIN = 1.15

/** A wrong password, one at a time, where argon2id and bcrypt are stored: does its time tell whose account it is for? */
export const passwordTiming: Bench = {
  name: 'password.timing',
  async run() {
    const old = await bcryptHash(PASSWORD, { cost: BCRYPT_COST })
    const passwords = createPasswords({ mix: createPasswords().workOf(old) })
    const accounts = [
      { name: 'known', stored: await passwords.hash(PASSWORD), refusal: 'password.wrong', times: [] as number[] },
      { name: 'unknown', stored: undefined, refusal: 'password.account_unknown', times: [] as number[] },
      { name: 'unmigrated', stored: old, refusal: 'password.wrong', times: [] as number[] },
    ]
    for (const { name, stored } of accounts) {
      const answer = await passwords.verify(PASSWORD, stored)
      expectAnswer(`password.timing ${name}`, answer.ok === (stored !== undefined))
    }
    for (let sample = 0; sample < SAMPLES; sample++) {
      for (const { name, stored, refusal, times } of accounts) {
        const start = performance.now()
        const answer = await passwords.verify(WRONG, stored)
        times.push(performance.now() - start)
        expectAnswer(`password.timing ${name}`, !answer.ok && answer.reason.code === refusal)
      }
    }
    const found = accounts.map(({ name, times }) => ({ name, ms: median(times) }))
    const fastest = Math.min(...found.map(({ ms }) => ms))
    return {
      rows: found.map(({ name, ms }) =>
        row({
          bench: `password.timing.${name}`,
          ours: ms,
          unit: 'ms',
          peer: 'the fastest of the three',
          theirs: fastest,
          target: WITHIN,
        }),
      ),
    }
  },
}
