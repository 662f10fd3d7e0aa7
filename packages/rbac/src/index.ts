export { type Access, type BoundAccess, defineAccess, type PermissionRef, type PickOptions } from './access.ts'
export { type AccessSource, type AccessSourceOptions, createAccessSource, type PublishResult } from './access-source.ts'
export type {
  Attribute,
  AttributeValue,
  Condition,
  Fields,
  FieldType,
  Literal,
  NowOperand,
  PrincipalAttribute,
  PrincipalOperand,
  RecordTest,
} from './condition.ts'
export type { ConditionTrace } from './condition-text.ts'
export type {
  AccessDecision,
  AccessReason,
  AccessReasonCode,
  AccessRecord,
  AccessTerm,
  RecordDecision,
  RuleTrace,
  SomeDecision,
} from './decision.ts'
export type {
  AccessDefinition,
  ConditionalRule,
  PermissionOf,
  PermissionPattern,
  ResourceFields,
  Resources,
  RoleDefinition,
  RoleDefinitions,
  Rule,
} from './definition.ts'
export { AccessError, type AccessErrorCode } from './errors.ts'
export {
  type RecordDecisionData,
  type RulesChangedData,
  type RulesUnavailableData,
  recordDecision,
  rulesChanged,
  rulesUnavailable,
} from './events.ts'
export { type ClientExplanation, type Explanation, type ExplanationNode, explain } from './explain.ts'
export type { FieldAccess, PickMode, PickResult, ProjectResult } from './fields.ts'
export type { AccessFilter, AccessPrefilter } from './filter.ts'
export type { SqlCondition, SqlDialect, SqlOptions } from './filter-sql.ts'
export type { PermitOptions } from './guard.ts'
export { formatMatrix, type MatrixAccess, type MatrixCell, type MatrixRow, routeMatrix } from './matrix.ts'
export { type AccessChange, type AccessChangeKind, compareMatrices } from './matrix-diff.ts'
export { AccessFileError, type AccessFileErrorCode, formatAccessFile, parseAccessFile } from './matrix-file.ts'
export type { ResolvedPermission } from './permission.ts'
export type { RoleRule } from './role.ts'
