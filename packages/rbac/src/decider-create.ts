import { PortcullisError, type Reason, withDeadline } from '@portcullis/core'
import { checkWhole, malformed, optionsInvalid, unavailable } from './decider-errors.ts'
import type { AccessDecider, AskAllOptions, AskOptions, DeciderDecision } from './decider-port.ts'
import type { Properties, Question } from './decider-question.ts'

/** What a function that decides may answer. Anything but `true`, or an object with `allowed: true` of its own, is no permit. */
export type Opinion =
  | boolean
  | { readonly allowed: boolean; readonly reason?: Reason; readonly failed?: boolean; readonly context?: Properties }

/** Answers one question; heeds `signal`, which also tells that time is up. */
type Decide = (question: Question, options: AskOptions & { readonly signal: AbortSignal }) => Opinion | Promise<Opinion>

/** Options of {@link createDecider}. */
export interface DeciderOptions {
  /** What events and messages call it, for example `openfga`. */
  readonly name: string
  /** Asks. It may throw, hang, and answer nonsense: that becomes a refusal with `failed`. */
  readonly decide: Decide
  /** Asks about several at once, and answers each in order. Default: `decide`, at most `concurrency` at a time. */
  readonly decideAll?: (
    questions: readonly Question[],
    options: AskOptions & { readonly signal: AbortSignal },
  ) => Promise<readonly Opinion[]>
  /** Milliseconds for an answer, to one question or to all of several. Default: 1000. */
  readonly timeout?: number
  /** How many questions of one `decideAll` are under way at a time. Default: 8. */
  readonly concurrency?: number
}

/** With what the questions of one `decideAll` share: each batch gets a `decide` of its own. */
export interface BatchedOptions extends Omit<DeciderOptions, 'decide'> {
  readonly batch: () => Decide
}

/**
 * Makes an {@link AccessDecider} of a function that asks somebody. It adds the deadline, the check of what was answered, and the
 * refusal when there is no answer.
 * @throws DeciderError `rbac.decider_options_invalid`
 * @example
 * const decider = createDecider({
 *   name: 'openfga',
 *   decide: async ({ subject, action, resource }) =>
 *     (await fga.check({ user: `${subject.type}:${subject.id}`, relation: action.name, object: `${resource.type}:${resource.id}` })).allowed === true,
 * })
 */
export function createDecider(options: DeciderOptions): AccessDecider {
  if (typeof options.decide !== 'function') throw optionsInvalid('decide is not a function')
  return createBatchedDecider({ ...options, batch: () => options.decide })
}

export function createBatchedDecider(options: BatchedOptions): AccessDecider {
  const { name, batch, decideAll } = options
  if (typeof name !== 'string' || name === '') throw optionsInvalid('a decider has no name')
  const timeout = checkWhole('timeout', options.timeout ?? 1000, 1, 60_000)
  const concurrency = checkWhole('concurrency', options.concurrency ?? 8, 1, 1000)

  const decideOne = async (
    decide: Decide,
    question: Question,
    asked: AskOptions,
    signal: AbortSignal,
  ): Promise<DeciderDecision> => {
    try {
      return decisionOf(await decide(question, { ...asked, signal }), name)
    } catch (error) {
      return failure(name, error)
    }
  }

  /** Ends in time, and calls off what is under way then. */
  const inTime = async <T>(asked: AskOptions, work: (signal: AbortSignal) => Promise<T>): Promise<T> => {
    const controller = new AbortController()
    const signal = asked.signal === undefined ? controller.signal : AbortSignal.any([asked.signal, controller.signal])
    try {
      return await withDeadline(
        timeout,
        () => work(signal),
        () => unavailable(`no answer within ${timeout} ms`),
      )
    } finally {
      controller.abort()
    }
  }

  return Object.freeze({
    name,
    async decide(question: Question, asked: AskOptions = {}): Promise<DeciderDecision> {
      try {
        return await inTime(asked, (signal) => decideOne(batch(), question, asked, signal))
      } catch (error) {
        return failure(name, error)
      }
    },
    async decideAll(
      questions: readonly Question[],
      { stopOn, ...asked }: AskAllOptions = {},
    ): Promise<readonly DeciderDecision[]> {
      const answers = new Array<DeciderDecision | undefined>(questions.length).fill(undefined)
      let late: DeciderDecision = failure(name, unavailable('there was no answer to this question'))
      try {
        await inTime(asked, async (signal) => {
          if (decideAll !== undefined && stopOn === undefined) {
            const opinions = await decideAll(questions, { ...asked, signal })
            // Which answer is to which question can't be told any more.
            if (!Array.isArray(opinions) || opinions.length !== questions.length)
              throw malformed('there are not as many answers as questions')
            for (const [at, opinion] of opinions.entries()) answers[at] = decisionOf(opinion, name)
            return
          }
          const decide = batch()
          await eachOf(questions, stopOn === undefined ? concurrency : 1, signal, async (question, at) => {
            const answer = await decideOne(decide, question, asked, signal)
            if (!signal.aborted) answers[at] = answer
            return !stops(answer, stopOn)
          })
        })
      } catch (error) {
        late = failure(name, error)
      }
      const told: DeciderDecision[] = []
      for (const answer of answers) {
        told.push(answer ?? late)
        if (stops(answer ?? late, stopOn)) break
      }
      return told
    },
  })
}

/** Whether this answer is the last that is asked for. */
export function stops({ allowed }: DeciderDecision, stopOn: AskAllOptions['stopOn']): boolean {
  return stopOn !== undefined && allowed === (stopOn === 'permit')
}

/** Works through a list, some at a time. @param work tells whether to go on */
async function eachOf<T>(
  list: readonly T[],
  concurrency: number,
  signal: AbortSignal,
  work: (item: T, at: number) => Promise<boolean>,
): Promise<void> {
  const rest = list.entries()
  const worker = async (): Promise<void> => {
    for (const [at, item] of rest) if (signal.aborted || !(await work(item, at))) return
  }
  await Promise.all(Array.from({ length: Math.min(concurrency, list.length) }, worker))
}

function decisionOf(opinion: unknown, name: string): DeciderDecision {
  if (typeof opinion === 'boolean') return Object.freeze({ allowed: opinion, failed: false, reason: plainReason(opinion, name) })
  // Its own members: a polluted prototype must not allow. And only a boolean: `"true"` and 1 are no answers.
  const said: Partial<Exclude<Opinion, boolean>> = { __proto__: null, ...(typeof opinion === 'object' ? opinion : {}) } as object
  const { allowed, context, failed = false } = said
  if (typeof allowed !== 'boolean') return failure(name, malformed('the answer is neither true nor false'))
  if (failed && allowed) return failure(name, malformed('the answer allows, and says that it failed'))
  const reason = said.reason ?? plainReason(allowed, name)
  return Object.freeze({ allowed, failed, reason, ...(context === undefined ? {} : { context }) })
}

function plainReason(allowed: boolean, name: string): Reason {
  return allowed
    ? { code: 'rbac.decider_allowed', message: `${name} allowed it` }
    : { code: 'rbac.decider_denied', message: `${name} denied it` }
}

/** Fails closed. What somebody else's error says is not repeated: it may hold anything. */
export function failure(name: string, error: unknown): DeciderDecision {
  const { code, message } =
    error instanceof PortcullisError
      ? error
      : unavailable(`${error instanceof Error ? error.name : 'something'} was thrown while it was asked`)
  return Object.freeze({ allowed: false, failed: true, reason: { code, message: `${name} has not decided: ${message}` } })
}
