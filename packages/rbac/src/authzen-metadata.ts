import { type ConnectionOptions, PdpConnection } from './authzen-connection.ts'
import { isObject, type JsonObject, own } from './authzen-json.ts'
import { pdpUrl } from './authzen-url.ts'
import { malformed } from './decider-errors.ts'

/** A policy decision point's metadata (AuthZEN §9.1). An endpoint that is missing is one that it does not have. */
export interface AuthzenMetadata {
  readonly policy_decision_point: string
  readonly access_evaluation_endpoint: string
  readonly access_evaluations_endpoint?: string
  readonly search_subject_endpoint?: string
  readonly search_resource_endpoint?: string
  readonly search_action_endpoint?: string
}

/** Where metadata is, before the identifier's own path (§9.2). */
export const METADATA_PATH = '/.well-known/authzen-configuration'

const ENDPOINTS = {
  access_evaluation_endpoint: '/access/v1/evaluation',
  access_evaluations_endpoint: '/access/v1/evaluations',
  search_subject_endpoint: '/access/v1/search/subject',
  search_resource_endpoint: '/access/v1/search/resource',
  search_action_endpoint: '/access/v1/search/action',
} as const

/** Metadata with the endpoints at their default paths (§10.1). @param paths those that there are; default: all */
export function metadataOf(url: string, paths: readonly string[] = Object.values(ENDPOINTS)): AuthzenMetadata {
  const there = Object.entries(ENDPOINTS).filter(([, path]) => paths.includes(path))
  return {
    policy_decision_point: url,
    access_evaluation_endpoint: `${url}${ENDPOINTS.access_evaluation_endpoint}`,
    ...Object.fromEntries(there.map(([name, path]) => [name, `${url}${path}`])),
  }
}

/**
 * Fetches the metadata of a policy decision point, and checks that it is that one's own (§9.2.3). Give it to
 * `createAuthzenDecider` as `metadata`. Signed metadata is not read.
 * @throws DeciderError `rbac.decider_options_invalid`, `rbac.decider_unavailable`, `rbac.decider_answer_malformed`
 */
export async function discoverAuthzen(url: string, options: ConnectionOptions = {}): Promise<AuthzenMetadata> {
  const identifier = pdpUrl('url', url)
  const { origin, pathname } = new URL(identifier)
  const connection = new PdpConnection(options)
  const document = await connection.get(`${origin}${METADATA_PATH}${pathname === '/' ? '' : pathname}`)
  return readMetadata(document, identifier)
}

/** @throws DeciderError `rbac.decider_answer_malformed`, `rbac.decider_options_invalid` for a URL that is not one to ask */
export function readMetadata(document: unknown, identifier: string): AuthzenMetadata {
  if (!isObject(document)) throw malformed('the metadata is not an object')
  const said = own(document, 'policy_decision_point')
  // A slash at the end is no other policy decision point; anything else is (§9.1.1: mix-up).
  if (typeof said !== 'string' || said.replace(/\/$/, '') !== identifier) {
    throw malformed('the metadata is of another policy decision point')
  }
  return {
    policy_decision_point: identifier,
    access_evaluation_endpoint: endpointIn(document, 'access_evaluation_endpoint') ?? missing(),
    ...Object.fromEntries(
      Object.keys(ENDPOINTS).flatMap((name) => {
        const endpoint = endpointIn(document, name)
        return endpoint === undefined ? [] : [[name, endpoint]]
      }),
    ),
  }
}

function endpointIn(document: JsonObject, name: string): string | undefined {
  const value = own(document, name)
  return value === undefined || value === null ? undefined : pdpUrl(name, value)
}

function missing(): never {
  throw malformed('the metadata has no access_evaluation_endpoint')
}
