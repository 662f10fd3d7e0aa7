export { type Advice, type AdviseOptions, adviseRoles, type ReplayVerdict, replayDecisions } from './advisor-advise.ts'
export { AdvisorError, type AdvisorErrorCode } from './advisor-errors.ts'
export {
  type AnyDecisionLine,
  DECISION_LOG_VERSION,
  type DecisionLine,
  type DecisionLogLine,
  type DecisionSampling,
  parseDecisionLine,
} from './advisor-line.ts'
export {
  createDecisionLog,
  type DecisionCaller,
  type DecisionLog,
  type DecisionLogDropped,
  type DecisionLogOptions,
  decisionLogDropped,
} from './advisor-log.ts'
export type { CallerAdvice, PermissionSince, RoleAdvice, RoleStanding, SubsetAdvice } from './advisor-proposal.ts'
export type { BrokenAllow, ProposedAssignment, ReplayCount, RoleProposal } from './advisor-replay.ts'
export type { GrantReach, RoleGrant } from './advisor-roles.ts'
export type { CallerUse, LogCoverage } from './advisor-usage.ts'
