import { type Asker, readField } from './condition-node.ts'
import { type AccessReason, type AccessRecord, type RecordDecision, reason } from './decision.ts'
import type { PermissionRules } from './grants.ts'
import { allowsRecord, deniesRecord, isRecord } from './record-rules.ts'

/** The fields of one record that a caller may read and write under a permission. */
export interface FieldAccess {
  readonly readable: readonly string[]
  readonly writable: readonly string[]
}

/** What `pick` does with a field that may not be written: refuse all of the input (the default), or leave the field out. */
export type PickMode = 'refuse' | 'strip'

/** What came of `pick`. */
export type PickResult<Input extends object> =
  | {
      readonly ok: true
      /** The fields of the input that may be written. */
      readonly value: { readonly [N in keyof Input]?: Input[N] }
      /** What was left out. Empty unless the mode is `strip`. */
      readonly stripped: readonly string[]
    }
  | {
      readonly ok: false
      /** For the log. */
      readonly reason: AccessReason
      /** The fields that may not be written. Empty where the permission itself is refused. They are the caller's own words. */
      readonly fields: readonly string[]
    }

/** What came of `project`. */
export type ProjectResult<R extends object> =
  | { readonly ok: true; readonly value: { readonly [N in keyof R]?: R[N] } }
  | { readonly ok: false; readonly reason: AccessReason }

const NO_FIELDS: FieldAccess = Object.freeze({ readable: Object.freeze([]), writable: Object.freeze([]) })

/** @param rules none where the record is refused */
export function fieldsOf(rules: PermissionRules | undefined, asker: Asker, record: object): FieldAccess {
  if (rules === undefined) return NO_FIELDS
  const allows = rules.allows.filter((reached) => allowsRecord(reached, asker, record))
  const denies = rules.fieldDenies.filter((reached) => deniesRecord(reached, asker, record))
  const list = (kind: 'readable' | 'writable'): readonly string[] => {
    const fields = new Set(allows.flatMap(({ rule }) => [...(rule[kind] ?? [])]))
    for (const { rule } of denies) for (const field of rule[kind] ?? []) fields.delete(field)
    return Object.freeze([...fields])
  }
  return Object.freeze({ readable: list('readable'), writable: list('writable') })
}

/** See `Access.pick`. */
export function pickFields<Input extends object>(
  { allowed, permission, reason: why }: RecordDecision,
  { writable }: FieldAccess,
  input: Input,
  mode: PickMode,
): PickResult<Input> {
  if (!allowed) return { ok: false, reason: why, fields: [] }
  if (!isRecord(input) || Array.isArray(input)) {
    return { ok: false, reason: reason('rbac.field_unwritable', () => 'what shall be written is no object'), fields: [] }
  }
  // Own members alone, and each read once. A member that is undefined says nothing: that is how schemas write what was not sent.
  const given = Object.entries(input).filter(([, value]) => value !== undefined)
  const excess = given.map(([field]) => field).filter((field) => !writable.includes(field))
  if (excess.length > 0 && mode === 'refuse') {
    const list = excess.map((field) => JSON.stringify(field)).join(', ')
    const message = (): string => `${permission} does not let the caller write ${list}`
    return { ok: false, reason: reason('rbac.field_unwritable', message), fields: excess }
  }
  // `fromEntries` defines members, where an assignment to `__proto__` would change what the value is.
  const value = Object.fromEntries(given.filter(([field]) => writable.includes(field))) as PickResultValue<Input>
  return { ok: true, value, stripped: excess }
}

type PickResultValue<Input extends object> = Extract<PickResult<Input>, { ok: true }>['value']

/** See `Access.project`. */
export function projectFields<R extends AccessRecord>(
  { allowed, reason: why }: RecordDecision,
  { readable }: FieldAccess,
  record: R,
): ProjectResult<R> {
  if (!allowed) return { ok: false, reason: why }
  const value = Object.fromEntries(
    readable.map((field) => [field, readField(record, field)] as const).filter(([, value]) => value !== undefined),
  )
  return { ok: true, value: value as { readonly [N in keyof R]?: R[N] } }
}
