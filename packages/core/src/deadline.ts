/** What becomes of work that must be over in time. */
export interface InTime {
  /** Time is up: makes the error that the caller gets. The work goes on unseen. */
  late(): Error
  /** @param isLate whether the caller was told already that it is late */
  answered?(isLate: boolean): void
  failed?(error: unknown, isLate: boolean): void
}

/**
 * Runs work that must be over in time, and tells what became of it, also when that is later. By hand: a race of promises costs several
 * times as much, and this stands before every call to a database.
 * @param timeout milliseconds
 */
export function runInTime<T>(timeout: number, work: () => Promise<T>, told: InTime): Promise<T> {
  return new Promise((resolve, reject) => {
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      reject(told.late())
    }, timeout)
    const fail = (error: unknown): void => {
      clearTimeout(timer)
      told.failed?.(error, isLate)
      reject(error)
    }
    try {
      work().then((answer) => {
        clearTimeout(timer)
        told.answered?.(isLate)
        resolve(answer)
      }, fail)
    } catch (error) {
      fail(error)
    }
  })
}

/**
 * Runs work that must be over in time, whether or not whatever does it heeds that. Work that is late goes on unseen: what it does
 * is done all the same, and what it throws reaches nobody.
 * @param timeout milliseconds
 * @param late makes the error that a caller gets instead
 */
export function withDeadline<T>(timeout: number, work: () => Promise<T>, late: () => Error): Promise<T> {
  return runInTime(timeout, work, { late })
}
