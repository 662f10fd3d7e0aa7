import type { RequestView } from '@portcullis/core'
import type { Account } from '../account.ts'
import type { Client } from '../client.ts'
import { OAuthError } from '../errors.ts'
import { issueIdToken } from '../id-token.ts'
import type { Provider } from '../provider.ts'
import type { Resource } from '../scope.ts'
import type { TokenAnswer } from '../token.ts'

/** What access and ID tokens for a person are made of. */
export interface UserTokens {
  readonly provider: Provider
  readonly client: Client
  /** As it is now: tenant and roles are those of this moment. */
  readonly account: Account
  readonly resource: Resource
  /** How and when the person signed in. */
  readonly grant: {
    readonly authTime: number
    readonly acr: string
    readonly amr: readonly string[]
    readonly sessionId: string
    /** What revokes the access token with the grant: a refresh token's family, or the code where there is none. */
    readonly grantId: string
    readonly nonce?: string | undefined
  }
  readonly scopes: readonly string[]
  /** The key that the access token is bound to. */
  readonly jkt: string | undefined
  readonly req: RequestView
}

/**
 * Issues an access token (RFC 9068), and with `openid` an ID token.
 * @throws OAuthError `oauth.account_invalid` when a person has a client's id for a subject: resource servers would take one for the
 * other (RFC 9068 §5, RFC 9700 §4.15)
 */
export async function issueUserTokens({
  provider,
  client,
  account,
  resource,
  grant,
  scopes,
  jkt,
  req,
}: UserTokens): Promise<TokenAnswer> {
  const { clientId } = client
  const { subject, roles, tenant } = account
  if ((await provider.clients.find(subject)) !== undefined) {
    throw new OAuthError('oauth.account_invalid', 'an account has the id of a client for its subject')
  }
  const { authTime, acr, amr, sessionId, grantId, nonce } = grant
  const access = await provider.tokens.accessToken(
    {
      subject,
      audience: resource.identifier,
      clientId,
      scopes,
      authTime,
      acr,
      amr,
      roles,
      grantId,
      ...(jkt !== undefined && { confirmation: { jkt } }),
      ...(sessionId !== '' && { sessionId }),
      ...(tenant !== undefined && { tenant }),
      lifetime: provider.lifetimes.accessToken,
    },
    { request: req },
  )
  const about = { subject, clientId, authTime, acr, amr, sessionId, nonce }
  return {
    type: 'tokens',
    accessToken: access.token,
    jti: access.jti,
    expiresIn: access.expiresIn,
    subject,
    scopes,
    audience: resource.identifier,
    idToken: scopes.includes('openid') ? await issueIdToken(provider, about, access.token, req) : undefined,
  }
}
