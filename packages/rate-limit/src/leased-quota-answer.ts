/** Goes on with an answer, at once where it came at once. */
export function whenAnswered<T, U>(
  call: () => T | Promise<T>,
  answered: (answer: T) => U | Promise<U>,
  failed?: (error: unknown) => never,
): U | Promise<U> {
  let answer: T | Promise<T>
  try {
    answer = call()
  } catch (error) {
    if (failed !== undefined) return failed(error)
    throw error
  }
  return answer instanceof Promise ? answer.then(answered, failed) : answered(answer)
}
