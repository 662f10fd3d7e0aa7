import { createHash, randomBytes } from 'node:crypto'
import type { Clock, Collection, Store } from '@portcullis/core'

/** What a challenge was made for. */
export type ChallengePurpose = 'register' | 'sign_in' | 'second_factor'

/** Whom and what a challenge is bound to. */
export interface Bound {
  readonly purpose: ChallengePurpose
  /** Missing for a sign-in: nobody has said who he is. */
  readonly account: string | undefined
  /** What the browser that asked holds. */
  readonly browser: string
}

/** A challenge that was open. */
export interface Taken {
  readonly verificationRequired: boolean
}

type Row = {
  readonly purpose: ChallengePurpose
  readonly account?: string
  /** SHA-256. */
  readonly browser: string
  readonly verificationRequired: boolean
}

/** Challenges (WebAuthn L3 §13.4.3): 256 bits, one use, and of use only where they were asked for. */
export interface PasskeyChallenges {
  make(bound: Bound & Taken): Promise<Uint8Array<ArrayBuffer>>
  /** Whatever it is good for, it is gone after this. `undefined`: not open, or bound otherwise. */
  take(challenge: string, bound: Bound): Promise<Taken | undefined>
}

/** @param lifetime seconds */
export function createPasskeyChallenges(store: Store, lifetime: number, clock: Clock): PasskeyChallenges {
  const rows: Collection<Row> = store.collection<Row>({ name: 'mfa.passkey_challenges', keep: 'hot' })
  return {
    async make({ purpose, account, browser, verificationRequired }) {
      const challenge = Uint8Array.from(randomBytes(32))
      const row: Row = { purpose, ...(account !== undefined && { account }), browser: sha256(browser), verificationRequired }
      await rows.create(Buffer.from(challenge).toString('base64url'), row, { expiresAt: clock.now() + lifetime * 1000 })
      return challenge
    },
    async take(challenge, { purpose, account, browser }) {
      const row = await rows.take(challenge)
      const fits = row?.purpose === purpose && row.account === account && row.browser === sha256(browser)
      return fits ? { verificationRequired: row.verificationRequired } : undefined
    },
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}
