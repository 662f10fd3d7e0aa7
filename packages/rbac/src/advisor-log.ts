import { type Clock, decisionEvent, defineEvent, type EventType, type SecurityEvent, systemClock } from '@portcullis/core'
import { type DecisionDraft, recordDraft, routeDraft } from './advisor-draft.ts'
import { AdvisorError } from './advisor-errors.ts'
import { type AnyDecisionLine, DECISION_LOG_VERSION, type DecisionLine, type DecisionLogLine } from './advisor-line.ts'
import { AllowSampler } from './advisor-sampler.ts'
import { recordDecision } from './events.ts'

/** Data of {@link decisionLogDropped}. */
export interface DecisionLogDropped {
  /** `full`: whoever writes is slower than decisions are made. `write_failed`: it refused what it was given. */
  readonly cause: 'full' | 'write_failed'
  /** Lines that were left out since the last such event. */
  readonly allows: number
  readonly denials: number
}

/** A decision log leaves lines out: once when it begins to, then once a minute at most. */
export const decisionLogDropped: EventType<'rbac.decision_log_dropped', DecisionLogDropped> =
  defineEvent('rbac.decision_log_dropped')

/** Who is behind a decision. */
export interface DecisionCaller {
  readonly subject: string
  readonly kind: 'user' | 'client'
  readonly tenant: string | undefined
}

/** Options of {@link createDecisionLog}. */
export interface DecisionLogOptions {
  /**
   * Takes whole lines, each ended by a line feed, and is not called again before it is done. What it throws is not thrown further:
   * the lines count as dropped.
   * @example (lines) => appendFile('decisions.ndjson', lines)
   */
  readonly write: (lines: string) => void | Promise<void>
  /** The part of allowed decisions that is written: 0 to 1. Default: 1, all. */
  readonly sampleAllows?: number
  /**
   * With sampling: in so many seconds, the first allowed decision of each caller and permission is written whatever the sample says. So
   * the advisor still knows what is used. 0: not. Default: 86,400.
   */
  readonly firstEvery?: number
  /** Callers × permissions that are remembered for that. Past it, the oldest is forgotten: more is written then, not less. Default: 50,000. */
  readonly remembered?: number
  /** The most lines that wait. Allowed decisions are left out from three quarters on, denials when it is full. Default: 10,000. */
  readonly queue?: number
  /** The roles that a caller holds, at once and from memory: with them the advisor needs no list of grants to know who held what. */
  readonly rolesOf?: (caller: DecisionCaller) => readonly string[] | undefined
  /** Numbers from 0 to below 1, for the sample. */
  readonly random?: () => number
  readonly clock?: Clock
}

/** A log that has begun. */
export interface DecisionLog {
  /** Waits until everything that was decided so far is written, or was left out. */
  flush(): Promise<void>
  /** Listens no more, and writes what is left. */
  close(): Promise<void>
}

/** Milliseconds between two events about the same trouble. */
const QUIET = 60_000
/** The most lines in one write. */
const BATCH = 1000

/**
 * Writes decisions as NDJSON from `core.decision` and `rbac.record_decision`: every denial, and allowed ones all or by sample. The format
 * is {@link DecisionLine}, whose `v` changes when a reader would have to.
 *
 * Costs a bounded queue: a request never waits for it. What does not fit is counted, in the log (`log.dropped`) and as the event
 * `rbac.decision_log_dropped`.
 * @throws AdvisorError `rbac.decision_log_invalid`
 * @example const log = createDecisionLog({ write: (lines) => appendFile('decisions.ndjson', lines), sampleAllows: 0.01 })
 */
