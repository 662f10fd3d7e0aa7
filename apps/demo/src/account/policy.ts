import { createPasswordPolicy, type PasswordPolicy } from '@portcullis/password'
import { createStrengthEstimator } from '@portcullis/password/strength'

/** Rules for the passwords of Ledger. Takes half a second: make it once, at start-up. */
export function createLedgerPolicy(): PasswordPolicy {
  return createPasswordPolicy({
    words: ['Ledger', 'Portcullis'],
    // Not 8: a second factor can be taken away again, and what is stored does not say how long the password is that it leaves alone.
    minLengthWithSecondFactor: 15,
    strength: createStrengthEstimator(),
  })
}
