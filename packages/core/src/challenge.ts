import type { HeaderList } from './decision.ts'
import { CoreError } from './errors.ts'
import type { Principal } from './principal.ts'

/**
 * A `WWW-Authenticate` line in the scheme that the caller used (RFC 9110 §11.6.1); none for a principal without a scheme.
 * @throws CoreError `core.header_invalid` when a value can't stand in a quoted string
 */
export function challenge(of: Pick<Principal, 'challenge'>, params: Readonly<Record<string, string>>): HeaderList {
  if (of.challenge === undefined) return []
  const all = Object.entries({ ...of.challenge.params, ...params })
  const text = all.map(([name, value]) => `${name}="${quotable(value)}"`).join(', ')
  return [['WWW-Authenticate', text === '' ? of.challenge.scheme : `${of.challenge.scheme} ${text}`]]
}

// RFC 6750 §3: error descriptions and scopes stay within printable ASCII without quote and backslash.
function quotable(value: string): string {
  if (!/^[\x20-\x21\x23-\x5b\x5d-\x7e]*$/.test(value)) {
    throw new CoreError(
      'core.header_invalid',
      'a challenge parameter has a character outside printable ASCII, a quote or a backslash',
    )
  }
  return value
}
