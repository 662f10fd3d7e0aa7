/** Markup that is safe to send. Only {@link html} makes it, so text can't pass for it. */
export class Html {
  readonly #markup: string

  private constructor(markup: string) {
    this.#markup = markup
  }

  /** For {@link html} alone: nothing is escaped here. */
  static written(markup: string): Html {
    return new Html(markup)
  }

  toString(): string {
    return this.#markup
  }
}

/** What a template takes: text is escaped, markup stays, `undefined` and `false` are nothing. */
export type Fragment = Html | string | undefined | false | readonly Html[]

/**
 * Markup from a template. Whatever stands in `${}` is text: escaped so that it stays text between tags and in quoted attributes,
 * the two places where templates may put it.
 */
export function html(literals: TemplateStringsArray, ...fragments: readonly Fragment[]): Html {
  return Html.written(literals.reduce((markup, literal, at) => markup + render(fragments[at - 1]) + literal))
}

function render(fragment: Fragment): string {
  if (fragment === undefined || fragment === false) return ''
  if (fragment instanceof Html) return fragment.toString()
  return typeof fragment === 'string' ? escaped(fragment) : fragment.map(String).join('')
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '')
}
