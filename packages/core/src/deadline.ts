/**
 * Runs work that must be over in time, whether or not whatever does it heeds that. Work that is late goes on unseen: what it does
 * is done all the same, and what it throws reaches nobody.
 * @param timeout milliseconds
 * @param late makes the error that a caller gets instead
 */
export function withDeadline<T>(timeout: number, work: () => Promise<T>, late: () => Error): Promise<T> {
  // By hand: a race of promises costs several times as much, and this stands before every call to a database.
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(late()), timeout)
    const fail = (error: unknown): void => {
      clearTimeout(timer)
      reject(error)
    }
    try {
      work().then((answer) => {
        clearTimeout(timer)
        resolve(answer)
      }, fail)
    } catch (error) {
      fail(error)
    }
  })
}
