import type { ProbeCheck, ProbeKind, ProbeOutcome } from './probe-check.ts'

/** A check, and what came of it. */
export interface ProbeResult {
  readonly check: ProbeCheck
  readonly outcome: ProbeOutcome
}

/** Something that was answered and should not have been. Holds no credential, and nothing of an answer's body. */
export interface ProbeFinding {
  readonly kind: ProbeKind
  /** Method and pattern. */
  readonly route: string
  /** Who asked: an actor's name, or `nobody`. */
  readonly as: string
  readonly method: string
  /** As it was sent. */
  readonly target: string
  readonly status: number
  readonly message: string
}

/** What a probe found. Plain data, for JSON. */
export interface ProbeReport {
  readonly format: 'portcullis-probe'
  readonly version: 1
  /** Host and port. */
  readonly target: string
  /** Milliseconds since the epoch. */
  readonly startedAt: number
  /** Milliseconds. */
  readonly duration: number
  readonly requests: number
  readonly checks: number
  readonly findings: readonly ProbeFinding[]
  /** Routes that were not tried, or not in every way. */
  readonly unprobed: readonly { readonly route: string; readonly why: string }[]
  /** Checks that came to no answer. */
  readonly unjudged: readonly { readonly route: string; readonly as: string; readonly about: string; readonly why: string }[]
  /** Why nothing can be concluded from finding nothing: sentences. */
  readonly doubts: readonly string[]
  /** Each check, for reports that list what passed. */
  readonly results: readonly {
    readonly kind: ProbeKind
    readonly route: string
    readonly as: string
    readonly about: string
    readonly outcome: ProbeOutcome['type']
    readonly message?: string
  }[]
}

interface Parts {
  readonly target: string
  readonly started: number
  readonly finished: number
  readonly requests: number
  readonly results: readonly ProbeResult[]
  readonly unprobed: ProbeReport['unprobed']
  readonly doubts: readonly string[]
}

export function reportOf({ target, started, finished, requests, results, unprobed, doubts }: Parts): ProbeReport {
  const findings = results.flatMap(({ check, outcome }): readonly ProbeFinding[] => {
    if (outcome.type !== 'found') return []
    const { method, target: place, status, message } = outcome
    return [{ kind: check.kind, route: check.route, as: check.as, method, target: place, status, message }]
  })
  return {
    format: 'portcullis-probe',
    version: 1,
    target,
    startedAt: started,
    duration: finished - started,
    requests,
    checks: results.length,
    findings: findings.sort(
      (one, other) => compare(one.route, other.route) || compare(one.kind, other.kind) || compare(one.target, other.target),
    ),
    unprobed,
    unjudged: results.flatMap(({ check: { route, as, about }, outcome }) =>
      outcome.type === 'unjudged' ? [{ route, as, about, why: outcome.why }] : [],
    ),
    doubts,
    results: results.map(({ check: { kind, route, as, about }, outcome }) => ({
      kind,
      route,
      as,
      about,
      outcome: outcome.type,
      ...(outcome.type === 'found' ? { message: outcome.message } : {}),
      ...(outcome.type === 'unjudged' ? { message: outcome.why } : {}),
    })),
  }
}

/** The report as JUnit XML: a suite for each route, a case for each check. */
export function formatJunit(report: ProbeReport): string {
  const routes = new Map<string, ProbeReport['results'][number][]>()
  for (const result of report.results) {
    const others = routes.get(result.route)
    if (others === undefined) routes.set(result.route, [result])
    else others.push(result)
  }
  const suites = [...routes].map(([route, results]) => {
    const cases = results.map(({ kind, as, about, outcome, message = '' }) => {
      const open = `    <testcase classname=${attribute(`${kind} ${route}`)} name=${attribute(`${as} ${about}`)}`
      if (outcome === 'refused') return `${open}/>`
      const element = outcome === 'found' ? 'failure' : 'skipped'
      return `${open}>\n      <${element} message=${attribute(message)}/>\n    </testcase>`
    })
    const count = (outcome: ProbeOutcome['type']): number => results.filter((one) => one.outcome === outcome).length
    return [
      `  <testsuite name=${attribute(route)} tests="${results.length}" failures="${count('found')}" skipped="${count('unjudged')}">`,
      ...cases,
      '  </testsuite>',
    ].join('\n')
  })
  const trouble = [...report.doubts, ...report.unprobed.map(({ route, why }) => `${route}: ${why}`)]
  const skipped = trouble.map(
    (why) => `    <testcase classname="unprobed" name=${attribute(why)}>\n      <skipped/>\n    </testcase>`,
  )
  const rest =
    skipped.length === 0
      ? []
      : [
          `  <testsuite name="unprobed" tests="${skipped.length}" failures="0" skipped="${skipped.length}">`,
          ...skipped,
          '  </testsuite>',
        ]
  return `${[
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="portcullis probe" tests="${report.checks + skipped.length}" failures="${report.findings.length}" time="${report.duration / 1000}">`,
    ...suites,
    ...rest,
    '</testsuites>',
  ].join('\n')}\n`
}

// XML 1.0 has no way to write most control characters.
function attribute(text: string): string {
  const escaped = text
    .replaceAll(/[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu, '\u{fffd}')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll(/[\t\n\r]/g, (space) => `&#${space.charCodeAt(0)};`)
  return `"${escaped}"`
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
}
