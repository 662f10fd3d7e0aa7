import { PortcullisError } from '@portcullis/core'

/** The codes of {@link CliError}. */
export type CliErrorCode =
  /** Arguments that the command does not take, or cannot do without. */
  | 'cli.usage'
  /** A credential was given where it would be seen: on the command line. */
  | 'cli.token_on_command_line'
  /** A credential is not where the arguments say, or cannot be sent. */
  | 'cli.token_invalid'
  /** The application's module could not be imported, or what it exports failed. */
  | 'cli.app_failed'
  /** The application's module does not export what the command needs. */
  | 'cli.app_invalid'
  /** A file could not be read or written. */
  | 'cli.file_failed'
  /** A file does not hold what it should. */
  | 'cli.file_invalid'
  /** The target cannot be reached, or is none. */
  | 'cli.target_invalid'

/** A command cannot do what it was asked for. */
export class CliError extends PortcullisError<CliErrorCode> {}

/** What a process ends with. */
export const exitCodes = {
  /** Nothing was found. */
  fine: 0,
  /** Access was widened; a request was answered that should not be; a record is not what was written; a proposal would deny what was used. */
  found: 1,
  /** The command was not called as it wants to be. */
  usage: 2,
  /** The access file differs, but widens nothing; a proposal or a probe could not be proven. */
  unproven: 3,
  /** The command failed: a file, the application or the target was not there. */
  failed: 4,
} as const

/** One of {@link exitCodes}. */
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]
