import { createHash, randomBytes } from 'node:crypto'
import {
  type Clock,
  type EventContext,
  epochSeconds,
  type Store,
  type Stored,
  setHostCookie,
  systemClock,
} from '@portcullis/core'
import { checkRange, invalid } from './errors.ts'
import { mfaEnrolled, mfaRefused, mfaRemoved, mfaVerified } from './events.ts'
import type { Proof } from './proof.ts'
import { type Refused, refused } from './refusal.ts'

/** Options of {@link createRememberedDevices}. */
export interface RememberedDevicesOptions {
  /** Keeps the records. */
  readonly store: Store
  /** Seconds that a device is remembered; 30 days by default, 90 days at most. It is not prolonged by use. */
  readonly lifetime?: number
  /** How many an account may have; the oldest is forgotten for the next. 10 by default. */
  readonly most?: number
  /** The cookie's name behind `__Host-`; `device` by default. */
  readonly cookie?: string
  readonly clock?: Clock
}

/** A device that is remembered. */
export interface RememberedDevice {
  /** Names it in lists; useless for anything else. */
  readonly handle: string
  /** As the application named it: a browser's name, mostly. */
  readonly name: string
  /** Milliseconds since the epoch, as all times here. */
  readonly rememberedAt: number
  readonly expiresAt: number
}

/** What the browser keeps. */
export interface Remembered {
  readonly device: RememberedDevice
  /** Secret, 256 bits. */
  readonly token: string
  /** A `Set-Cookie` value that holds the token. */
  readonly setCookie: string
}

/** What became of a token. */
export type DeviceResult = { readonly ok: true; readonly proof: Proof } | Refused<'mfa.device_unknown'>

/**
 * Browsers that need no second factor for a while. `credentials` is any text that changes when the account's password or factors do
 * (a version, a time): what was remembered before is void then, though nobody thought of forgetting it.
 */
export interface RememberedDevices {
  /** Call it after a decision of `enough` in which the second factor was really proven. @throws CoreError `core.id_invalid` */
  remember(
    account: string,
    about: { readonly name: string; readonly credentials: string },
    context?: EventContext,
  ): Promise<Remembered>
  /** Whether the token is this account's and still good. The proof is for {@link Assurance.decide}, which counts it by policy. */
  verify(
    account: string,
    given: { readonly token: string; readonly credentials: string },
    context?: EventContext,
  ): Promise<DeviceResult>
  list(account: string): Promise<readonly RememberedDevice[]>
  /** False: the account has no such device. */
  forget(account: string, handle: string, context?: EventContext): Promise<boolean>
  /** How many there were. */
  forgetAll(account: string, context?: EventContext): Promise<number>
}

type Row = { readonly account: string; readonly name: string; readonly credentials: string; readonly rememberedAt: number }

const sha256 = (text: string): string => createHash('sha256').update(text).digest('base64url')

/** @throws MfaError `mfa.options_invalid` */
export function createRememberedDevices(options: RememberedDevicesOptions): RememberedDevices {
  const { store, lifetime = 30 * 86_400, most = 10, cookie = 'device', clock = systemClock } = options
  checkRange('lifetime', lifetime, 60, 90 * 86_400)
  checkRange('most', most, 1, 100)
  if (!/^[\w-]{1,64}$/.test(cookie)) throw invalid('a cookie name has characters outside A-Z a-z 0-9 _ -')
  const rows = store.collection<Row>({ name: 'mfa.remembered_devices', indexes: ['account'] })

  const all = async (account: string): Promise<Stored<Row>[]> => {
    const found: Stored<Row>[] = []
    for await (const row of rows.find('account', account)) found.push(row)
    return found.sort((a, b) => a.value.rememberedAt - b.value.rememberedAt)
  }

  const drop = async (row: Stored<Row>, context: EventContext | undefined): Promise<boolean> => {
    const gone = await rows.remove(row.id)
    if (gone) mfaRemoved.publish({ account: row.value.account, factor: 'remembered_device' }, { clock, ...context })
    return gone
  }

  return {
    async remember(account, { name, credentials }, context) {
      const token = randomBytes(32).toString('base64url')
      const rememberedAt = clock.now()
      const expiresAt = rememberedAt + lifetime * 1000
      const id = sha256(token)
      // Hashed, so that whoever reads the table cannot build a cookie from it.
      const row: Row = { account, name: name.slice(0, 256), credentials: sha256(credentials), rememberedAt }
      await rows.create(id, row, { expiresAt, index: { account } })
      const known = await all(account)
      for (const old of known.slice(0, Math.max(0, known.length - most))) await drop(old, context)
      mfaEnrolled.publish({ account, factor: 'remembered_device', replaced: false }, { clock, ...context })
      const setCookie = setHostCookie(`__Host-${cookie}`, token, { sameSite: 'Lax', maxAge: lifetime })
      return { device: shown({ id, value: row, version: 0, expiresAt }), token, setCookie }
    },

    async verify(account, { token, credentials }, context) {
      const row = typeof token === 'string' && /^[\w-]{43}$/.test(token) ? await rows.get(sha256(token)) : undefined
      const good = row?.value.account === account && row.value.credentials === sha256(credentials)
      if (!good) {
        const refusal = refused('mfa.device_unknown')
        mfaRefused.publish({ account, factor: 'remembered_device', code: refusal.reason.code }, { clock, ...context })
        return refusal
      }
      mfaVerified.publish({ account, factor: 'remembered_device' }, { clock, ...context })
      return { ok: true, proof: { method: 'remembered_device', at: epochSeconds(clock) } }
    },

    list: async (account) => (await all(account)).map(shown),

    async forget(account, handle, context) {
      const row = (await all(account)).find(({ id }) => handleOf(id) === handle)
      return row !== undefined && drop(row, context)
    },

    async forgetAll(account, context) {
      let forgotten = 0
      for (const row of await all(account)) if (await drop(row, context)) forgotten += 1
      return forgotten
    },
  }
}

function handleOf(id: string): string {
  return sha256(id).slice(0, 22)
}

function shown({ id, value, expiresAt }: Stored<Row>): RememberedDevice {
  const { name, rememberedAt } = value
  return { handle: handleOf(id), name, rememberedAt, expiresAt: expiresAt ?? rememberedAt }
}
