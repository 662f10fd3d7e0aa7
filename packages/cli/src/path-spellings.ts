/** One path, spelt otherwise. */
export interface PathSpelling {
  readonly name: string
  /** As it stands in the request line. */
  readonly target: string
}

/**
 * The ways of spelling a path by which a guard and a router came to read two things (Nest CVE-2025-69211, middie CVE-2026-2880 and
 * CVE-2026-33804, Hono GHSA-q5qw-h33p-qvwr, better-auth GHSA-x732-6j76-qmhm, Express prefix guards): 24 of them.
 * @param path without query; its first segment is of the route, not a value
 * @param host for absolute-form targets (RFC 9112 §3.2.2)
 */
export function spellings(path: string, host: string): readonly PathSpelling[] {
  const rest = path.slice(1)
  const [first = '', ...others] = rest.split('/')
  const behind = others.length === 0 ? '' : `/${others.join('/')}`
  const last = rest.length - 1
  const inner = path.lastIndexOf('/')
  const atInner = (slash: string): string => path.slice(0, inner) + slash + path.slice(inner + 1)
  return [
    ['an encoded letter', `/${encoded(rest, 0)}${rest.slice(1)}`],
    ['an encoded letter at the end', `/${rest.slice(0, last)}${encoded(rest, last)}`],
    ['a letter encoded twice', `/${encoded(rest, 0).replace('%', '%25')}${rest.slice(1)}`],
    ['upper case', path.toUpperCase()],
    ['upper case in the first segment', `/${first.toUpperCase()}${behind}`],
    ['two slashes at the begin', `/${path}`],
    ['two slashes inside', atInner('//')],
    ['an encoded slash inside', atInner('%2F')],
    ['an encoded slash at the begin', `/%2F${rest}`],
    ['a slash at the end', `${path}/`],
    ['two slashes at the end', `${path}//`],
    ['an encoded slash at the end', `${path}%2F`],
    ['a path parameter', `${path};x`],
    ['a path parameter with a value, in the first segment', `/${first};a=b${behind}`],
    ['an empty path parameter', `/;${path}`],
    ['a dot segment', `/.${path}`],
    ['a segment and back', `/x/..${path}`],
    ['a segment and back, encoded', `/x/%2e%2e${path}`],
    ['a backslash', atInner('\\')],
    ['an encoded backslash', atInner('%5C')],
    ['an encoded NUL at the end', `${path}%00`],
    ['an extension', `${path}.json`],
    ['absolute-form', `http://${host}${path}`],
    ['absolute-form of another host', `HTTP://other.example${path}`],
  ].map(([name = '', target = '']) => ({ name, target }))
}

function encoded(text: string, at: number): string {
  const code = text.charCodeAt(at)
  // What is encoded already stays: a `%` would change what it means.
  return Number.isNaN(code) || !/[\w.~-]/.test(text.charAt(at)) ? text.charAt(at) : `%${code.toString(16).padStart(2, '0')}`
}
