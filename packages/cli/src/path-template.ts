/** A part of a route's pattern between two slashes. */
export type PathSegment = { readonly text: string } | { readonly parameter: string }

/** Values for the parameters of a template. */
export type PathParameters = Readonly<Record<string, string>>

/** A route's pattern of plain segments and parameters that are a whole segment: `/invoices/:id/lines`. */
export class PathTemplate {
  readonly segments: readonly PathSegment[]
  /** Names of its parameters, in order. */
  readonly parameters: readonly string[]

  constructor(segments: readonly PathSegment[]) {
    this.segments = segments
    this.parameters = segments.flatMap((segment) => ('parameter' in segment ? [segment.parameter] : []))
  }

  /** @returns `undefined` for a pattern that is a regular expression, has a wildcard or an optional part */
  static parse(pattern: string): PathTemplate | undefined {
    if (!pattern.startsWith('/')) return undefined
    const segments: PathSegment[] = []
    for (const text of pattern.slice(1).split('/')) {
      // Fastify and path-to-regexp 6 may give a parameter a form: `:id(^\d+$)`
      const parameter = /^:([A-Za-z_]\w*)(?:\(.*\))?$/.exec(text)?.[1]
      if (parameter !== undefined) segments.push({ parameter })
      else if (/[:*(){}[\]?+^$\\|]/.test(text)) return undefined
      else segments.push({ text })
    }
    return new PathTemplate(segments)
  }

  toString(): string {
    return `/${this.segments.map((segment) => ('text' in segment ? segment.text : `:${segment.parameter}`)).join('/')}`
  }

  /** Up to its last parameter, that included: where the thing is that it is about. `undefined` without parameters. */
  object(): PathTemplate | undefined {
    const last = this.segments.findLastIndex((segment) => 'parameter' in segment)
    return last < 0 ? undefined : new PathTemplate(this.segments.slice(0, last + 1))
  }

  /** Up to its last parameter, that left out: where such things are listed. */
  collection(): PathTemplate | undefined {
    const last = this.segments.findLastIndex((segment) => 'parameter' in segment)
    return last < 0 ? undefined : new PathTemplate(this.segments.slice(0, last))
  }

  /** @returns `undefined` where a parameter has no value */
  fill(values: PathParameters): string | undefined {
    const parts: string[] = []
    for (const segment of this.segments) {
      const value = 'text' in segment ? segment.text : encode(values, segment.parameter)
      if (value === undefined) return undefined
      parts.push(value)
    }
    return `/${parts.join('/')}`
  }

  /** Whether a path, without query, is one of this template. */
  matches(path: string): boolean {
    const parts = path.slice(1).split('/')
    return (
      parts.length === this.segments.length &&
      this.segments.every((segment, at) => ('text' in segment ? segment.text === parts[at] : parts[at] !== ''))
    )
  }
}

function encode(values: PathParameters, name: string): string | undefined {
  const value = Object.hasOwn(values, name) ? values[name] : undefined
  // `.` and `..` would be taken for a way, not for a name.
  return value === undefined || value === ''
    ? undefined
    : encodeURIComponent(value).replace(/^\.{1,2}$/, (dots) => dots.replaceAll('.', '%2E'))
}
