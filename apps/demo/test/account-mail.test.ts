import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createMemoryStore } from '@portcullis/core'
import { mfaEnrolled, mfaRemoved, recoveryCodesLow, recoveryCodeUsed } from '@portcullis/mfa'
import { passwordChanged } from '@portcullis/password'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type Account, type Accounts, createAccounts } from '../src/accounts.ts'
import { createOutbox, type Mail, type Outbox } from '../src/mail.ts'

const ada: Account = {
  id: 'usr_ada',
  email: 'ada@acme.test',
  name: 'Ada Lovelace',
  tenant: 'acme',
  role: 'owner',
  passwordHash: 'none',
  disabled: false,
}

let dataDir: string
let accounts: Accounts
let outbox: Outbox
/** What looking an account up does before it is looked up. */
let before: () => Promise<void>
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'ledger-mail-'))
  accounts = createAccounts({ store: createMemoryStore() })
  await accounts.seed(ada)
  before = async () => undefined
  outbox = createOutbox({
    dataDir,
    publicUrl: 'https://ledger.test',
    find: async (id) => {
      await before()
      return accounts.find(id)
    },
  })
})
afterEach(async () => {
  await outbox.close()
  vi.restoreAllMocks()
  await rm(dataDir, { recursive: true })
})

async function mails(): Promise<Mail[]> {
  const text = await readFile(join(dataDir, 'outbox.jsonl'), 'utf8')
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Mail)
}

/** What standard error is told, in place of the terminal. */
function complaints(): string[] {
  const lines: string[] = []
  vi.spyOn(process.stderr, 'write').mockImplementation((line) => lines.push(String(line)) > 0)
  return lines
}

describe('the outbox', () => {
  it('has one line for each change of an account, in the order in which they came (v5.0.0-6.3.7)', async () => {
    const account = 'usr_ada'
    mfaEnrolled.publish({ account, factor: 'totp', replaced: false })
    mfaEnrolled.publish({ account, factor: 'recovery_code', replaced: true })
    mfaRemoved.publish({ account, factor: 'passkey' })
    recoveryCodeUsed.publish({ account, remaining: 1 })
    recoveryCodesLow.publish({ account, remaining: 1 })
    passwordChanged.publish({ account, by: 'change' })
    await outbox.close()
    const written = await mails()
    expect(written.map((mail) => mail.text.split('\n')[0])).toEqual([
      'An authenticator app was added to your account.',
      'A set of recovery codes of your account was replaced.',
      'A passkey was removed from your account.',
      'A recovery code of your account was used. You have one recovery code left.',
      'You have one recovery code left. Make new ones before you need them.',
      'Your password was changed.',
    ])
    expect(new Set(written.map(({ to }) => to))).toEqual(new Set(['ada@acme.test']))
    expect(Object.keys(written[0] ?? {})).toEqual(['to', 'subject', 'text'])
  })

  it('says when, and where to go if it was somebody else', async () => {
    passwordChanged.publish({ account: 'usr_ada', by: 'change' }, { clock: { now: () => Date.UTC(2030, 4, 6, 7, 8) } })
    await outbox.close()
    const [mail] = await mails()
    expect(mail?.text).toContain('on 2030-05-06 at 07:08 UTC')
    expect(mail?.text).toContain('https://ledger.test/account/forgot')
  })

  it('is for the owner of the data folder alone: codes that set passwords are in it', async () => {
    outbox.sendReset({ account: 'usr_ada', token: 'x'.repeat(43), expiresAt: Date.now() + 900_000, by: 'owner' })
    await outbox.close()
    expect((await stat(join(dataDir, 'outbox.jsonl'))).mode & 0o777).toBe(0o600)
    expect((await mails())[0]?.text).toContain(`\n\n${'x'.repeat(43)}\n\n`)
  })

  it('sends nothing to nobody', async () => {
    passwordChanged.publish({ account: 'usr_gone', by: 'change' })
    passwordChanged.publish({ account: 'usr_ada', by: 'change' })
    await outbox.close()
    expect((await mails()).length).toBe(1)
  })

  it('keeps its mails while the accounts can’t be reached, says so once, and goes on', async () => {
    const lines = complaints()
    let failures = 2
    before = async () => {
      if (failures-- > 0) throw new Error('down')
    }
    passwordChanged.publish({ account: 'usr_ada', by: 'change' })
    passwordChanged.publish({ account: 'usr_ada', by: 'reset' })
    await vi.waitFor(async () => expect((await mails()).length).toBe(2), { timeout: 5000, interval: 20 })
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      { level: 'error', what: 'mail not written', error: 'unknown', waiting: 2 },
    ])
  })

  it('takes what comes while the last mail is being written', async () => {
    passwordChanged.publish({ account: 'usr_ada', by: 'change' })
    for (let i = 0; i < 50; i++) {
      await vi.waitFor(async () => expect((await mails()).length).toBe(i + 1), { timeout: 5000, interval: 1 })
      passwordChanged.publish({ account: 'usr_ada', by: 'change' })
    }
    await outbox.close()
    expect((await mails()).length).toBe(51)
  })

  it('is not filled by a flood: a thousand mails wait, what is more is counted, and nobody waits for it', async () => {
    const lines = complaints()
    let release = (): void => undefined
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    before = () => held
    for (let i = 0; i < 1500; i++) passwordChanged.publish({ account: 'usr_ada', by: 'change' })
    release()
    await outbox.close()
    expect((await mails()).length).toBe(1000)
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      { level: 'error', what: 'mails dropped', waiting: 1000 },
      { level: 'error', what: 'mails lost', lost: 500 },
    ])
  })

  it('closes though the accounts can’t be reached, and says what is lost', async () => {
    const lines = complaints()
    before = async () => {
      throw new Error('down')
    }
    passwordChanged.publish({ account: 'usr_ada', by: 'change' })
    await outbox.close()
    passwordChanged.publish({ account: 'usr_ada', by: 'change' })
    expect(JSON.parse(lines.at(-1) ?? '')).toEqual({ level: 'error', what: 'mails lost', lost: 1 })
  })
})
