export { type Access, type BoundAccess, defineAccess, type PermissionRef } from './access.ts'
export type {
  AccessDecision,
  AccessReason,
  AccessReasonCode,
  AccessRecord,
  RecordDecision,
  SomeDecision,
} from './decision.ts'
export type { AccessDefinition, PermissionOf, PermissionPattern, Resources, RoleDefinition } from './definition.ts'
export { AccessError, type AccessErrorCode } from './errors.ts'
export { type RecordDecisionData, recordDecision } from './events.ts'
export type { PermitOptions } from './guard.ts'
export { formatMatrix, type MatrixCell, type MatrixRow, routeMatrix } from './matrix.ts'
export type { ResolvedPermission } from './permission.ts'
export type { RoleRule } from './role.ts'
