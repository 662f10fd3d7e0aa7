import { rootCertificates } from 'node:tls'
import { createMemoryStore } from '@portcullis/core'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { type AttestationPolicy, createPasskeys } from '../src/passkeys.ts'
import { type Behaviour, SoftAuthenticator } from './authenticator.ts'
import { type Authority, authority, leafOf } from './certificates.ts'

const browser = 'b'
const model = Buffer.alloc(16, 9).toString('hex')
const aaguid = model.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')

afterEach(() => {
  vi.restoreAllMocks()
})

async function register(attestation: AttestationPolicy | undefined, behaviour: Behaviour) {
  const passkeys = createPasskeys({
    store: createMemoryStore(),
    rpId: 'acme.test',
    rpName: 'Acme',
    origins: ['https://login.acme.test'],
    ...(attestation === undefined ? {} : { attestation }),
  })
  const options = await passkeys.beginRegistration('ada', { browser, userName: 'ada' })
  const response = new SoftAuthenticator({ aaguid: model, ...behaviour }).create(options)
  return passkeys.finishRegistration('ada', { browser, response, name: 'Key' })
}

/** A packed attestation by a leaf of `by`, with `more` certificates behind it. */
function packed(by: Authority, more: readonly Buffer[] = []): Behaviour {
  const leaf = leafOf(by)
  return {
    attestation: (authData, hash) => ({
      fmt: 'packed',
      attStmt: new Map<string, unknown>([
        ['alg', -7],
        ['sig', Uint8Array.from(leaf.sign(Buffer.concat([authData, hash])))],
        ['x5c', [leaf.certificate, ...more].map((der) => Uint8Array.from(der))],
      ]),
    }),
  }
}

const vendor = authority('Vendor root')
const foreign = rootCertificates[0] ?? ''

describe('with pinned anchors (ASVS 6.7.1)', () => {
  it('an authenticator of that vendor is attested, whether or not the root comes along', async () => {
    const policy = { anchors: [vendor.pem] }
    expect(await register(policy, packed(vendor))).toMatchObject({ ok: true, passkey: { attested: true, aaguid } })
    expect(await register(policy, packed(vendor, [vendor.certificate]))).toMatchObject({ ok: true })
  })

  it('any one of several anchors will do', async () => {
    expect(await register({ anchors: [foreign, vendor.pem] }, packed(vendor))).toMatchObject({ ok: true })
  })

  it('a trust anchor taken from the attestation itself (SimpleWebAuthn GHSA-6hxq-p678-4hr2): refused', async () => {
    const mallory = authority('Vendor root')
    const refusal = { ok: false, reason: { code: 'mfa.attestation_refused' } }
    expect(await register({ anchors: [vendor.pem] }, packed(mallory, [mallory.certificate]))).toMatchObject(refusal)
    expect(await register({ anchors: [vendor.pem] }, packed(mallory))).toMatchObject(refusal)
    expect(await register({ anchors: [vendor.pem] }, packed(mallory, [vendor.certificate]))).toMatchObject(refusal)
    for (const fmt of ['android-key', 'tpm', 'apple', 'fido-u2f', 'android-safetynet', 'none', 'compound']) {
      const { attestation } = packed(mallory, [mallory.certificate])
      const spoofed: Behaviour = { attestation: (data, hash) => ({ ...attestation!(data, hash), fmt }) }
      expect(await register({ anchors: [vendor.pem] }, spoofed), fmt).toMatchObject(refusal)
    }
  })

  it('a path that leads nowhere makes nobody fetch the address in it', async () => {
    const fetched = vi.spyOn(globalThis, 'fetch').mockRejectedValue(new TypeError('no network'))
    const mallory = authority('Mallory', 'http://169.254.169.254/crl')
    for (const fmt of ['android-key', 'packed', 'apple']) {
      const { attestation } = packed(mallory, [mallory.certificate])
      await register({ anchors: [vendor.pem] }, { attestation: (data, hash) => ({ ...attestation!(data, hash), fmt }) })
      await register(undefined, { attestation: (data, hash) => ({ ...attestation!(data, hash), fmt }) })
    }
    expect(fetched).not.toHaveBeenCalled()
  })

  it('a leaf that vouches for another leaf: whoever owns an authenticator is not its vendor', async () => {
    const owned = leafOf(vendor)
    const mallory = packed({ ...owned, name: 'Leaf' }, [owned.certificate])
    expect(await register({ anchors: [vendor.pem] }, mallory)).toMatchObject({ reason: { code: 'mfa.attestation_refused' } })
  })

  it('a revocation list that nobody serves is passed over; one that never comes holds nobody up', async () => {
    const listed = authority('Vendor with a list', 'http://crl.vendor.test/')
    const fetched = vi.spyOn(globalThis, 'fetch').mockRejectedValue(new TypeError('no network'))
    expect(await register({ anchors: [listed.pem] }, packed(listed))).toMatchObject({ ok: true })
    expect(fetched).toHaveBeenCalledWith('http://crl.vendor.test/')
    const asked = new Promise<void>((resolve) => {
      fetched.mockImplementation(() => {
        resolve()
        return new Promise(() => {})
      })
    })
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      const result = register({ anchors: [listed.pem] }, packed(listed))
      await asked
      await vi.advanceTimersByTimeAsync(5000)
      expect(await result).toMatchObject({ reason: { code: 'mfa.attestation_refused' } })
    } finally {
      vi.useRealTimers()
    }
  })

  it('an attestation over something else is refused', async () => {
    const { attestation } = packed(vendor)
    const moved: Behaviour = { attestation: (data) => attestation!(data, Buffer.alloc(32)) }
    expect(await register({ anchors: [vendor.pem] }, moved)).toMatchObject({ reason: { code: 'mfa.passkey_invalid' } })
  })

  it('a model that is not on the list is refused', async () => {
    const listed = { anchors: [vendor.pem], aaguids: [aaguid.toUpperCase()] }
    expect(await register(listed, packed(vendor))).toMatchObject({ ok: true })
    const other = { anchors: [vendor.pem], aaguids: ['00000000-0000-0000-0000-000000000001'] }
    expect(await register(other, packed(vendor))).toMatchObject({ reason: { code: 'mfa.attestation_refused' } })
  })
})

describe('without a policy', () => {
  it('a statement is neither believed nor read', async () => {
    const nonsense: Behaviour = {
      attestation: () => ({ fmt: 'packed', attStmt: new Map<string, unknown>([['x5c', [new Uint8Array(3)]]]) }),
    }
    expect(await register(undefined, nonsense)).toMatchObject({ ok: true, passkey: { attested: false } })
    expect(await register(undefined, packed(vendor))).toMatchObject({ ok: true, passkey: { attested: false } })
  })
})
