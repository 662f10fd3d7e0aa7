import { OAuthError } from './errors.ts'
import { type Refused, refused } from './refusal.ts'

/** An API that takes this server's tokens (RFC 8707). */
export interface Resource {
  /** An absolute URI without fragment; it becomes `aud`. */
  readonly identifier: string
  /** The scopes that mean something there; a token for it has no others, save those of OpenID Connect. */
  readonly scopes: readonly string[]
  /** Whether a request that names no `resource` means this one. With one resource alone, it does. */
  readonly default?: boolean
}

/** Scopes of OpenID Connect (Core §5.4, §11), with the words for the consent page. */
const OPENID_SCOPES: Readonly<Record<string, string>> = {
  openid: 'Know who you are when you sign in',
  profile: 'See your name and profile',
  email: 'See your email address',
  address: 'See your postal address',
  phone: 'See your phone number',
  offline_access: 'Keep this access when you are not there',
}

/** What may be asked for, and for whom. */
export interface ScopeCatalog {
  readonly names: readonly string[]
  readonly resources: readonly Resource[]
  /** The words for the consent page. */
  wordsFor(scope: string): string
  /** `undefined`: not ours. @param identifier none: the default one */
  resource(identifier: string | undefined): Resource | undefined
  /** Those of `scopes` that go into a token for this resource. */
  within(scopes: readonly string[], resource: Resource): readonly string[]
}

/**
 * @param words a phrase for every scope of a resource, as it completes "wants to …"; those of OpenID Connect have one already
 * @throws OAuthError `oauth.resource_invalid`, `oauth.scope_invalid`
 */
export function createScopeCatalog(resources: readonly Resource[], words: Readonly<Record<string, string>>): ScopeCatalog {
  const byId = new Map(resources.map((resource) => [resource.identifier, resource]))
  const standard = resources.length === 1 ? resources : resources.filter((one) => one.default === true)
  const [fallback] = standard
  if (fallback === undefined || standard.length !== 1 || byId.size !== resources.length) {
    throw new OAuthError('oauth.resource_invalid', 'name at least one resource, each once, and exactly one of them the default')
  }
  for (const { identifier } of resources) {
    if (!URL.canParse(identifier) || identifier.includes('#') || /\s/.test(identifier)) {
      throw new OAuthError('oauth.resource_invalid', 'a resource is an absolute URI without fragment (RFC 8707 §2)')
    }
  }
  const phrases = new Map(Object.entries({ ...OPENID_SCOPES, ...words }))
  for (const scope of resources.flatMap((resource) => resource.scopes)) {
    if (!isScopeToken(scope)) throw new OAuthError('oauth.scope_invalid', 'a scope has a character that scopes do not have')
    if (Object.hasOwn(OPENID_SCOPES, scope)) throw new OAuthError('oauth.scope_invalid', `${scope} belongs to OpenID Connect`)
    if (!phrases.has(scope)) throw new OAuthError('oauth.scope_invalid', `${scope} has no words for the consent page`)
  }
  const names = [...new Set([...Object.keys(OPENID_SCOPES), ...resources.flatMap((resource) => resource.scopes)])]
  return {
    names,
    resources,
    wordsFor: (scope) => phrases.get(scope) ?? scope,
    resource: (identifier) => (identifier === undefined ? fallback : byId.get(identifier)),
    within: (scopes, { scopes: own }) => scopes.filter((scope) => own.includes(scope) || Object.hasOwn(OPENID_SCOPES, scope)),
  }
}

/** RFC 6749 §3.3: scope-token. */
export function isScopeToken(scope: string): boolean {
  return /^[\x21\x23-\x5b\x5d-\x7e]{1,128}$/.test(scope)
}

/**
 * Reads a `scope` parameter and holds it against a limit. What is beyond the limit is refused, not dropped: a client should know
 * that it has less than it asked for.
 */
export function parseScope(text: string, limit: readonly string[]): readonly string[] | Refused {
  const scopes = [...new Set(text.split(' ').filter((scope) => scope !== ''))]
  if (scopes.length === 0) return refused('invalid_scope', 'oauth.scope_missing', 'scope is required')
  if (!scopes.every(isScopeToken)) return refused('invalid_scope', 'oauth.scope_malformed', 'scope is malformed')
  return scopes.every((scope) => limit.includes(scope))
    ? scopes
    : refused('invalid_scope', 'oauth.scope_not_allowed', 'a scope is unknown, or not allowed here')
}
