import type { StepUp } from '@portcullis/core'
import type { MatrixCell, MatrixRow } from './matrix.ts'

/**
 * `widened`: somebody may do what he could not, or must prove less. `narrowed`: the other way. `changed`: a route's rule, or the
 * reason why it is open, reads differently, and nobody may do more or less for it.
 */
export type AccessChangeKind = 'widened' | 'narrowed' | 'changed'

/** One difference between two matrices, in words. */
export interface AccessChange {
  readonly kind: AccessChangeKind
  readonly method: string
  readonly pattern: string
  /** A role's name, `clients`, `authenticated` (every known caller), `open` (everybody), or `undefined` where it is about nobody in particular. */
  readonly who: string | undefined
  /** For a reviewer: `viewer may now POST /api/invoices/:id/refund (invoice:refund)`. */
  readonly message: string
}

/**
 * What became possible for whom, and what no longer is, from the matrix that was committed to the one of now. A route that is
 * listed under `*` counts for every method, and GET for HEAD where HEAD has no row of its own.
 */
export function compareMatrices(before: readonly MatrixRow[], after: readonly MatrixRow[]): readonly AccessChange[] {
  return [
    ...opened(before, after, 'widened'),
    ...opened(after, before, 'narrowed'),
    ...reaches(before, after),
    ...proofs(before, after),
    ...reworded(before, after),
  ]
}

/** Everybody first: what everybody may do need not be said of each role. */
function audiences(rows: readonly MatrixRow[]): readonly string[] {
  const roles = new Set(rows.flatMap((row) => Object.keys(row.roles)))
  return ['open', 'authenticated', ...[...roles].map(roleKey), 'clients']
}

// A role may be called `open` or `clients`.
const roleKey = (role: string): string => `role ${role}`

function may(row: MatrixRow, audience: string): boolean {
  // Not by a role's cell: there may be no role at all.
  if (row.clients === 'open' || row.clients === 'undeclared') return true
  if (audience === 'open') return false
  if (row.clients === 'authenticated') return true
  if (audience === 'authenticated') return false
  return cellOf(row, audience) === 'allow'
}

function cellOf(row: MatrixRow, audience: string): MatrixCell | undefined {
  if (audience === 'clients') return row.clients
  const role = audience.slice(roleKey('').length)
  return Object.hasOwn(row.roles, role) ? row.roles[role] : undefined
}

/** The rows that answered what this one answers. */
function counterparts(rows: readonly MatrixRow[], { method, pattern }: MatrixRow): readonly MatrixRow[] {
  const ofPattern = rows.filter((row) => row.pattern === pattern)
  const listed = (name: string): readonly MatrixRow[] => ofPattern.filter((row) => row.method === name)
  const exact = listed(method)
  if (exact.length > 0) return exact
  const get = method === 'HEAD' ? listed('GET') : []
  return get.length > 0 ? get : listed('*')
}

function opened(from: readonly MatrixRow[], to: readonly MatrixRow[], kind: 'widened' | 'narrowed'): readonly AccessChange[] {
  const all = audiences([...from, ...to])
  return to.flatMap((row) => {
    const earlier = counterparts(from, row)
    const found: AccessChange[] = []
    for (const audience of all) {
      if (!may(row, audience) || earlier.some((one) => may(one, audience))) continue
      found.push({ ...place(row), kind, who: nameOf(audience), message: sentence(row, audience, kind) })
      if (audience === 'open' || audience === 'authenticated') break
    }
    return found
  })
}

function sentence(row: MatrixRow, audience: string, kind: 'widened' | 'narrowed'): string {
  const route = `${row.method} ${row.pattern}`
  const now = kind === 'widened'
  if (audience === 'open') {
    if (row.clients === 'undeclared')
      return now ? `${route} declares no rule: nothing refuses anybody` : `${route} was without a rule`
    return `${route} is ${now ? 'now' : 'no longer'} open to everybody: ${row.rule}`
  }
  if (audience === 'authenticated') return `every known caller may ${now ? 'now' : 'no longer'} ${route}`
  const who = audience === 'clients' ? 'programs acting for themselves' : nameOf(audience)
  return `${who} may ${now ? 'now' : 'no longer'} ${route} (${row.rule})`
}

