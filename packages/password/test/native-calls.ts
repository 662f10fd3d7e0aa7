/** What reached the native code, in order, and how much of it ran at once. */
export interface NativeCalls {
  list: { kind: string; units: number }[]
  running: number
  most: number
}

export const calls: NativeCalls = { list: [], running: 0, most: 0 }

export function resetCalls(): void {
  calls.list = []
  calls.most = 0
}

/** Units of each kind since {@link resetCalls}: what the caller waited for. */
export function workDone(): Record<string, number> {
  const sums: Record<string, number> = {}
  for (const { kind, units } of calls.list) sums[kind] = (sums[kind] ?? 0) + units
  return sums
}

async function counted<T>(kind: string, units: number, run: () => Promise<T>): Promise<T> {
  const end = began(kind, units)
  try {
    return await run()
  } finally {
    end()
  }
}

function began(kind: string, units: number): () => void {
  calls.list.push({ kind, units })
  calls.running++
  calls.most = Math.max(calls.most, calls.running)
  return () => {
    calls.running--
  }
}

type Argon2 = typeof import('@node-rs/argon2')

/** The real binding, with every call counted: memory × passes. */
export function countingArgon2(native: Argon2): Argon2 {
  return {
    ...native,
    hashRaw: (password, options, signal) =>
      counted('argon2', (options?.memoryCost ?? 0) * (options?.timeCost ?? 0), () => native.hashRaw(password, options, signal)),
    verify: () => Promise.reject(new TypeError('a call that is not counted')),
  }
}

type Bcrypt = typeof import('@node-rs/bcrypt')

/** The real binding, with every call counted: 2^cost. */
export function countingBcrypt(native: Bcrypt): Bcrypt {
  return {
    ...native,
    hash: (password, options) => counted('bcrypt', 2 ** (options?.cost ?? 0), () => native.hash(password, options)),
    verify: () => Promise.reject(new TypeError('a call that is not counted')),
  }
}

type Crypto = typeof import('node:crypto')
type Done = Parameters<Crypto['pbkdf2']>[5]

/** Node's, with scrypt (N·r·p) and PBKDF2 (iterations × blocks) counted. */
export function countingCrypto(native: Crypto): Crypto {
  const blocks: Record<string, number> = { sha1: 20, sha256: 32, sha512: 64 }
  const until = (end: () => void, done: Done): Done => {
    return (error, key) => {
      end()
      done(error, key)
    }
  }
  return {
    ...native,
    scrypt: ((password: string, salt: Buffer, length: number, options: { N: number; r: number; p: number }, done: Done) =>
      native.scrypt(
        password,
        salt,
        length,
        options,
        until(began('scrypt', options.N * options.r * options.p), done),
      )) as Crypto['scrypt'],
    pbkdf2: (password, salt, iterations, length, digest, done) =>
      native.pbkdf2(
        password,
        salt,
        iterations,
        length,
        digest,
        until(began(`pbkdf2-${digest}`, iterations * Math.ceil(length / blocks[digest]!)), done),
      ),
  }
}