export function createDecisionLog(options: DecisionLogOptions): DecisionLog {
  const { write, queue: most = 10_000, rolesOf, clock = systemClock } = options
  if (typeof write !== 'function') throw invalid('write is not a function')
  if (!(Number.isSafeInteger(most) && most >= 4)) throw invalid('queue is not a whole number of 4 or more')
  const sampler = new AllowSampler(options)
  const dropped = new Dropped(clock)
  const waiting: Waiting[] = []
  let running: Promise<void> | undefined
  let open = true

  function push(line: AnyDecisionLine, isAllow: boolean): void {
    waiting.push({ text: `${JSON.stringify(line)}\n`, isAllow })
    running ??= new Promise((resolve) => setImmediate(() => resolve(drain())))
  }

  async function drain(): Promise<void> {
    while (waiting.length > 0) {
      const note = dropped.note()
      const batch = waiting.splice(0, BATCH)
      try {
        await write((note === undefined ? '' : `${JSON.stringify(note)}\n`) + batch.map(({ text }) => text).join(''))
        if (note !== undefined) dropped.written(note)
      } catch {
        // Not again: whoever writes may have written half of it.
        const allows = batch.filter(({ isAllow }) => isAllow).length
        dropped.count('write_failed', allows, batch.length - allows)
      }
    }
    running = undefined
  }

  function take(event: SecurityEvent, draft: DecisionDraft): void {
    const isAllow = draft.outcome === 'allowed'
    const sampling = isAllow ? sampler.choose(draft, event.time) : undefined
    if (sampling === 'skip') return
    if (waiting.length >= (isAllow ? Math.floor((most * 3) / 4) : most)) {
      dropped.count('full', isAllow ? 1 : 0, isAllow ? 0 : 1)
      return
    }
    const roles = rolesOf && askRoles(rolesOf, draft)
    const line: DecisionLine = {
      v: DECISION_LOG_VERSION,
      type: 'decision',
      time: event.time,
      ...draft,
      ...(roles === undefined ? {} : { roles }),
      ...(event.correlationId === undefined ? {} : { request: event.correlationId }),
      ...(isAllow || event.ip === undefined ? {} : { ip: event.ip }),
      ...(sampling === undefined ? {} : { sampling }),
    }
    push(line, isAllow)
  }

  const stops = [
    decisionEvent.subscribe((event) => take(event, routeDraft(event.data))),
    recordDecision.subscribe((event) => take(event, recordDraft(event.data))),
  ]
  push({ v: DECISION_LOG_VERSION, type: 'log.start', time: clock.now() }, false)

  const flush = async (): Promise<void> => {
    while (running !== undefined) await running
  }
  return {
    flush,
    async close() {
      if (!open) return flush()
      open = false
      for (const stop of stops) stop()
      push({ v: DECISION_LOG_VERSION, type: 'log.stop', time: clock.now() }, false)
      await flush()
    },
  }
}

interface Waiting {
  readonly text: string
  readonly isAllow: boolean
}

// A look-up that fails costs the roles, not the line.
function askRoles(
  rolesOf: (caller: DecisionCaller) => readonly string[] | undefined,
  { subject, kind, tenant }: DecisionDraft,
): readonly string[] | undefined {
  if (subject === undefined || kind === undefined) return undefined
  try {
    return rolesOf({ subject, kind, tenant })
  } catch {
    return undefined
  }
}

/** What was left out, since it was last written and since it was last told. */
class Dropped {
  readonly #clock: Clock
  readonly #unwritten = { allows: 0, denials: 0 }
  readonly #untold = { allows: 0, denials: 0 }
  #toldAt = Number.NEGATIVE_INFINITY

  constructor(clock: Clock) {
    this.#clock = clock
  }

  count(cause: DecisionLogDropped['cause'], allows: number, denials: number): void {
    for (const counts of [this.#unwritten, this.#untold]) {
      counts.allows += allows
      counts.denials += denials
    }
    const now = this.#clock.now()
    if (now - this.#toldAt < QUIET) return
    this.#toldAt = now
    const told = { cause, ...this.#untold }
    this.#untold.allows = 0
    this.#untold.denials = 0
    decisionLogDropped.publish(told, { clock: this.#clock })
  }

  /** A line for the log, where there is something to say. */
  note(): DecisionLogLine | undefined {
    const { allows, denials } = this.#unwritten
    if (allows + denials === 0) return undefined
    return { v: DECISION_LOG_VERSION, type: 'log.dropped', time: this.#clock.now(), allows, denials }
  }

  written({ allows = 0, denials = 0 }: DecisionLogLine): void {
    this.#unwritten.allows -= allows
    this.#unwritten.denials -= denials
  }
}

function invalid(message: string): AdvisorError {
  return new AdvisorError('rbac.decision_log_invalid', message)
}
