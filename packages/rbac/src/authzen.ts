export { type AuthzenClientOptions, type AuthzenDeciderOptions, createAuthzenDecider } from './authzen-client.ts'
export type { ConnectionOptions, Fetch } from './authzen-connection.ts'
export { type AuthzenEndpoints, type AuthzenEndpointsOptions, authzenEndpoints } from './authzen-endpoints.ts'
export { type AuthzenMetadata, discoverAuthzen } from './authzen-metadata.ts'
export type { AskedAbout } from './authzen-pdp.ts'
export {
  type AccessSearch,
  type ActionQuery,
  actionsOf,
  type PageRequest,
  type ResourceQuery,
  type SearchCandidates,
  type SearchPage,
  type Sought,
  type SubjectQuery,
  searchBy,
} from './authzen-search.ts'
export { createAuthzenSearch } from './authzen-search-client.ts'
