import { defineEvent, type EventType } from '@portcullis/core'

/** What an owner did with the account of somebody else. */
export interface AccountManaged {
  /** Whose account it is. */
  readonly account: string
  readonly tenant: string
  /** Who did it. */
  readonly by: string
  readonly action: 'sign_out' | 'disable' | 'enable' | 'reset'
}

/** An owner signed somebody out everywhere, disabled or enabled the account, or had a code for a new password sent. */
export const accountManaged: EventType<'ledger.account_managed', AccountManaged> = defineEvent('ledger.account_managed')
