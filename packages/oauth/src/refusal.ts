import { type HeaderList, json, type Reply } from '@portcullis/core'

/** Error codes that clients are told: RFC 6749 §4.1.2.1 and §5.2, OpenID Connect Core §3.1.2.6, RFC 7009, RFC 8707, RFC 9449, RFC 9470. */
export type ProtocolError =
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_grant'
  | 'invalid_dpop_proof'
  | 'use_dpop_nonce'
  | 'invalid_scope'
  | 'invalid_target'
  | 'unauthorized_client'
  | 'unsupported_grant_type'
  | 'unsupported_response_type'
  | 'unsupported_token_type'
  | 'access_denied'
  | 'login_required'
  | 'consent_required'
  | 'interaction_required'
  | 'unmet_authentication_requirements'
  | 'request_not_supported'
  | 'request_uri_not_supported'
  | 'registration_not_supported'

/** A request of a client that is turned down. */
export interface Refused {
  readonly type: 'refused'
  /** For the client. */
  readonly error: ProtocolError
  /** For the client's developer; printable ASCII, nothing secret. */
  readonly description: string
  /** For the log: a stable code that says more than the client is told. */
  readonly reason: string
}

/** Makes a refusal. */
export function refused(error: ProtocolError, reason: string, description: string): Refused {
  return { type: 'refused', error, reason, description }
}

/** RFC 6749 §5.2. @param headers further lines, such as the challenge of a client that used Basic */
export function errorReply(refusal: Refused, headers: HeaderList = []): Reply {
  const status = refusal.error === 'invalid_client' ? 401 : 400
  return json(
    { error: refusal.error, error_description: refusal.description },
    { status, headers: [['Pragma', 'no-cache'], ...headers] },
  )
}
