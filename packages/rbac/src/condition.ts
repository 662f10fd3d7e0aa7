import type { Principal, RequestView } from '@portcullis/core'

/** What a field of a record holds: the `typeof` of its values. A field may be missing, `null` or `undefined`. */
export type FieldType = 'string' | 'number' | 'boolean'

/** The fields of one resource that conditions and field rules may name. */
export type Fields = Readonly<Record<string, FieldType>>

/** A value in a condition. */
export type Literal = string | number | boolean

/** What an attribute of the caller may be; `undefined`: he has none, and no comparison with it is met. */
export type AttributeValue = Literal | readonly Literal[] | undefined

/**
 * Finds an attribute of the caller, or of his request, for conditions: a department from a directory that is in memory, the
 * address that he calls from.
 * @param request the request, where the question is about one (`check`, `decideFor`, `filterFor`); else `undefined`
 */
export type Attribute = (principal: Principal, request: RequestView | undefined) => AttributeValue

/** What every caller has: members of core's `Principal`. */
export type PrincipalAttribute = 'subject' | 'kind' | 'tenant' | 'clientId' | 'acr' | 'authTime' | 'roles' | 'scopes' | 'amr'

/** The value of an attribute of the caller, at the moment of the question. */
export interface PrincipalOperand<Name extends string = string> {
  readonly principal: PrincipalAttribute | Name
}

/** The time of the question by the definition's clock, in the unit that the field has. `rfc3339` is UTC with milliseconds. */
export interface NowOperand {
  readonly now: 'milliseconds' | 'seconds' | 'rfc3339'
}

type ValueOf<T extends FieldType> = { string: string; number: number; boolean: boolean }[T]

type Operand<T extends FieldType, Name extends string> =
  | ValueOf<T>
  | PrincipalOperand<Name>
  | (T extends 'boolean' ? never : NowOperand)

/** One field against one value. Strings are ordered by code point, as bytes of UTF-8 are. */
type Comparison<F extends Fields, Name extends string> = {
  [N in keyof F & string]:
    | { readonly field: N; readonly eq: Operand<F[N], Name> }
    | { readonly field: N; readonly ne: Operand<F[N], Name> }
    | { readonly field: N; readonly in: readonly ValueOf<F[N]>[] | PrincipalOperand<Name> }
    | { readonly field: N; readonly exists: boolean }
    | (F[N] extends 'boolean'
        ? never
        :
            | { readonly field: N; readonly lt: Operand<F[N], Name> }
            | { readonly field: N; readonly lte: Operand<F[N], Name> }
            | { readonly field: N; readonly gt: Operand<F[N], Name> }
            | { readonly field: N; readonly gte: Operand<F[N], Name> })
}[keyof F & string]

type StringField<F extends Fields> = { [N in keyof F & string]: 'string' extends F[N] ? N : never }[keyof F & string]

/**
 * A condition on a record, as data: it can be stored as JSON, explained in words and turned into a query.
 *
 * It is true, false or unknown, as in SQL. A comparison is unknown when the field or the value is missing or of another type, and
 * so is the negation of what is unknown. A rule that allows needs true; one that denies does so unless it is false: what is not
 * known never opens anything.
 * @typeParam F the fields that may be named
 * @typeParam Name the caller's attributes that the definition adds
 */
export type Condition<F extends Fields = Fields, Name extends string = string> =
  /** The field holds the caller's `subject`. */
  | { readonly owner: StringField<F> }
  | Comparison<F, Name>
  /** All of them; of none, true. */
  | { readonly all: readonly Condition<F, Name>[] }
  /** One of them at least; of none, false. */
  | { readonly any: readonly Condition<F, Name>[] }
  | { readonly not: Condition<F, Name> }

/**
 * A condition as a function: the escape where data does not reach. It can't be stored, nor turned into a query, and its explanation
 * says no more than its outcome. Only `true` and `false` are answers; anything else, a promise too, is unknown.
 */
export type RecordTest = (principal: Principal, record: Readonly<Record<string, unknown>>) => boolean