/** Who could before, and can: on which records. Of two conditions nobody can say which is wider: that is for whoever reviews it. */
function reaches(before: readonly MatrixRow[], after: readonly MatrixRow[]): readonly AccessChange[] {
  const all = audiences([...before, ...after]).filter((audience) => audience !== 'open' && audience !== 'authenticated')
  return after.flatMap((row) =>
    all.flatMap((audience): readonly AccessChange[] => {
      const earlier = counterparts(before, row).filter((one) => cellOf(one, audience) === 'allow')
      if (cellOf(row, audience) !== 'allow' || earlier.length === 0) return []
      const now = reachText(row, audience)
      const then = earlier.map((one) => reachText(one, audience))
      if (then.includes(now)) return []
      const kind = then.includes(EVERY_RECORD) && !now.includes('every tenant') ? 'narrowed' : 'widened'
      const who = audience === 'clients' ? 'programs acting for themselves' : nameOf(audience)
      const message = `${who} may ${row.method} ${row.pattern} on other records: ${then[0]} before, ${now} now`
      return [{ ...place(row), kind, who: nameOf(audience), message }]
    }),
  )
}

const EVERY_RECORD = 'every record of the tenant'

function reachText(row: MatrixRow, audience: string): string {
  if (audience === 'clients') return row.clientsReach ?? EVERY_RECORD
  const role = nameOf(audience)
  return (row.reach !== undefined && Object.hasOwn(row.reach, role) ? row.reach[role] : undefined) ?? EVERY_RECORD
}

function nameOf(audience: string): string {
  return audience.startsWith(roleKey('')) ? audience.slice(roleKey('').length) : audience
}

function proofs(before: readonly MatrixRow[], after: readonly MatrixRow[]): readonly AccessChange[] {
  return after.flatMap((row): readonly AccessChange[] => {
    const earlier = counterparts(before, row)
    if (earlier.length === 0) return []
    const told = `${describe(earlier[0]?.stepUp)} before, ${describe(row.stepUp)} now`
    const route = `${row.method} ${row.pattern}`
    if (earlier.every((one) => asksLess(row.stepUp, one.stepUp))) {
      return [{ ...place(row), kind: 'widened', who: undefined, message: `${route} asks for less proof: ${told}` }]
    }
    if (earlier.every((one) => asksLess(one.stepUp, row.stepUp))) {
      return [{ ...place(row), kind: 'narrowed', who: undefined, message: `${route} asks for more proof: ${told}` }]
    }
    return []
  })
}

/** Whether one lets through somebody whom the other refuses. */
function asksLess(one: StepUp | undefined, other: StepUp | undefined): boolean {
  const values = one?.acr
  const acr = other?.acr !== undefined && (values === undefined || values.some((value) => !other.acr?.includes(value)))
  const age = other?.maxAge !== undefined && (one?.maxAge ?? Number.POSITIVE_INFINITY) > other.maxAge
  return acr || age
}

function describe(stepUp: StepUp | undefined): string {
  const acr = stepUp?.acr === undefined ? [] : [stepUp.acr.join(' or ')]
  const age = stepUp?.maxAge === undefined ? [] : [`within ${stepUp.maxAge} s`]
  return [...acr, ...age].join(' ') || 'nothing'
}

function reworded(before: readonly MatrixRow[], after: readonly MatrixRow[]): readonly AccessChange[] {
  return after.flatMap((row): readonly AccessChange[] => {
    const earlier = counterparts(before, row)
    if (earlier.length === 0 || earlier.some(({ rule }) => rule === row.rule)) return []
    const message = `the rule of ${row.method} ${row.pattern} was ${quote(earlier[0]?.rule)} and is ${quote(row.rule)}`
    return [{ ...place(row), kind: 'changed', who: undefined, message }]
  })
}

function quote(rule: string | undefined): string {
  return JSON.stringify(rule ?? '')
}

function place({ method, pattern }: MatrixRow): Pick<AccessChange, 'method' | 'pattern'> {
  return { method, pattern }
}
