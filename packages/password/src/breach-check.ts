/**
 * `breached`: it is in a list of passwords that became known. `clear`: it is not. Where nobody could be asked: `unchecked`, and the
 * application said that such a password is accepted, or `unknown`, and it said that it is not.
 */
export type BreachVerdict = 'breached' | 'clear' | 'unchecked' | 'unknown'

/** Knows passwords that became known. */
export interface BreachCheck {
  /** @param password as received; it is brought to NFC here */
  check(password: string): Promise<BreachVerdict>
}
