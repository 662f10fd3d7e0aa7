import { optionsInvalid } from './decider-errors.ts'

/**
 * The identifier of a policy decision point (AuthZEN §9.1.1), or one of its endpoints: `https:`, or plain HTTP to this very machine;
 * no credentials, no query, no fragment.
 * @returns as written, without a slash at its end
 * @throws DeciderError `rbac.decider_options_invalid`
 */
export function pdpUrl(name: string, value: unknown): string {
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined
  if (typeof value !== 'string' || url === undefined) throw optionsInvalid(`${name} is not a URL`)
  const local = url.protocol === 'http:' && isLoopback(url.hostname)
  if (url.protocol !== 'https:' && !local) throw optionsInvalid(`${name} is not an https: URL`)
  if (url.username !== '' || url.password !== '' || /[?#]/.test(value)) {
    throw optionsInvalid(`${name} has credentials, a query or a fragment`)
  }
  return value.replace(/\/$/, '')
}

// As `URL` writes them. RFC 6761 §6.3 keeps localhost on this machine.
function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname)
}
