import { appendFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type Clock, type SecurityEvent, systemClock } from '@portcullis/core'
import { type FactorName, mfaEnrolled, mfaRemoved, recoveryCodesLow, recoveryCodeUsed } from '@portcullis/mfa'
import { passwordChanged } from '@portcullis/password'
import type { ResetDelivery } from '@portcullis/password/account-tokens'
import { type AccountManaged, accountManaged } from './account/events.ts'
import type { Account } from './accounts.ts'

/** A mail, as a line of the outbox has it. */
export interface Mail {
  readonly to: string
  readonly subject: string
  readonly text: string
}

/** The demonstration's mail server: a file with one JSON line for each mail. */
export interface Outbox {
  /** Sends the code with which a password is set anew. Never waits, and never fails: what can't be sent is reported on standard error. */
  sendReset(delivery: ResetDelivery): void
  /** Stops listening; resolves when all mails are written, or can't be. */
  close(): Promise<void>
}

/** Mails that wait to be written; past this many, the newest are dropped and counted, so that a flood can't fill the memory. */
const most = 1000
/** Milliseconds between two attempts while the accounts or the file can't be reached. */
const tryAgainAfter = 250

interface Letter {
  readonly account: string
  readonly subject: string
  readonly text: string
}

/**
 * Tells people what happens to their accounts (ASVS 6.3.7): each change of a factor or a password becomes a mail to the address of
 * the account, whoever made the change and whichever way.
 * @param options.find looks an account up
 * @param options.publicUrl where the pages are
 */
export function createOutbox(options: {
  readonly dataDir: string
  readonly publicUrl: string
  readonly find: (account: string) => Promise<Account | undefined>
  readonly clock?: Clock
}): Outbox {
  const { dataDir, publicUrl, find, clock = systemClock } = options
  const file = join(dataDir, 'outbox.jsonl')
  const waiting: Letter[] = []
  let dropped = 0
  let failing = false
  let closing = false
  let writing: Promise<void> | undefined

  /** In the order in which they were posted. While the store is down they wait. */
  async function write(): Promise<void> {
    // Whoever posts has gone on before anything is done.
    await Promise.resolve()
    for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
      try {
        await deliver(next)
        failing = false
        waiting.shift()
      } catch (error) {
        // Once for each time that it is down.
        if (!failing) complain('mail not written', { error: codeOf(error), waiting: waiting.length })
        failing = true
        if (closing) break
        await pause(tryAgainAfter, undefined, { ref: false })
      }
    }
    // In the same breath as the last look: what is posted after it begins anew.
    writing = undefined
  }

  async function deliver({ account, subject, text }: Letter): Promise<void> {
    const to = (await find(account))?.email
    if (to === undefined) return
    const mail: Mail = { to, subject, text }
    // For the owner of the folder alone: the codes in it set passwords.
    await appendFile(file, `${JSON.stringify(mail)}\n`, { mode: 0o600 })
  }

  function post(letter: Letter): void {
    if (waiting.length >= most) {
      if (dropped === 0) complain('mails dropped', { waiting: waiting.length })
      dropped++
      return
    }
    waiting.push(letter)
    writing ??= write()
  }

  function notice(event: SecurityEvent<string, { readonly account: string }>, subject: string, what: string): void {
    const from = event.ip === undefined ? '' : ` from the address ${event.ip}`
    const text = `${what}

It happened on ${dayAndTime(event.time)}${from}.
If this was not you, set a new password at once, and look at what belongs to your account:

${publicUrl}/account/forgot
${publicUrl}/account
`
    post({ account: event.data.account, subject, text })
  }

  const stops = [
    mfaEnrolled.subscribe((event) => {
      const { factor, replaced } = event.data
      const what = replaced ? `${names[factor]} of your account was replaced.` : `${names[factor]} was added to your account.`
      notice(event, 'Your ways to sign in have changed', what)
    }),
    mfaRemoved.subscribe((event) =>
      notice(event, 'Your ways to sign in have changed', `${names[event.data.factor]} was removed from your account.`),
    ),
    recoveryCodeUsed.subscribe((event) =>
      notice(event, 'A recovery code was used', `A recovery code of your account was used. ${left(event.data.remaining)}`),
    ),
    recoveryCodesLow.subscribe((event) =>
      notice(event, 'Make new recovery codes', `${left(event.data.remaining)} Make new ones before you need them.`),
    ),
    passwordChanged.subscribe((event) =>
      notice(
        event,
        'Your password was changed',
        event.data.by === 'reset' ? 'Your password was set anew with a code from a mail.' : 'Your password was changed.',
      ),
    ),
    accountManaged.subscribe(({ time, data: { account, action } }) => {
      // The mail with the code says it.
      if (action === 'reset') return
      const text = `${managed[action]}\n\nIt happened on ${dayAndTime(time)}.\n`
      post({ account, subject: 'An owner of your company has changed your account', text })
    }),
  ]

  return {
    sendReset({ account, token, expiresAt, by }) {
      const why =
        by === 'administrator'
          ? 'An owner of your company asks you to set a new password.'
          : 'Somebody, you most likely, asked for a new password for your account.'
      const minutes = Math.floor((expiresAt - clock.now()) / 60_000)
      // The code is not in the link: addresses end up in histories, logs and previews (ASVS 14.2.1).
      const text = `${why} Open

${publicUrl}/account/reset

and paste this code there:

${token}

It works once, within the next ${minutes} minutes. Whoever has it can set your password: give it to nobody who asks for it.
If you did not ask for it, you need not do anything: your password is as it was.
`
      post({ account, subject: 'The code for your new password', text })
    },
    async close() {
      for (const stop of stops) stop()
      closing = true
      while (writing !== undefined) await writing
      if (waiting.length + dropped > 0) complain('mails lost', { lost: waiting.length + dropped })
    },
  }
}

const names: Readonly<Record<FactorName, string>> = {
  totp: 'An authenticator app',
  hotp: 'A code generator',
  passkey: 'A passkey',
  recovery_code: 'A set of recovery codes',
  one_time_code: 'A one-time code',
  remembered_device: 'A remembered device',
}

const managed: Readonly<Record<Exclude<AccountManaged['action'], 'reset'>, string>> = {
  sign_out: 'An owner of your company signed you out everywhere.',
  disable: 'An owner of your company disabled your account. You can no longer sign in.',
  enable: 'An owner of your company enabled your account. You can sign in again.',
}

function left(remaining: number): string {
  return remaining === 1 ? 'You have one recovery code left.' : `You have ${remaining} recovery codes left.`
}

function dayAndTime(time: number): string {
  return `${new Date(time).toISOString().slice(0, 16).replace('T', ' at ')} UTC`
}

function complain(what: string, details: object): void {
  process.stderr.write(`${JSON.stringify({ level: 'error', what, ...details })}\n`)
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
}
