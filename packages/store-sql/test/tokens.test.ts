import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { createSealer } from '@portcullis/core'
import {
  type ApiKeyInfo,
  createApiKeys,
  createDpopProver,
  createDpopVerifier,
  createKeyRing,
  createOpaqueTokens,
  createRefreshTokens,
} from '@portcullis/tokens'
import { describe, expect, it, vi } from 'vitest'
import type { SqlStore } from '../src/index.ts'
import { databases } from './databases.ts'

/* What `tokens` keeps, raced over several connections to one database. */

const issuer = 'https://login.example'
const audience = 'https://api.example'
const sealer = createSealer({ current: 'k1', keys: { k1: randomBytes(32) } })
const owner = { subject: 'user-1', within: undefined }

for (const database of databases) {
  describe.skipIf(database.skipped)(database.title, () => {
    const fresh = database.start()
    tests(async () => {
      const address = await fresh()
      return Promise.all(Array.from({ length: 4 }, () => database.open(address)))
    })
  })
}

function tests(stores: () => Promise<SqlStore[]>): void {
  describe('API keys', () => {
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

  describe('opaque tokens', () => {
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

  describe('refresh tokens', () => {
    it('have one successor, whoever of 200 asks within the grace, and no family after a reuse', async () => {
      const grant = { subject: 'user-1', clientId: 'web', scopes: ['a'] }
      const all = (await stores()).map((store) => createRefreshTokens({ store, sealer }))
      const { token } = await all[0]!.issue(grant)
      const answers = await Promise.all(Array.from({ length: 200 }, (_, i) => all[i % 4]!.rotate(token, { clientId: 'web' })))
      expect(new Set(answers.map((answer) => (answer.ok ? answer.token : answer.reason.code))).size).toBe(1)
      expect(answers[0]?.ok).toBe(true)

      // Without a grace: one is answered, and then there is no live family at all, never two.
      const strict = (await stores()).map((store) => createRefreshTokens({ store, sealer, grace: 0 }))
      const { token: other } = await strict[0]!.issue(grant)
      const raced = await Promise.all(Array.from({ length: 200 }, (_, i) => strict[i % 4]!.rotate(other, { clientId: 'web' })))
      const given = raced.flatMap((answer) => (answer.ok ? [answer.token] : []))
      expect(given).toHaveLength(1)
      expect(await strict[3]!.rotate(given[0] ?? '', { clientId: 'web' })).toMatchObject({ ok: false })
    })
  })

  describe('a key ring', () => {
    it('gets one key of 40 rotations at once, and loses one of 40 emergencies', async () => {
      const all = (await stores()).map((store) => createKeyRing({ store, sealer }))
      await Promise.all(all.map((ring) => ring.load()))
      const added = await Promise.all(Array.from({ length: 40 }, (_, i) => all[i % 4]!.rotate()))
      expect(new Set(added.map(({ kid }) => kid)).size).toBe(1)
      expect(await all[0]!.list()).toHaveLength(2)
      const { kid } = await all[1]!.signer()
      const revoked = await Promise.all(Array.from({ length: 40 }, (_, i) => all[i % 4]!.revoke(kid)))
      expect(revoked.filter(Boolean)).toHaveLength(1)
      const left = await all[2]!.list()
      expect(left.map((key) => key.kid)).not.toContain(kid)
      expect(left.filter(({ state }) => state === 'active')).toHaveLength(1)
    })
  })

  describe('DPoP proofs', () => {
    it('are good for one of 200 uses', async () => {
      const origin = 'https://api.example'
      const all = (await stores()).map((store) => createDpopVerifier({ store, origin }))
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      const prover = await createDpopProver({ privateJwk: privateKey.export({ format: 'jwk' }) })
      const proof = await prover.proof({ method: 'GET', url: `${origin}/me` })
      const results = await Promise.all(
        Array.from({ length: 200 }, (_, i) => all[i % 4]!.verify({ proof, method: 'GET', target: '/me' })),
      )
      expect(results.filter(({ ok }) => ok)).toHaveLength(1)
      expect(new Set(results.flatMap((result) => (result.ok ? [] : [result.reason.code])))).toEqual(
        new Set(['tokens.proof_replayed']),
      )
    })
  })
}
