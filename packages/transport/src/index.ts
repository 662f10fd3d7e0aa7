export { type CrossOriginProtectionOptions, crossOriginProtection } from './cross-origin.ts'
export {
  type CspDirective,
  type CspDirectives,
  cspNonce,
  type PageContentSecurityPolicyOptions,
  pageContentSecurityPolicy,
} from './csp.ts'
export { TransportError, type TransportErrorCode } from './errors.ts'
export {
  type CrossOriginRefusedData,
  crossOriginRefused,
  type PlaintextRefusedData,
  plaintextRefused,
} from './events.ts'
export type { HstsOptions } from './hsts.ts'
export { type HttpsOnlyOptions, httpsOnly } from './https-only.ts'
export type { PermissionsPolicy } from './permissions-policy.ts'
export { type SecurityHeadersOptions, securityHeaders } from './security-headers.ts'
