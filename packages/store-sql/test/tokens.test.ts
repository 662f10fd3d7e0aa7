import { type ApiKeyInfo, createApiKeys, createOpaqueTokens } from '@portcullis/tokens'
import Database from 'libsql'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { openSqlite, type SqlStore } from '../src/index.ts'
import { freshFile } from './directory.ts'

/* API keys and opaque tokens, raced over several connections to one file. */

const issuer = 'https://login.example'
const audience = 'https://api.example'
const owner = { subject: 'user-1', within: undefined }

async function stores(): Promise<SqlStore[]> {
  const filename = freshFile()
  const opened = await Promise.all(Array.from({ length: 4 }, () => openSqlite({ filename, Database })))
  onTestFinished(async () => {
    for (const store of opened) await store.close()
  })
  return opened
}

describe('API keys on SQLite', () => {
  it('keep a last use of 200, and have one winner of 200 rotations', async () => {
    const all = (await stores()).map((store) => createApiKeys({ store, prefix: 'pc', issuer, audience }))
    const issued = await all[0]!.issue({ subject: 'user-1', scopes: ['a'], within: undefined })
    if (!issued.ok) throw new TypeError(issued.reason.code)
    const used = await Promise.all(Array.from({ length: 200 }, (_, i) => all[i % 4]!.verify(issued.key)))
    expect(used.every(({ ok }) => ok)).toBe(true)
    // Written beside the request: no rotation shall be faster.
    await vi.waitFor(async () => {
      for await (const info of all[0]!.list(owner)) expect(info.lastUsedAt).toBeGreaterThan(0)
    })
    const results = await Promise.all(Array.from({ length: 200 }, (_, i) => all[i % 4]!.rotate(issued.id, owner)))
    const winners = results.filter(({ ok }) => ok)
    expect(winners).toHaveLength(1)
    const left: ApiKeyInfo[] = []
    for await (const info of all[3]!.list(owner)) left.push(info)
    expect(left).toHaveLength(2)
    const old = left.find(({ id }) => id === issued.id)
    expect(old?.lastUsedAt).toBeGreaterThan(0)
    expect(left.find(({ id }) => id === old?.replacedBy)).toMatchObject({ replaces: issued.id, scopes: ['a'] })
    expect(await all[1]!.revokeAll(owner)).toBe(2)
    expect(await all[2]!.verify(issued.key)).toMatchObject({ ok: false, reason: { code: 'tokens.reference_unknown' } })
  })
})

describe('opaque tokens on SQLite', () => {
  it('end once, whoever of 200 ends them, and by what they belong to', async () => {
    const all = (await stores()).map((store) => createOpaqueTokens({ store, issuer, audience }))
    const request = { subject: 'user-1', clientId: 'web', audience, scopes: [], sessionId: 's1' }
    const { token } = await all[0]!.accessToken(request)
    const ended = await Promise.all(Array.from({ length: 200 }, (_, i) => all[i % 4]!.revoke(token, { clientId: 'web' })))
    expect(ended.filter(Boolean)).toHaveLength(1)
    const second = await all[1]!.accessToken(request)
    expect(await all[2]!.revokeSession('s1')).toBe(1)
    expect((await all[3]!.verify(second.token)).ok).toBe(false)
  })
})
