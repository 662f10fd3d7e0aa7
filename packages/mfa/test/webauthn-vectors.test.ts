import { createMemoryStore, type Store } from '@portcullis/core'
import { describe, expect, it } from 'vitest'
import { createPasskeyChallenges } from '../src/passkey-challenges.ts'
import { createPasskeys, type Passkeys, type PasskeysOptions } from '../src/passkeys.ts'
import { timeAt } from './fixture.ts'
import { haveVectors, readVectors } from './vectors.ts'

interface Vector {
  id: string
  registration: Record<'challenge' | 'credential_id' | 'clientDataJSON' | 'attestationObject', string>
  authentication: Record<'challenge' | 'clientDataJSON' | 'authenticatorData' | 'signature', string>
  other: { attestation_ca_cert?: string }
}

const all = haveVectors ? readVectors<Vector[]>('webauthn/w3c-webauthn-l3-test-vectors.json') : []
const vectors = all.filter(({ registration }) => registration.attestationObject !== undefined)
const root = all.find(({ other }) => other.attestation_ca_cert)?.other.attestation_ca_cert ?? ''
const anchor = `-----BEGIN CERTIFICATE-----\n${Buffer.from(root, 'hex').toString('base64')}\n-----END CERTIFICATE-----\n`

const short = (id: string): string => id.replace('sctn-test-vectors-', '')
const text = (hex: string): string => Buffer.from(hex, 'hex').toString('base64url')
const browser = 'b'

/** As credentials, whatever vouches for them: 14 of the 15 pairs register and sign in. */
const notAsCredential: Readonly<Record<string, string>> = {
  'packed-ed448': 'SimpleWebAuthn 14 verifies no Ed448 signature, so it is not offered: an answer with such a key is refused',
}

/** With the W3C's root as the one pinned anchor. */
const refusedByAnchor: Readonly<Record<string, readonly [code: string, why: string]>> = {
  'none-es256': ['mfa.attestation_refused', 'nobody vouches for it'],
  'none-es256-crossOrigin': ['mfa.attestation_refused', 'nobody vouches for it'],
  'none-es256-topOrigin': ['mfa.attestation_refused', 'nobody vouches for it'],
  'none-es256-long-credential-id': ['mfa.attestation_refused', 'nobody vouches for it'],
  'packed-self-es256': ['mfa.attestation_refused', 'it vouches for itself'],
  'packed-ed448': ['mfa.passkey_invalid', 'the algorithm is not offered'],
  'tpm-es256': ['mfa.passkey_invalid', 'the synthetic certificate names a TPM vendor that does not exist'],
  'android-key-es256': ['mfa.passkey_invalid', "the synthetic path does not end with one of Google's roots"],
  'apple-es256': ['mfa.passkey_invalid', "the synthetic path does not lead to Apple's root"],
  'fido-u2f-es256': ['mfa.passkey_invalid', 'its AAGUID is not zero, which U2F has none of'],
}

function site(store: Store, options: Partial<PasskeysOptions> = {}): Passkeys {
  return createPasskeys({
    store,
    rpId: 'example.org',
    rpName: 'Vectors',
    origins: ['https://example.org'],
    topOrigins: 'any',
    algorithms: [-7, -35, -36, -257, -8],
    clock: timeAt(1_800_000_000_000),
    ...options,
  })
}

/** Puts the vector's own challenge where ours would be. */
async function withChallenge(store: Store, hex: string, purpose: 'register' | 'second_factor'): Promise<void> {
  const given: Store = {
    collection: (declaration) => {
      const rows = store.collection<never>(declaration)
      return { ...rows, create: (_id: string, row: never, how: never) => rows.create(text(hex), row, how) } as never
    },
  }
  const challenges = createPasskeyChallenges(given, 300, timeAt(1_800_000_000_000))
  await challenges.make({ purpose, account: 'ada', browser, verificationRequired: false })
}

async function register(passkeys: Passkeys, store: Store, { registration }: Vector) {
  await withChallenge(store, registration.challenge, 'register')
  const id = text(registration.credential_id)
  const response = {
    id,
    rawId: id,
    type: 'public-key',
    response: { clientDataJSON: text(registration.clientDataJSON), attestationObject: text(registration.attestationObject) },
  }
  return passkeys.finishRegistration('ada', { browser, response, name: 'Vector' })
}

async function authenticate(passkeys: Passkeys, store: Store, { registration, authentication }: Vector) {
  await withChallenge(store, authentication.challenge, 'second_factor')
  const id = text(registration.credential_id)
  const { clientDataJSON, authenticatorData, signature } = authentication
  const response = {
    id,
    rawId: id,
    type: 'public-key',
    response: {
      clientDataJSON: text(clientDataJSON),
      authenticatorData: text(authenticatorData),
      signature: text(signature),
    },
  }
  return passkeys.finishSecondFactor('ada', { browser, response })
}

describe.skipIf(!haveVectors)('W3C WebAuthn Level 3 vectors (PORTCULLIS_VECTORS)', () => {
  it('are 15', () => {
    expect(vectors).toHaveLength(15)
  })

  const cases = vectors.map((vector) => [short(vector.id), vector] as const)
  const good = cases.filter(([id]) => !(id in notAsCredential))

  it.each(good)('%s registers and signs in', async (_, vector) => {
    const store = createMemoryStore({ clock: timeAt(1_800_000_000_000) })
    const passkeys = site(store)
    expect(await register(passkeys, store, vector)).toMatchObject({ ok: true, passkey: { attested: false } })
    expect(await authenticate(passkeys, store, vector)).toMatchObject({ ok: true, account: 'ada' })
  })

  it.each(good)('%s does not sign in with one bit of its signature changed', async (_, vector) => {
    const store = createMemoryStore({ clock: timeAt(1_800_000_000_000) })
    const passkeys = site(store)
    await register(passkeys, store, vector)
    const { signature } = vector.authentication
    const flipped = signature.slice(0, -1) + (Number.parseInt(signature.slice(-1), 16) ^ 1).toString(16)
    const changed = { ...vector, authentication: { ...vector.authentication, signature: flipped } }
    expect(await authenticate(passkeys, store, changed)).toMatchObject({ reason: { code: 'mfa.passkey_invalid' } })
  })

  it.each(Object.entries(notAsCredential))('%s is refused: %s', async (id) => {
    const store = createMemoryStore({ clock: timeAt(1_800_000_000_000) })
    const vector = cases.find(([name]) => name === id)![1]
    expect(await register(site(store), store, vector)).toMatchObject({ reason: { code: 'mfa.passkey_invalid' } })
  })

  it.each(cases)('%s with a pinned anchor: attested, or refused for a reason that is named', async (id, vector) => {
    const store = createMemoryStore({ clock: timeAt(1_800_000_000_000) })
    const result = await register(site(store, { attestation: { anchors: [anchor] } }), store, vector)
    const refusal = refusedByAnchor[id]
    if (refusal === undefined) expect(result).toMatchObject({ ok: true, passkey: { attested: true } })
    else expect(result, refusal[1]).toMatchObject({ ok: false, reason: { code: refusal[0] } })
  })
})
