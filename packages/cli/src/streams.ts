/** Where a command writes, and what it reads besides its arguments. */
export interface Streams {
  /** The result. */
  readonly output: NodeJS.WritableStream
  /** Progress, and what went wrong. */
  readonly error: NodeJS.WritableStream
  /** Where credentials may be. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** Aborted when whoever started the command wants it to end. */
  readonly signal: AbortSignal
}

/** Text of an application, for a terminal: nothing in it moves the cursor, hides what stands before, or turns the direction. */
export function plain(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0
    return `\\u{${code.toString(16)}}`
  })
}
