import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { JWK } from 'jose'
import { describe, expect, it } from 'vitest'
import { createKeySet, importHmacKey, importVerificationKey, TokenError, type VerificationKey, verifyJws } from '../src/index.ts'

interface Case {
  readonly tcId: number
  readonly comment: string
  readonly jws: string
  readonly result: 'valid' | 'invalid' | 'acceptable'
}
interface Group {
  readonly comment: string
  readonly public?: JWK | { readonly keys: readonly JWK[] }
  readonly private?: JWK | { readonly keys: readonly JWK[] }
  readonly tests: readonly Case[]
}

const folder = process.env['PORTCULLIS_VECTORS']
const present = folder !== undefined && existsSync(join(folder, 'wycheproof'))

// The key says PS256 and the header PS384; an algorithm that does not exist (ES521); `?` inside a segment.
const STRICTER = [346, 347, 350, 351, 372, 373]

// Marked invalid for their padding, which the file has lost: what is left is, byte for byte, the token of case 357, which is
// marked valid, under the same key. The test below says so, and puts the padding back.
const WITHOUT_THEIR_PADDING = [367, 370]

function groups(file: string): readonly Group[] {
  const text = readFileSync(join(folder ?? '', 'wycheproof', file), 'utf8')
  const { numberOfTests, testGroups } = JSON.parse(text) as {
    readonly numberOfTests: number
    readonly testGroups: readonly Group[]
  }
  // All of them, by the file's own count.
  expect(testGroups.flatMap((group) => group.tests)).toHaveLength(numberOfTests)
  return testGroups
}

async function accepts(group: Group, jws: string): Promise<boolean> {
  const given = group.public ?? group.private!
  try {
    const keys: VerificationKey[] = []
    for (const jwk of ('keys' in given ? given.keys : [given]) as JWK[]) {
      keys.push(jwk.kty === 'oct' ? importHmacKey(jwk) : await importVerificationKey(jwk))
    }
    return (await verifyJws(jws, createKeySet(keys))).ok
  } catch (error) {
    // Refused when loaded, by name. Anything else is a bug.
    expect(error).toBeInstanceOf(TokenError)
    return false
  }
}

describe('the vectors', () => {
  it.runIf(process.env['CI'] !== undefined)('are there in CI: set PORTCULLIS_VECTORS', () => {
    expect(present).toBe(true)
  })
})

describe.skipIf(!present)('Wycheproof JSON Web Signature (PORTCULLIS_VECTORS)', () => {
  const all = present ? groups('json_web_signature_test.json') : []
  const cases = all.flatMap((group) => group.tests.map((test) => ({ group, ...test })))

  it('has the 401 cases that we know', () => expect(cases).toHaveLength(401))

  it('says two things about one token: 367 and 370 are 357, and are refused once they have their padding again', async () => {
    const [valid, ...others] = [357, ...WITHOUT_THEIR_PADDING].map((id) => cases.find((one) => one.tcId === id)!)
    for (const { group, jws } of others) {
      expect({ jws, key: group.private }).toEqual({ jws: valid!.jws, key: valid!.group.private })
      const [header, payload, signature] = jws.split('.')
      expect(await accepts(group, `${header}=.${payload}.${signature}`)).toBe(false)
      expect(await accepts(group, `${header}.${payload}=.${signature}`)).toBe(false)
      expect(await accepts(group, `${header}.${payload}==.${signature}`)).toBe(false)
      expect(await accepts(group, `${header}.${payload}.${signature}=`)).toBe(false)
    }
  })

  const clear = cases.filter((one) => !WITHOUT_THEIR_PADDING.includes(one.tcId))
  it.each(clear)('case $tcId $comment is $result', async ({ group, tcId, jws, result }) => {
    const expected = result === 'valid' && !STRICTER.includes(tcId)
    expect(await accepts(group, jws)).toBe(expected)
  })
})

describe.skipIf(!present)('Wycheproof JSON Web Key (PORTCULLIS_VECTORS)', () => {
  const all = present ? groups('json_web_key_test.json') : []
  const cases = all.flatMap((group) => group.tests.map((test) => ({ group, about: group.comment, ...test })))

  it('has the 26 cases that we know', () => expect(cases).toHaveLength(26))

  it.each(cases)('case $tcId $about $comment is $result', async ({ group, jws, result }) => {
    expect(await accepts(group, jws)).toBe(result === 'valid')
  })
})
