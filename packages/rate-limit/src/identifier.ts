/** UTF-16 units of an identifier that count. */
const LONGEST = 512

const unseen = /\p{Default_Ignorable_Code_Point}/gu

/**
 * One spelling for all spellings of an identifier: NFKC, letter case, white space around it, characters that show nothing.
 *
 * Letters that look or compare alike must not be separate budgets: U+FF41 for `a` (NFKC), `ß` for `SS` (case). Merging too much costs
 * a shared budget; merging too little is a way around the limit.
 */
export function canonicalIdentifier(account: string): string {
  // Cut before it is normalised: sorting combining marks takes the square of their number, six seconds for 100,000 of them. What can be
  // put in front without being seen goes first, so that where the cut falls is not for the sender to choose.
  const seen = account.replace(unseen, '').trim().slice(0, LONGEST)
  return seen.normalize('NFKC').toUpperCase().toLowerCase().normalize('NFKC').trim()
}
