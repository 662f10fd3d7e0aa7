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
