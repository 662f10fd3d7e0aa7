/**
 * Runs work that must be over in time, whether or not whatever does it heeds that. Work that is late goes on unseen: what it does
 * is done all the same, and what it throws reaches nobody.
 * @param timeout milliseconds
 * @param late makes the error that a caller gets instead
 */
export async function withDeadline<T>(timeout: number, work: () => Promise<T>, late: () => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), timeout)
  })
  try {
    return await Promise.race([work(), deadline])
  } finally {
    clearTimeout(timer)
  }
}
