/**
 * Reads the body of an answer to a `fetch`, up to a size: whoever is asked must not decide how much memory that takes. What is longer
 * is not read to its end.
 * @param maxBytes the most to accept
 * @returns the bytes, none where there is no body; `undefined`: there were more
 */
export async function readUpTo(response: Pick<Response, 'body'>, maxBytes: number): Promise<Uint8Array | undefined> {
  const reader = response.body?.getReader()
  if (reader === undefined) return new Uint8Array()
  const chunks: Uint8Array[] = []
  let length = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return Buffer.concat(chunks)
    length += value.byteLength
    if (length > maxBytes) {
      await reader.cancel()
      return undefined
    }
    chunks.push(value)
  }
}
