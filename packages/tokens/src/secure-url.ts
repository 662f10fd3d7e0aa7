import { TokenError } from './errors.ts'

/**
 * A URL that keys and metadata may come from: `https:`, or plain HTTP to this very machine. Neither credentials nor a fragment.
 * @throws TokenError `tokens.options_invalid`
 */
export function secureUrl(name: string, value: unknown): string {
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined
  if (url === undefined) throw new TokenError('tokens.options_invalid', `${name} is not a URL`)
  const local = url.protocol === 'http:' && isLoopback(url.hostname)
  if (url.protocol !== 'https:' && !local) throw new TokenError('tokens.options_invalid', `${name} is not an https: URL`)
  if (url.username !== '' || url.password !== '' || url.hash !== '') {
    throw new TokenError('tokens.options_invalid', `${name} has credentials or a fragment`)
  }
  return value as string
}

// As `URL` writes them. RFC 6761 §6.3 keeps localhost on this machine.
function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname)
}
