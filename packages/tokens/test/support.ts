import { createHmac, type KeyObject, randomBytes, sign } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { type Clock, createMemoryStore, createSealer, type RequestView, type Sealer, type Store } from '@portcullis/core'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import type { AsymmetricAlgorithm, VerifyResult } from '../src/index.ts'

export const START: number = Date.UTC(2026, 0, 1)

/** A clock that stands still until it is moved. */
export function manualClock(start: number = START): Clock & { advance(seconds: number): void; set(milliseconds: number): void } {
  let now = start
  return {
    now: () => now,
    advance: (seconds) => {
      now += seconds * 1000
    },
    set: (milliseconds) => {
      now = milliseconds
    },
  }
}

export interface TestKey {
  readonly publicJwk: JWK
  readonly privateJwk: JWK
}

export async function testKey(alg: AsymmetricAlgorithm = 'ES256', kid = 'k1'): Promise<TestKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  return {
    publicJwk: { ...(await exportJWK(publicKey)), kid, alg },
    privateJwk: { ...(await exportJWK(privateKey)), kid, alg },
  }
}

export function b64(value: string | Uint8Array | object): string {
  if (typeof value === 'string' || value instanceof Uint8Array) return Buffer.from(value).toString('base64url')
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

/** Puts a token together as an attacker, or another library, would: every part is free. */
export function forge(header: string | object, payload: string | object, signature: (input: Buffer) => Uint8Array): string {
  const input = `${b64(header)}.${b64(payload)}`
  return `${input}.${b64(signature(Buffer.from(input)))}`
}

export function es256(key: KeyObject): (input: Buffer) => Uint8Array {
  return (input) => sign('sha256', input, { key, dsaEncoding: 'ieee-p1363' })
}

export function hmac(secret: string | Uint8Array, hash = 'sha256'): (input: Buffer) => Uint8Array {
  return (input) => createHmac(hash, secret).update(input).digest()
}

export function codeOf(
  result: { readonly ok: true } | { readonly ok: false; readonly reason: { readonly code: string } },
): string {
  return result.ok ? 'accepted' : result.reason.code
}

/** The answer of something that must be synchronous. */
export function now<T>(value: T | Promise<T>): T {
  if (value instanceof Promise) throw new TypeError('the answer is a promise')
  return value
}

export function claimsOf(result: VerifyResult): Record<string, unknown> {
  if (!result.ok) throw new TypeError(`refused: ${result.reason.code}`)
  return result.claims
}

export function testSealer(): Sealer {
  return createSealer({ current: 'k1', keys: { k1: randomBytes(32) } })
}

export function memoryStore(clock: Clock): Store {
  return createMemoryStore({ clock })
}

export function request(headers: RequestView['headers'] = {}, target = '/'): RequestView {
  return {
    method: 'GET',
    target,
    headers,
    client: { ip: '192.0.2.1', secure: true, host: 'api.example' },
    socket: undefined,
    route: undefined,
    body: () => Promise.reject(new TypeError('a guard reads no body')),
    signal: new AbortController().signal,
  }
}

/** A key or token with a checksum that is right: what somebody makes who knows the form. */
export function made(unchecked: string): string {
  const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
  let rest = crc32(unchecked)
  let sum = ''
  for (let i = 0; i < 6; i++) {
    sum = digits[rest % 62] + sum
    rest = Math.floor(rest / 62)
  }
  return unchecked + sum
}
