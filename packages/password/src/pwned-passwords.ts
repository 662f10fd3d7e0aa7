import { createHash } from 'node:crypto'
import { createBreaker, readUpTo } from '@portcullis/core'
import type { BreachCheck } from './breach-check.ts'
import { PasswordError } from './errors.ts'
import { breachCheckSkipped } from './events.ts'

/** Options of {@link createPwnedPasswords}. */
export interface PwnedPasswordsOptions {
  /** What happens to a new password while the service does not answer. There is no default: both answers cost something. */
  readonly whenUnreachable: 'accept' | 'refuse'
  /** Where `/range/<five digits>` is asked for. Default: `https://api.pwnedpasswords.com`. */
  readonly origin?: string
  /** For each question, in milliseconds. Default: 1000. */
  readonly timeout?: number
  /** How often a password has to have been seen to be refused. Default: 1. */
  readonly leastCount?: number
  /** Default: Node's. */
  readonly fetch?: typeof fetch
}

/** An answer, padding included, has some 80 KB. */
const longestAnswer = 1024 * 1024

/**
 * Asks Have I Been Pwned, whose range API is k-anonymous: five hexadecimal digits of the password's SHA-1 leave the process, and
 * hundreds of suffixes come back. Padding hides from whoever watches the wire how many.
 * @throws PasswordError `password.options_invalid`
 */
export function createPwnedPasswords(options: PwnedPasswordsOptions): BreachCheck {
  const { whenUnreachable, origin = 'https://api.pwnedpasswords.com', timeout = 1000, leastCount = 1 } = options
  const ask = options.fetch ?? fetch
  if (whenUnreachable !== 'accept' && whenUnreachable !== 'refuse') {
    throw new PasswordError('password.options_invalid', 'whenUnreachable must be accept or refuse')
  }
  if (
    !URL.canParse(origin) ||
    !Number.isSafeInteger(timeout) ||
    timeout < 1 ||
    !Number.isSafeInteger(leastCount) ||
    leastCount < 1
  ) {
    throw new PasswordError(
      'password.options_invalid',
      'origin must be a URL, timeout and leastCount whole numbers of at least 1',
    )
  }
  const breaker = createBreaker({
    name: 'pwned-passwords',
    timeout,
    unavailable: (why) => new Unreachable(why === 'late' ? 'no answer in time' : 'no answer before'),
  })

  async function range(prefix: string): Promise<string> {
    const response = await ask(new URL(`/range/${prefix}`, origin), {
      headers: { 'Add-Padding': 'true', 'User-Agent': 'portcullis-password' },
      redirect: 'error',
      signal: AbortSignal.timeout(timeout),
    })
    if (response.status !== 200 || response.body === null) {
      await response.body?.cancel()
      throw new Unreachable(`status ${response.status}`)
    }
    return textOf(response)
  }

  return {
    async check(password) {
      const digest = createHash('sha1').update(password.normalize('NFC')).digest('hex').toUpperCase()
      let answer: string
      try {
        answer = await breaker.run(() => range(digest.slice(0, 5)))
      } catch {
        const accepted = whenUnreachable === 'accept'
        breachCheckSkipped.publish({ accepted })
        return accepted ? 'unchecked' : 'unknown'
      }
      return countIn(answer, digest.slice(5)) >= leastCount ? 'breached' : 'clear'
    },
  }
}

class Unreachable extends Error {}

async function textOf(response: Response): Promise<string> {
  const bytes = await readUpTo(response, longestAnswer)
  if (bytes === undefined) throw new Unreachable('an answer without end')
  const text = Buffer.from(bytes).toString()
  // A captive portal answers 200 too, with a page.
  if (!/^[0-9A-F]{35}:\d+\r?(\n|$)/i.test(text)) throw new Unreachable('not an answer to the question')
  return text
}

/** How often it was seen; padding says 0 times. */
function countIn(answer: string, suffix: string): number {
  for (const line of answer.split('\n')) {
    const [found = '', count] = line.trim().split(':')
    if (found.toUpperCase() === suffix) return Number(count)
  }
  return 0
}
