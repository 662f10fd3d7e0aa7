import { PortcullisError } from '@portcullis/core'

/** The codes of {@link LedgerError}. */
export type LedgerErrorCode =
  | 'ledger.setting_invalid'
  | 'ledger.setting_unsupported'
  | 'ledger.seed_in_production'
  | 'ledger.data_dir_unusable'
  | 'ledger.invoice_contended'
  | 'ledger.account_contended'

/** Ledger can't start, or can't go on. */
export class LedgerError extends PortcullisError<LedgerErrorCode> {}
