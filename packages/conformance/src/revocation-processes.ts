import { type Claims, createRevocations, type Revocation, type Revocations } from '@portcullis/tokens'
import { expect } from 'vitest'
import { eventually, type FeedBehaviour, type RevocationFeedUnderTest } from './revocation-subject.ts'

const CLAIMS: Claims = {
  iss: 'i',
  aud: 'a',
  exp: 0,
  sub: 'user',
  client_id: 'client',
  jti: 'token',
  sid: 'session',
  grant_id: 'grant',
}

const KINDS: readonly Revocation[] = [
  { kind: 'token', id: 'token' },
  { kind: 'grant', id: 'grant' },
  { kind: 'session', id: 'session' },
  { kind: 'subject', id: 'user' },
  { kind: 'client', id: 'client' },
  { kind: 'all' },
]

/** What comes of it where tokens are verified. */
export const processes: readonly FeedBehaviour[] = [
  {
    title: 'what one process revokes, by any kind, is refused in all of them at their next reading',
    async check(subject) {
      for (const revocation of KINDS) {
        await withProcesses(subject, async (all) => {
          const [here] = all
          await here?.revoke(revocation)
          for (const process of all) {
            await process.sync()
            expect(process.check(live())?.reason.code, revocation.kind).toBe('tokens.revoked')
          }
        })
      }
    },
  },
  {
    title: 'it arrives by itself, and how long that took is measured',
    async check(subject) {
      await withProcesses(subject, async ([here, there]) => {
        await here?.revoke({ kind: 'session', id: 'session' })
        await eventually('the other process refuses', () => there?.check(live()) !== undefined)
        const delay = there?.status().delay
        expect(delay?.last).toBeGreaterThanOrEqual(0)
        // The interval, a call, and a machine that is busy; or clocks that differ.
        expect(delay?.max).toBeLessThan(5000)
        expect(here?.status().delay.last).toBeUndefined()
      })
    },
  },
  {
    title: 'a process that starts later knows what was revoked before',
    async check(subject) {
      const [a, b] = subject.feeds
      await createRevocations({ feed: a }).revoke({ kind: 'session', id: 'session' })
      const late = createRevocations({ feed: b })
      await late.start()
      expect(late.check(live())?.reason.code).toBe('tokens.revoked')
      await late.close()
    },
  },
]

/** The claims of a token of this moment. */
export function live(): Claims {
  const now = Math.floor(Date.now() / 1000)
  return { ...CLAIMS, iat: now, exp: now + 300 }
}

/** Starts what each process has; closes it in the end. */
async function withProcesses(
  { feeds }: RevocationFeedUnderTest,
  use: (all: readonly Revocations[]) => Promise<void>,
): Promise<void> {
  const all = feeds.map((feed) => createRevocations({ feed }))
  try {
    for (const process of all) await process.start()
    await use(all)
  } finally {
    for (const process of all) await process.close()
  }
}
