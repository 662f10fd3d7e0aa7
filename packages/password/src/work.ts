import { pbkdf2, randomBytes, scrypt } from 'node:crypto'
import { promisify } from 'node:util'
import { hashRaw } from '@node-rs/argon2'
import { hash as bcryptHash } from '@node-rs/bcrypt'

/** What argon2 is asked for. */
export interface Argon2Work {
  readonly kind: 'argon2'
  /** KiB. */
  readonly memory: number
  /** Passes over the memory. */
  readonly iterations: number
  /** Lanes. */
  readonly parallelism: number
}

/** What bcrypt is asked for: 2^cost rounds. */
export interface BcryptWork {
  readonly kind: 'bcrypt'
  readonly cost: number
}

/** What scrypt is asked for (RFC 7914 §2): N is 2^ln. */
export interface ScryptWork {
  readonly kind: 'scrypt'
  readonly ln: number
  readonly r: number
  readonly p: number
}

/** What PBKDF2 is asked for (RFC 8018 §5.2): iterations of HMAC for all blocks together. */
export interface Pbkdf2Work {
  readonly kind: 'pbkdf2'
  readonly digest: 'sha1' | 'sha256' | 'sha512'
  readonly iterations: number
}

/** One native call, by what it costs. */
export type Work = Argon2Work | BcryptWork | ScryptWork | Pbkdf2Work

/** Work of one slot adds up; work of two slots can't stand for each other, since no ratio between them holds on every machine. */
export function slotOf(work: Work): string {
  return work.kind === 'pbkdf2' ? `pbkdf2-${work.digest}` : work.kind
}

/** How much of its slot. */
export function unitsOf(work: Work): number {
  switch (work.kind) {
    case 'argon2':
      return work.memory * work.iterations
    case 'bcrypt':
      return 2 ** work.cost
    case 'scrypt':
      return 2 ** work.ln * work.r * work.p
    case 'pbkdf2':
      return work.iterations
  }
}

/**
 * What to do after `spent` units so that the sum costs as much as `whole`. Exact for bcrypt (2^12 is 2^10 + 2^10 + 2^11), for PBKDF2,
 * and for scrypt where r and p are the same; whole passes for argon2, hence within half a pass.
 */
export function missing(whole: Work, spent: number): readonly Work[] {
  const units = unitsOf(whole) - spent
  if (units <= 0) return []
  if (spent === 0) return [whole]
  switch (whole.kind) {
    case 'argon2': {
      const memory = Math.max(Math.min(whole.memory, units), 8 * whole.parallelism)
      return [{ ...whole, memory, iterations: Math.max(1, Math.round(units / memory)) }]
    }
    case 'bcrypt':
      return powers(units, 4).map((cost) => ({ kind: 'bcrypt', cost }))
    case 'scrypt':
      return powers(Math.round(units / (whole.r * whole.p)), 1).map((ln) => ({ ...whole, ln }))
    case 'pbkdf2':
      return [{ ...whole, iterations: units }]
  }
}

/** The exponents of the powers of two that a number is the sum of. */
function powers(sum: number, least: number): readonly number[] {
  const exponents: number[] = []
  for (let exponent = least; 2 ** exponent <= sum; exponent++) {
    if (Math.floor(sum / 2 ** exponent) % 2 === 1) exponents.push(exponent)
  }
  return exponents
}

const scryptAsync = promisify<string, Buffer, number, object, Buffer>(scrypt)
const pbkdf2Async = promisify(pbkdf2)
const argon2id = 2

/** Does the work for nothing: nobody learns from the time that there was nothing to compare with. */
export async function spend(work: Work): Promise<void> {
  const salt = randomBytes(16)
  switch (work.kind) {
    case 'argon2': {
      const { memory: memoryCost, iterations: timeCost, parallelism } = work
      await hashRaw('', { algorithm: argon2id, memoryCost, timeCost, parallelism, outputLen: 32, salt })
      return
    }
    case 'bcrypt':
      await bcryptHash('', { salt, cost: work.cost, version: '2b' })
      return
    case 'scrypt':
      await scryptAsync('', salt, 64, scryptOptions(work))
      return
    case 'pbkdf2':
      await pbkdf2Async('', salt, work.iterations, 20, work.digest)
      return
  }
}

/** Options for Node's scrypt; it wants to be told of the memory, of which RFC 7914 §5 needs 128·r·(N + p) bytes. */
export function scryptOptions({ ln, r, p }: ScryptWork): { N: number; r: number; p: number; maxmem: number } {
  return { N: 2 ** ln, r, p, maxmem: 128 * r * (2 ** ln + p + 2) }
}
