import { randomBytes, timingSafeEqual } from 'node:crypto'
import { hashRaw } from '@node-rs/argon2'
import { type HashLimits, outOfBounds } from './limits.ts'
import { type Argon2Parameters, isPossible, isWeaker, isWithin } from './parameters.ts'
import { base64, fromBase64 } from './radix64.ts'
import type { StoredHash } from './stored-hash.ts'

/** Numbers of the binding. */
const algorithms = { argon2d: 0, argon2i: 1, argon2id: 2 } as const
const versions = { '16': 0, '19': 1 } as const
type Variant = keyof typeof algorithms
type Version = keyof typeof versions

const saltLength = 16
const tagLength = 32

// The PHC string format: decimal without leading zeros, base64 without padding. Ten digits hold every 32-bit number; the
// bounds on salt and tag keep a crafted string from being long. Without a version it is the first one, 16.
const form =
  /^\$(argon2(?:id|i|d))\$(?:v=(16|19)\$)?m=([1-9]\d{0,9}),t=([1-9]\d{0,9}),p=([1-9]\d{0,9})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/

/** An argon2 hash as it is written down. */
interface Argon2Hash {
  readonly variant: Variant
  readonly version: Version
  readonly parameters: Argon2Parameters
  readonly salt: Uint8Array
  readonly tag: Uint8Array
}

/**
 * An argon2 hash in PHC form, of any variant and version; `undefined` when it is something else. Nothing but a hash that we are
 * willing to pay for reaches the native code: there a stored `m=4294967295,t=4294967295` never returns.
 * @throws PasswordError `password.hash_out_of_bounds`
 */
export function parseArgon2(stored: string, limits: HashLimits): StoredHash | undefined {
  const hash = readArgon2(stored, limits)
  if (hash === undefined) return undefined
  const { variant, version, parameters, salt, tag } = hash
  return {
    work: [{ kind: 'argon2', ...parameters }],
    matches: ({ normalized }) => matchesArgon2(hash, normalized),
    isOutdated: (current) =>
      variant !== 'argon2id' ||
      version !== '19' ||
      isWeaker(parameters, current) ||
      salt.length < saltLength ||
      tag.length < tagLength,
  }
}

/** @throws PasswordError `password.hash_out_of_bounds` */
export function readArgon2(stored: string, limits: HashLimits): Argon2Hash | undefined {
  const [, variant, version = '16', memory, iterations, parallelism, salt, tag] = form.exec(stored) ?? []
  if (salt === undefined || tag === undefined) return undefined
  const parameters = { memory: Number(memory), iterations: Number(iterations), parallelism: Number(parallelism) }
  if (!isPossible(parameters) || !isWithin(parameters, limits)) {
    throw outOfBounds(
      `${memory} KiB, ${iterations} iterations and ${parallelism} lanes`,
      `${limits.memory}, ${limits.iterations} and ${limits.parallelism}`,
    )
  }
  // The expression lets nothing else through.
  return {
    variant: variant as Variant,
    version: version as Version,
    parameters,
    salt: fromBase64(salt),
    tag: fromBase64(tag),
  }
}

/** Whether a text is what was hashed. */
export async function matchesArgon2(hash: Argon2Hash, text: string): Promise<boolean> {
  const { memory, iterations, parallelism } = hash.parameters
  const tag = await hashRaw(text, {
    algorithm: algorithms[hash.variant],
    version: versions[hash.version],
    memoryCost: memory,
    timeCost: iterations,
    parallelism,
    outputLen: hash.tag.length,
    salt: hash.salt,
  })
  return timingSafeEqual(tag, hash.tag)
}

/** A new argon2id hash (RFC 9106) with a random 128-bit salt, in PHC form. */
export async function makeArgon2(text: string, parameters: Argon2Parameters): Promise<string> {
  const { memory: memoryCost, iterations: timeCost, parallelism } = parameters
  const salt = randomBytes(saltLength)
  const options = { algorithm: algorithms.argon2id, memoryCost, timeCost, parallelism, outputLen: tagLength, salt }
  return formatArgon2(parameters, salt, await hashRaw(text, options))
}

/** The PHC form of argon2id version 19. */
export function formatArgon2(parameters: Argon2Parameters, salt: Uint8Array, tag: Uint8Array): string {
  const { memory, iterations, parallelism } = parameters
  return `$argon2id$v=19$m=${memory},t=${iterations},p=${parallelism}$${base64(salt)}$${base64(tag)}`
}
