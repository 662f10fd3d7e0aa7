/** Base64 without padding, as PHC strings have it. */
export function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64').replace(/=+$/, '')
}

/** Base64 with or without padding; `.` stands for `+` in passlib's. */
export function fromBase64(text: string): Buffer {
  return Buffer.from(text.replaceAll('.', '+'), 'base64')
}

const standard = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const bcrypts = './ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/** The 16 bytes of a bcrypt salt, which has an alphabet of its own. */
export function fromBcrypt64(text: string): Buffer {
  return Buffer.from(
    text.replace(/./g, (digit) => standard.charAt(bcrypts.indexOf(digit))),
    'base64',
  )
}
