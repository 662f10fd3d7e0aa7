import type { Client } from '@portcullis/core'

/**
 * An origin of http or https as browsers write it (RFC 6454 §6.2), default ports left out; `undefined` for anything else: `null`,
 * a path, user information, several at once.
 */
export function parseOrigin(text: string): string | undefined {
  // What URL would mend (white space, backslashes, percent signs, a missing slash) no browser sends.
  if (!/^https?:\/\/(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i.test(text) || !URL.canParse(text)) return undefined
  return new URL(text).origin
}

/** The origin of the server as its client sees it; `undefined` when the request named no host. */
export function ownOrigin({ secure, host }: Client): string | undefined {
  return parseOrigin(`${secure ? 'https' : 'http'}://${host}`)
}
