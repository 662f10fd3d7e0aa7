export { formatUncovered, type Uncovered } from './testing-coverage.ts'
export { type DescribePoliciesOptions, describePolicies, type PolicyTestRunner } from './testing-describe.ts'
export {
  type PolicyPerson,
  type PolicyRow,
  PolicyTableError,
  type PolicyTableErrorCode,
  type PolicyTableOptions,
} from './testing-row.ts'
export { type PolicyReport, type PolicyResult, type PolicySource, policyTests } from './testing-run.ts'
