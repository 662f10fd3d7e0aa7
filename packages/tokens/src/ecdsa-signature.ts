/*
 * node:crypto also speaks the form of JWS by itself (`dsaEncoding: 'ieee-p1363'`). It has to be told in an object around the key,
 * and on Node 24 a key in an object makes ECDSA half as fast as a bare one (measured, apps/bench). Hence these two translations.
 */

const SEQUENCE = 0x30
const INTEGER = 0x02

/** R and S side by side (RFC 7518 §3.4) as the `ECDSA-Sig-Value` of RFC 3279 §2.2.3, in DER. */
export function toDer(signature: Uint8Array): Uint8Array {
  const half = signature.length >> 1
  const r = unsigned(signature.subarray(0, half))
  const s = unsigned(signature.subarray(half))
  const content = 4 + sizeOf(r) + sizeOf(s)
  // X.690 §8.1.3: a length below 128 is one byte; of the curves here, P-521 alone needs two.
  const start = content < 128 ? 2 : 3
  const der = new Uint8Array(start + content)
  der[0] = SEQUENCE
  if (start === 3) der[1] = 0x81
  der[start - 1] = content
  putInteger(der, putInteger(der, start, r), s)
  return der
}

/**
 * The other way, for what OpenSSL has just made.
 * @param half bytes of R and of S
 */
export function fromDer(der: Uint8Array, half: number): Uint8Array {
  const signature = new Uint8Array(2 * half)
  const start = der[1] === 0x81 ? 3 : 2
  const rEnd = start + 2 + (der[start + 1] ?? 0)
  const r = unsigned(der.subarray(start + 2, rEnd))
  const s = unsigned(der.subarray(rEnd + 2))
  signature.set(r, half - r.length)
  signature.set(s, 2 * half - s.length)
  return signature
}

/** Without leading zeros; at least one byte. */
function unsigned(bytes: Uint8Array): Uint8Array {
  let zeros = 0
  while (zeros < bytes.length - 1 && bytes[zeros] === 0) zeros++
  return zeros === 0 ? bytes : bytes.subarray(zeros)
}

// X.690 §8.3: an INTEGER has a sign, so a leading one is kept from being one by a zero before it.
function sizeOf(integer: Uint8Array): number {
  return integer.length + ((integer[0] ?? 0) >> 7)
}

function putInteger(der: Uint8Array, at: number, integer: Uint8Array): number {
  const size = sizeOf(integer)
  der[at] = INTEGER
  der[at + 1] = size
  der.set(integer, at + 2 + size - integer.length)
  return at + 2 + size
}
