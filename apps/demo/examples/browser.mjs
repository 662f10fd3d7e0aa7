import { Secret, TOTP } from 'otpauth'

/**
 * Does what a person in a browser does at an authorization server: follows redirects, keeps cookies, fills in forms, until the
 * client's own address comes up. Understands just enough HTML for forms that work without JavaScript.
 *
 * @param {URL} start the authorization request
 * @param {object} options
 * @param {string} options.redirectUri where the client waits
 * @param {{ username: string, password: string, totpSecret?: string }} options.person
 * @param {'approve' | 'deny'} [options.decision] what is pressed on the consent page
 * @param {Map<string, string>} [options.cookies] a browser that was used before
 * @returns {Promise<URL>} the redirect URI with the answer
 */
export async function signIn(start, { redirectUri, person, decision = 'approve', cookies = new Map() }) {
  const codes = codesOf(person.totpSecret)
  let request = { url: start, method: 'GET', body: undefined }
  for (let step = 0; step < 20; step++) {
    if (request.url.href.startsWith(redirectUri)) return request.url
    const response = await fetch(request.url, {
      method: request.method,
      body: request.body,
      redirect: 'manual',
      headers: {
        cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; '),
        ...(request.method === 'POST' ? { origin: request.url.origin, 'sec-fetch-site': 'same-origin' } : {}),
      },
    })
    keep(cookies, response.headers.getSetCookie())
    const location = response.headers.get('location')
    if (location !== null) {
      request = { url: new URL(location, request.url), method: 'GET', body: undefined }
      continue
    }
    const page = await response.text()
    const form = /<form[^>]*>[\s\S]*?<\/form>/.exec(page)?.[0]
    if (form === undefined)
      throw new Error(`no form in the answer ${response.status} to ${request.url.pathname}: ${textOf(page)}`)
    const body = new URLSearchParams()
    for (const [tag] of form.matchAll(/<input[^>]*>/g)) {
      const name = attribute(tag, 'name')
      if (name === 'code') body.set(name, codes.next().value ?? '')
      else if (name !== undefined) body.set(name, person[name] ?? attribute(tag, 'value') ?? '')
    }
    if (form.includes('name="decision"')) body.set('decision', decision)
    request = { url: new URL(attribute(form, 'action') ?? '', request.url), method: 'POST', body }
  }
  throw new Error('the sign-in does not end: are the credentials right?')
}

/** The code of now, then its neighbours: each works once, and the server allows a drift of one step. */
function* codesOf(secret) {
  if (secret === undefined) return
  const authenticator = new TOTP({ secret: Secret.fromBase32(secret) })
  for (const drift of [0, 30_000, -30_000]) yield authenticator.generate({ timestamp: Date.now() + drift })
}

function keep(cookies, lines) {
  for (const line of lines) {
    const [, name, value] = /^([^=]+)=([^;]*)/.exec(line) ?? []
    if (name === undefined) continue
    if (value === '' || /;\s*max-age=0/i.test(line)) cookies.delete(name)
    else cookies.set(name, value)
  }
}

function attribute(tag, name) {
  const value = new RegExp(`\\s${name}="([^"]*)"`).exec(tag)?.[1]
  return value
    ?.replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&')
}

function textOf(page) {
  return page
    .replace(/<style[\s\S]*?<\/style>/g, '')
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 300)
}
