import { createHmac, createPublicKey, createSecretKey } from 'node:crypto'
import type { JWK } from 'jose'
import { type Base, type Dice, type Mutation, parts, put, resigned } from './bases.ts'
import { b64 } from './support.ts'

const confusions: readonly Mutation[] = [
  {
    name: 'the public key as an HMAC secret',
    make: (of, dice) => {
      const alg = dice.pick(['HS256', 'HS384', 'HS512'])
      const input = `${b64({ ...of.header, alg, kid: dice.pick(['k1', 'k2', undefined]) })}.${b64(of.claims)}`
      const secret = dice.pick(publicForms(of.publicJwk))
      const mac = createHmac(`sha${alg.slice(2)}`, createSecretKey(Buffer.from(secret)))
        .update(input)
        .digest()
      return `${input}.${b64(mac)}`
    },
  },
  {
    name: 'an HMAC under the algorithm of the key',
    make: (of, dice) => {
      const input = `${b64(of.header)}.${b64(of.claims)}`
      return `${input}.${b64(
        createHmac('sha256', dice.pick(publicForms(of.publicJwk)))
          .update(input)
          .digest(),
      )}`
    },
  },
]

const known = new WeakMap<object, readonly (string | Uint8Array)[]>()

function publicForms(jwk: JWK | undefined): readonly (string | Uint8Array)[] {
  if (jwk === undefined) return ['', 'secret', 'k1', Buffer.alloc(64)]
  const key = createPublicKey({ key: jwk as never, format: 'jwk' })
  const pem = key.export({ type: 'spki', format: 'pem' }) as string
  const members = [jwk.x, jwk.n].filter((member) => member !== undefined).map((member) => Buffer.from(member, 'base64url'))
  const der = key.export({ type: 'spki', format: 'der' })
  const forms = [
    pem,
    pem.trimEnd(),
    ` \n${pem}`,
    `junk\n${pem}`,
    pem.replaceAll('\n', '\r\n'),
    der,
    JSON.stringify(jwk),
    ...members,
    '',
  ]
  known.set(jwk, known.get(jwk) ?? forms)
  return known.get(jwk)!
}

// The orders of P-256 and of Ed25519's group.
const N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
const L = 0x1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3edn

function number(bytes: Uint8Array, order: 'big' | 'little' = 'big'): bigint {
  const copy = Buffer.from(bytes)
  return BigInt(`0x${(order === 'big' ? copy : copy.reverse()).toString('hex') || '0'}`)
}

function bytes(value: bigint, length: number, order: 'big' | 'little' = 'big'): Uint8Array {
  const made = Buffer.from((value & ((1n << BigInt(8 * length)) - 1n)).toString(16).padStart(2 * length, '0'), 'hex')
  return order === 'big' ? made : made.reverse()
}

function signatures(name: string, change: (signature: Buffer, of: Base, dice: Dice) => Uint8Array): Mutation {
  return {
    name,
    make: (of, dice) => {
      const [header, payload, signature] = parts(of)
      return `${header}.${payload}.${b64(change(Buffer.from(signature, 'base64url'), of, dice))}`
    },
  }
}

const signing: readonly Mutation[] = [
  signatures('a signature cut or prolonged', (signature, _, dice) =>
    dice.pick([
      Buffer.alloc(0),
      signature.subarray(0, dice.below(signature.length)),
      signature.subarray(1),
      Buffer.concat([Buffer.from([0]), signature]),
      Buffer.concat([signature, Buffer.from([0])]),
      Buffer.concat([signature, signature]),
    ]),
  ),
  signatures('a signature of zeros or ones', (signature, _, dice) => Buffer.alloc(signature.length, dice.pick([0, 0xff, 1]))),
  signatures('a signature with a half of zeros', (signature, _, dice) => {
    const half = signature.length / 2
    return dice.pick([signature.fill(0, 0, half), signature.fill(0, half), signature.fill(0, half).fill(1, signature.length - 1)])
  }),
  signatures('a signature plus the order of its group', (signature, of, dice) => {
    const [r, s] = [signature.subarray(0, signature.length / 2), signature.subarray(signature.length / 2)]
    if (of.alg === 'EdDSA') return Buffer.concat([r, bytes(number(s, 'little') + L, s.length, 'little')])
    return dice.pick([
      Buffer.concat([r, bytes(number(s) + N, s.length)]),
      Buffer.concat([bytes(number(r) + N, r.length), s]),
      Buffer.concat([bytes(number(r) + N, r.length + 1), bytes(number(s), s.length + 1)]),
      bytes(number(signature) + N, signature.length),
    ])
  }),
  // Good under ECDSA, whose signatures come in pairs, and bad under everything else.
  signatures('the other of two signatures', (signature) => {
    const [r, s] = [signature.subarray(0, signature.length / 2), signature.subarray(signature.length / 2)]
    return Buffer.concat([r, bytes((N - (number(s) % N)) % N, s.length)])
  }),
  {
    name: 'signed by another key, or in another way',
    make: (of, dice) => put(b64(of.header), b64(of.claims), dice.pick(of.otherwise.length > 0 ? of.otherwise : [of.sign])),
  },
  {
    name: 'signed over something else',
    make: (of, dice) => {
      const [header, payload] = parts(of)
      const input = dice.pick([header, payload, `${header}.`, `.${payload}`, `${header}.${payload}.`, `${header}${payload}`, ''])
      return `${header}.${payload}.${b64(of.sign(input))}`
    },
  },
  { name: 'nothing changed', make: (of, dice) => dice.pick([of.token, resigned(of, of.header)]) },
]

export const SIGNATURES: readonly Mutation[] = [...confusions, ...signing]
