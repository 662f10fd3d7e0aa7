import { isIPv4 } from 'node:net'
import { type Clock, type Continue, type Guard, problem, type Refusal, type RequestView, systemClock } from '@portcullis/core'
import { plaintextRefused } from './events.ts'

/** Options of {@link httpsOnly}. */
export interface HttpsOnlyOptions {
  /**
   * For development: lets plain HTTP pass when the client's address **and** the host are loopback and nothing says that a proxy
   * forwarded the request. False by default. Never set it behind a proxy on the same machine: one that neither forwards the
   * host nor names itself can't be told from a local client.
   */
  readonly allowLoopback?: boolean
  readonly clock?: Clock
}

/**
 * Refuses plain HTTP with 403. It never redirects: a redirect hides that a credential has already been sent in clear, and
 * clients would go on doing so (ASVS v5.0.0-4.1.2). Hang it on the entrance, before everything else.
 *
 * It judges `client.secure`; behind a proxy that ends TLS, list the proxy as trusted, or every request is refused.
 */
export function httpsOnly(options: HttpsOnlyOptions = {}): Guard {
  const { allowLoopback = false, clock = systemClock } = options
  return function httpsOnly(req: RequestView) {
    if (req.client.secure || (allowLoopback && isLocal(req))) return CONTINUE
    plaintextRefused.publish(
      {
        method: req.method,
        host: req.client.host,
        credentialExposed: req.headers['authorization'] !== undefined || req.headers['cookie'] !== undefined,
      },
      { request: req, clock },
    )
    return REFUSAL
  }
}

const CONTINUE: Continue = Object.freeze({ type: 'continue' })

// No `Connection: close`: it would end a proxy's connection instead of the client's (RFC 9110 §7.6.1), and HTTP/2 has none.
const REFUSAL: Refusal = Object.freeze({
  type: 'reply',
  reply: Object.freeze(problem({ status: 403, detail: 'This service answers over HTTPS only.' })),
  cause: Object.freeze({ code: 'transport.plaintext', message: 'the request came over plain HTTP' }),
})

// What a proxy adds. A request that was forwarded is not a local client's, whatever address and host it shows.
const FORWARDING = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-real-ip', 'via']

function isLocal(req: RequestView): boolean {
  const { ip, host } = req.client
  // Both: the client chooses the host, and a proxy on this machine has the address.
  return isLoopbackIp(ip) && isLoopbackHost(host) && FORWARDING.every((name) => req.headers[name] === undefined)
}

function isLoopbackIp(ip: string | undefined): boolean {
  return ip !== undefined && (ip === '::1' || (isIPv4(ip) && ip.startsWith('127.')))
}

function isLoopbackHost(host: string): boolean {
  const name = host.replace(/:\d+$/, '')
  return name === 'localhost' || name === '[::1]' || (isIPv4(name) && name.startsWith('127.'))
}
