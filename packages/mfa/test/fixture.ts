import type { AttemptGuard } from '@portcullis/core'
import { type Clock, createSealer, type Sealer, type SecurityEvent, subscribe } from '@portcullis/core'
import { Secret, TOTP } from 'otpauth'

/** A clock moved by hand. Milliseconds. */
export interface HandClock extends Clock {
  time: number
}

export function timeAt(time: number): HandClock {
  return {
    time,
    now() {
      return this.time
    },
  }
}

export const sealer: Sealer = createSealer({ current: 'k1', keys: { k1: new Uint8Array(32).fill(1) } })

export function base32(bytes: Uint8Array): string {
  return new Secret({ buffer: Uint8Array.from(bytes).buffer }).base32
}

/** What an authenticator app shows, from the URI that it was given. */
export function authenticator(uri: string): { codeAt(time: number): string } {
  const query = new URL(uri).searchParams
  const totp = new TOTP({
    secret: Secret.fromBase32(query.get('secret') ?? ''),
    algorithm: query.get('algorithm') ?? '',
    digits: Number(query.get('digits')),
    period: Number(query.get('period')),
  })
  return { codeAt: (time) => totp.generate({ timestamp: time }) }
}

/** All events while `work` runs. */
export async function eventsOf(work: () => Promise<unknown>): Promise<SecurityEvent[]> {
  const events: SecurityEvent[] = []
  const stop = subscribe((event) => events.push(event))
  try {
    await work()
  } finally {
    stop()
  }
  return events
}

/** Lets every attempt through: for the races behind the guard. */
export const everybody: AttemptGuard = { attempt: async () => ({ allowed: true, settle: async () => {} }) }

/** A guard that writes down what it hears, and lets through as long as `allowed`. */
export function listeningGuard(): AttemptGuard & { allowed: boolean; readonly heard: string[] } {
  const heard: string[] = []
  return {
    allowed: true,
    heard,
    async attempt({ account, address, device }) {
      heard.push(`${account} from ${address}${device === undefined ? '' : ` by ${device.id} of ${device.account}`}`)
      if (!this.allowed) return { allowed: false, retryAfter: 7 }
      return {
        allowed: true,
        settle: async (outcome) => {
          heard.push(outcome)
        },
      }
    },
  }
}
