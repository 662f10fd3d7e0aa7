/** What people write for a letter. `l`, `1` and `|` all count as `i`, on both sides of a comparison. */
const substitutions: Readonly<Record<string, string>> = {
  '0': 'o',
  '1': 'i',
  l: 'i',
  '|': 'i',
  '!': 'i',
  '3': 'e',
  '4': 'a',
  '@': 'a',
  '5': 's',
  $: 's',
  '7': 't',
  '+': 't',
  '8': 'b',
  '9': 'g',
}

/** Without case, accents and compatibility forms: to compare words, never to hash. */
export function foldCase(text: string): string {
  return text
    .normalize('NFKD')
    .replaceAll(/\p{Mark}/gu, '')
    .toLowerCase()
}

/** As {@link foldCase}, and `p4$$w0rd` is `password`. */
export function foldSubstitutions(text: string): string {
  return foldCase(text).replaceAll(/[01l|!34@5$7+89]/g, (sign) => substitutions[sign] ?? sign)
}

export function codePoints(text: string): number {
  let length = 0
  for (const _ of text) length += 1
  return length
}
