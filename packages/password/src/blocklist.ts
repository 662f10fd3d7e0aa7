import { foldCase, foldSubstitutions } from './folding.ts'

/** Passwords that are tried first. */
export interface Blocklist {
  /** Whether a password is listed: in any case, with common substitutions, repeated, or with some digits or signs around it. */
  has(password: string): boolean
}

/** @param passwords as they are, in any case */
export function createBlocklist(passwords: Iterable<string>): Blocklist {
  const listed = new Set<string>()
  for (const password of passwords) listed.add(foldCase(password))
  // Kept apart: `p4ssword` is folded before it is looked for, and so must be what it is looked for in.
  const substituted = new Set([...listed].map(foldSubstitutions))
  return {
    has(password) {
      const folded = foldCase(password)
      return variantsOf(folded).some((variant) => listed.has(variant) || substituted.has(foldSubstitutions(variant)))
    },
  }
}

/** The password itself, what it repeats, and the word in its middle where that is at least half of it. */
function variantsOf(folded: string): readonly string[] {
  const [core = ''] = /\p{L}.*\p{L}/su.exec(folded) ?? []
  const unit = repeated(folded)
  return 2 * core.length >= folded.length ? [folded, unit, core, repeated(core)] : [folded, unit]
}

/** `passpass` repeats `pass`. A text is a repetition when it is found in itself, doubled, before its end. */
function repeated(text: string): string {
  return text.slice(0, (text + text).indexOf(text, 1))
}

let shipped: Promise<Blocklist> | undefined

/** The list that @zxcvbn-ts/language-common ships: 49,233 passwords from published breaches, 17,950 of them of 8 characters or more. */
export function commonPasswords(): Promise<Blocklist> {
  // Read when the first password is checked: 380 KB that an application which only verifies never needs.
  shipped ??= import('@zxcvbn-ts/language-common').then(({ dictionary }) => createBlocklist(dictionary['passwords-common']))
  return shipped
}
