import { PortcullisError } from '@portcullis/core'

/** The codes of {@link BenchError}. */
export type BenchErrorCode = 'bench.arguments_invalid' | 'bench.answer_wrong' | 'bench.measurement_failed'

/** A benchmark could not be run, or a subject answered wrongly. */
export class BenchError extends PortcullisError<BenchErrorCode> {}

/**
 * Every answer is asserted before it is timed: a subject that does nothing is very fast.
 * @throws BenchError `bench.answer_wrong`
 */
export function expectAnswer(subject: string, right: boolean): void {
  if (!right) throw new BenchError('bench.answer_wrong', `${subject} gave a wrong answer: nothing is timed`)
}
