import { type HeaderList, problem, type Reason, type Reply } from '@portcullis/core'

const TYPES = 'https://iana.org/assignments/http-problem-types#'

/** What this caller used is more than he was granted: `quota-exceeded` (draft-ietf-httpapi-ratelimit-headers-10 §5.1). */
export function quotaExceeded(violated: readonly string[], headers: HeaderList = []): Reply {
  return problem(
    {
      status: 429,
      type: `${TYPES}quota-exceeded`,
      title: 'Request cannot be satisfied as assigned quota has been exceeded',
      'violated-policies': violated,
    },
    headers,
  )
}

/** The server has no more to give, whoever asks: `temporary-reduced-capacity` (draft-ietf-httpapi-ratelimit-headers-10 §5.2). */
export function reducedCapacity(headers: HeaderList = []): Reply {
  return problem(
    {
      status: 503,
      type: `${TYPES}temporary-reduced-capacity`,
      title: 'Request cannot be satisfied due to temporary server capacity constraints',
    },
    headers,
  )
}

/** `Retry-After` (RFC 9110 §10.2.3). @param seconds `undefined`: waiting does not help */
export function retryAfter(seconds: number | undefined): HeaderList {
  return seconds === undefined ? [] : [['Retry-After', String(seconds)]]
}

/** A refusal's cause, for the log. */
export function refusedBy(violated: readonly string[]): Reason {
  return { code: 'rate_limit.quota_exceeded', message: `refused by ${violated.join(', ')}` }
}
