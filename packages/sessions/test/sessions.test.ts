import { type Collection, createMemoryStore, type Json, type Store } from '@portcullis/core'
import { beforeEach, describe, expect, it } from 'vitest'
import { createSessions, type Session, SessionError, type Sessions, type SessionsOptions } from '../src/index.ts'
import { cookieOf, eventsOf, type HandClock, request, timeAt, withCookie } from './fixture.ts'

type Data = { readonly cart: readonly string[] }

const begin = 1_800_000_000_000
const minute = 60_000
const declaration = { name: 'sessions.sessions', indexes: ['subject', 'handle'] }

let clock: HandClock
let store: Store
let sessions: Sessions<Data>

beforeEach(() => {
  clock = timeAt(begin)
  store = createMemoryStore({ clock })
  sessions = make()
})

function make(options: Partial<SessionsOptions> = {}): Sessions<Data> {
  return createSessions<Data>({ store, clock, ...options })
}

async function signIn(subject = 'ada', of = sessions): Promise<{ session: Session<Data>; cookie: string }> {
  const { session, headers } = await of.start(request(), { subject, data: { cart: [] } })
  return { session, cookie: cookieOf(headers) }
}

/** The store, with something happening before a verb of the next call. */
function interposed(verb: 'take' | 'replace', before: () => Promise<unknown>): Store {
  return {
    collection<T extends Json>() {
      const real = store.collection<T>(declaration)
      return new Proxy(real, {
        get(target, name: keyof Collection<T>) {
          const method = (target[name] as (...args: unknown[]) => unknown).bind(target)
          return name === verb ? (...args: unknown[]) => before().then(() => method(...args)) : method
        },
      })
    },
  }
}

/** The store, with something that happens once a cutoff was read and before it arrives. */
function afterCutoff(read: () => Promise<unknown>): Store {
  return {
    collection<T extends Json>(of: { readonly name: string }) {
      const real = store.collection<T>(of)
      if (of.name !== 'sessions.cutoffs') return real
      return new Proxy(real, {
        get(target, name: keyof Collection<T>) {
          const method = (target[name] as (...args: unknown[]) => Promise<unknown>).bind(target)
          return name !== 'get' ? method : (id: string) => method(id).then((found) => read().then(() => found))
        },
      })
    },
  }
}

describe('start: a new random id at each sign-in (ASVS 7.2.3, 7.2.4)', () => {
  it('gives a 256-bit id in a cookie that only this host gets, over HTTPS, and that no script reads', async () => {
    const { session, headers } = await sessions.start(request(), { subject: 'ada', data: { cart: ['tea'] } })
    expect(headers).toHaveLength(1)
    expect(headers[0]?.[1]).toMatch(/^__Host-session=[A-Za-z0-9_-]{43}; Path=\/; Secure; HttpOnly; SameSite=Lax$/)
    expect(session).toEqual({
      handle: expect.stringMatching(/^[A-Za-z0-9_-]{22}$/),
      subject: 'ada',
      data: { cart: ['tea'] },
      startedAt: begin,
      seenAt: begin,
      expiresAt: begin + 30 * minute,
    })
    expect(await sessions.read(withCookie(cookieOf(headers)))).toEqual(session)
  })

  it('session fixation: a planted id is worth nothing after the sign-in', async () => {
    const planted = cookieOf((await sessions.start(request(), { data: { cart: [] } })).headers)
    const { headers } = await sessions.start(withCookie(planted), { subject: 'ada', data: { cart: [] } })
    expect(cookieOf(headers)).not.toBe(planted)
    expect(await sessions.read(withCookie(planted))).toBeUndefined()
    expect(await sessions.read(withCookie(cookieOf(headers)))).toMatchObject({ subject: 'ada' })
  })

  it('session fixation with an id of the attacker’s invention: it is not adopted', async () => {
    const invented = `__Host-session=${'A'.repeat(43)}`
    await sessions.start(withCookie(invented), { subject: 'ada', data: { cart: [] } })
    expect(await sessions.read(withCookie(invented))).toBeUndefined()
  })

  it.each(['', 'x'.repeat(256)])('refuses the subject %j', async (subject) => {
    await expect(sessions.start(request(), { subject, data: { cart: [] } })).rejects.toMatchObject({
      code: 'sessions.subject_invalid',
    })
  })
})

describe('at rest: checked in the backend alone (ASVS 7.2.1, 7.2.2)', () => {
  it('a stolen database: holds no id, and what it holds opens no session', async () => {
    const { cookie } = await signIn()
    const kept: unknown[] = []
    for await (const stored of store.collection(declaration).find('subject', '__Host-session ada')) kept.push(stored)
    expect(kept).toHaveLength(1)
    const text = JSON.stringify(kept)
    expect(text).not.toContain(cookie.split('=')[1])
    for (const word of text.match(/[A-Za-z0-9_-]{20,}/g) ?? []) {
      expect(await sessions.read(withCookie(`__Host-session=${word}`))).toBeUndefined()
    }
  })
})

describe('read', () => {
  it('the same cookie twice: refused, whichever came first', async () => {
    const { cookie } = await signIn()
    const planted = (await signIn('mallory')).cookie
    for (const both of [
      [cookie, planted],
      [planted, cookie],
      [cookie, cookie],
      [cookie, '__Host-session='],
      ['__Host-session="x"', cookie],
    ]) {
      expect(await sessions.read(withCookie(...both))).toBeUndefined()
    }
    expect(await sessions.read(request({ cookie: [cookie, planted] }))).toBeUndefined()
    expect(await sessions.read(withCookie(cookie))).toBeDefined()
  })

  it('the id in another spelling opens nothing', async () => {
    const { cookie } = await signIn()
    const [, id = ''] = cookie.split('=')
    // 43 characters hold 258 bits: the last one has four spellings that decode to the same bytes.
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const sibling = alphabet[alphabet.indexOf(id[42]!) ^ 1]
    for (const value of [`"${id}"`, `${id}=`, `${id.slice(0, 42)}${sibling}`, ` ${id}x`, id.toLowerCase(), `%${id}`]) {
      expect(await sessions.read(withCookie(`__Host-session=${value}`))).toBeUndefined()
    }
    for (const name of ['__host-session', '__HOST-SESSION', '\u00a0__Host-session', 'session']) {
      expect(await sessions.read(withCookie(`${name}=${id}`))).toBeUndefined()
    }
  })

  it('a session of one kind is none of another kind on the same store', async () => {
    const other = make({ cookieName: '__Host-interaction' })
    const { cookie } = await signIn('ada', other)
    expect(await sessions.read(withCookie(`__Host-session=${cookie.split('=')[1]}`))).toBeUndefined()
    expect(await sessions.list('ada')).toEqual([])
    expect(await other.read(withCookie(cookie))).toBeDefined()
  })
})

describe('lifetimes: idle and absolute (ASVS 7.3.1, 7.3.2)', () => {
  it('ends 30 minutes after the last visit', async () => {
    const { cookie } = await signIn()
    clock.time += 30 * minute - 1
    expect(await sessions.read(withCookie(cookie))).toMatchObject({ seenAt: clock.time, expiresAt: clock.time + 30 * minute })
    clock.time += 30 * minute - 1
    expect(await sessions.read(withCookie(cookie))).toBeDefined()
    clock.time += 30 * minute
    expect(await sessions.read(withCookie(cookie))).toBeUndefined()
  })

  it('ends 12 hours after its start, however busy it was', async () => {
    const { cookie } = await signIn()
    while (clock.time < begin + 720 * minute - 20 * minute) {
      clock.time += 20 * minute
      expect(await sessions.read(withCookie(cookie))).toBeDefined()
    }
    clock.time = begin + 720 * minute - 1
    expect(await sessions.read(withCookie(cookie))).toMatchObject({ expiresAt: begin + 720 * minute })
    clock.time += 1
    expect(await sessions.read(withCookie(cookie))).toBeUndefined()
  })

  it('writes a visit down at most once a minute', async () => {
    const { cookie } = await signIn()
    let writes = 0
    const watched = make({ store: interposed('replace', async () => writes++) })
    for (let i = 0; i < 180; i++) {
      clock.time += 1000
      await watched.read(withCookie(cookie))
    }
    expect(writes).toBe(3)
  })

  it('obeys shorter lifetimes as soon as they are configured', async () => {
    const { cookie } = await signIn()
    clock.time += 10 * minute
    expect(await make({ idleLifetime: 600 }).read(withCookie(cookie))).toBeUndefined()
    expect(await make({ idleLifetime: 60, absoluteLifetime: 600 }).list('ada')).toEqual([])
  })

  it('does not bring a session back that was ended while its visit was written down', async () => {
    const { cookie } = await signIn()
    clock.time += 5 * minute
    const racing = make({ store: interposed('replace', () => sessions.endAll('ada')) })
    expect(await racing.read(withCookie(cookie))).toBeUndefined()
    expect(await sessions.read(withCookie(cookie))).toBeUndefined()
  })
})

describe('update', () => {
  it('replaces the data and leaves the rest', async () => {
    const { session, cookie } = await signIn()
    const result = await sessions.update(session, { cart: ['tea'] })
    expect(result).toEqual({ ok: true, session: { ...session, data: { cart: ['tea'] } } })
    expect(await sessions.read(withCookie(cookie))).toMatchObject({ data: { cart: ['tea'] } })
  })

  it('of 200 at once from one reading, one succeeds and the others are told', async () => {
    const { session } = await signIn()
    const results = await Promise.all(Array.from({ length: 200 }, (_, i) => sessions.update(session, { cart: [String(i)] })))
    expect(results.filter((result) => result.ok)).toHaveLength(1)
    expect(results.filter((result) => !result.ok && result.reason.code === 'sessions.changed')).toHaveLength(199)
  })

  it('is not disturbed by a visit that is written down meanwhile', async () => {
    const { session, cookie } = await signIn()
    clock.time += 5 * minute
    await sessions.read(withCookie(cookie))
    expect(await sessions.update(session, { cart: ['tea'] })).toMatchObject({ ok: true })
  })

  it('does not bring back a session that was ended', async () => {
    const { session, cookie } = await signIn()
    await sessions.end(withCookie(cookie))
    expect(await sessions.update(session, { cart: ['tea'] })).toMatchObject({ ok: false, reason: { code: 'sessions.ended' } })
    expect(await sessions.read(withCookie(cookie))).toBeUndefined()
  })

  it('can go on from its own result', async () => {
    const first = await sessions.update((await signIn()).session, { cart: ['tea'] })
    if (!first.ok) throw new TypeError('expected success')
    expect(await sessions.update(first.session, { cart: ['tea', 'milk'] })).toMatchObject({ ok: true })
  })

  it('refuses a session that somebody put together by hand', async () => {
    const { session } = await signIn()
    await expect(sessions.update({ ...session }, { cart: [] })).rejects.toThrow(SessionError)
  })

  it('gives up with a code on a store whose replace never succeeds', async () => {
    const { session } = await signIn()
    const stuck = Object.assign(store.collection(declaration), { replace: () => Promise.resolve(false) })
    expect(stuck).toBeDefined()
    await expect(sessions.update(session, { cart: [] })).rejects.toMatchObject({ code: 'sessions.store_contended', status: 503 })
  })
})

describe('rotate: a new id at each change of privilege (ASVS 7.2.4)', () => {
  it('gives a new id and ends the old one; handle, data and the absolute lifetime stay', async () => {
    const { session, cookie } = await signIn()
    clock.time += 5 * minute
    const rotated = await sessions.rotate(withCookie(cookie))
    expect(rotated?.session).toEqual({ ...session, seenAt: clock.time, expiresAt: clock.time + 30 * minute })
    const renewed = cookieOf(rotated!.headers)
    expect(renewed).not.toBe(cookie)
    expect(await sessions.read(withCookie(cookie))).toBeUndefined()
    expect(await sessions.read(withCookie(renewed))).toEqual(rotated!.session)
    expect(await sessions.list('ada')).toHaveLength(1)
  })

  it('lets the absolute lifetime begin anew only when asked to', async () => {
    const { cookie } = await signIn()
    clock.time += 5 * minute
    const again = await sessions.rotate(withCookie(cookie), { absolute: 'restart' })
    expect(again?.session.startedAt).toBe(clock.time)
  })

  it('turns an anonymous session into a signed-in one, under a new handle', async () => {
    const { session, headers } = await sessions.start(request(), { data: { cart: ['tea'] } })
    const rotated = await sessions.rotate(withCookie(cookieOf(headers)), { subject: 'ada' })
    expect(rotated?.session).toMatchObject({ subject: 'ada', data: { cart: ['tea'] } })
    expect(rotated?.session.handle).not.toBe(session.handle)
    expect(await sessions.list('ada')).toHaveLength(1)
  })

  it('does not hand one person’s session to another', async () => {
    const { cookie } = await signIn()
    await expect(sessions.rotate(withCookie(cookie), { subject: 'bob' })).rejects.toMatchObject({
      code: 'sessions.subject_conflict',
    })
    expect(await sessions.read(withCookie(cookie))).toMatchObject({ subject: 'ada' })
  })

  it('of 200 at once, one succeeds, and one session is left', async () => {
    const { cookie } = await signIn()
    const results = await Promise.all(Array.from({ length: 200 }, () => sessions.rotate(withCookie(cookie))))
    const winners = results.filter((result) => result !== undefined)
    expect(winners).toHaveLength(1)
    expect(await sessions.list('ada')).toEqual([winners[0]!.session])
  })

  it('keeps an update that succeeded meanwhile', async () => {
    const { session, cookie } = await signIn()
    const racing = make({ store: interposed('take', () => sessions.update(session, { cart: ['tea'] })) })
    const rotated = await racing.rotate(withCookie(cookie))
    expect(rotated?.session.data).toEqual({ cart: ['tea'] })
    expect(await sessions.read(withCookie(cookieOf(rotated!.headers)))).toMatchObject({ data: { cart: ['tea'] } })
  })

  it('has nothing to do without a session', async () => {
    expect(await sessions.rotate(request())).toBeUndefined()
    expect(await sessions.rotate(withCookie(`__Host-session=${'A'.repeat(43)}`))).toBeUndefined()
  })
})

describe('end: what was signed out is of no use (ASVS 7.4.1)', () => {
  it('ends the session, not only the cookie', async () => {
    const { cookie } = await signIn()
    expect(await sessions.end(withCookie(cookie))).toEqual([
      ['Set-Cookie', '__Host-session=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0'],
    ])
    expect(await sessions.read(withCookie(cookie))).toBeUndefined()
  })

  it('ends the session even where a second cookie was planted', async () => {
    const { cookie } = await signIn()
    await sessions.end(withCookie(`__Host-session=${'A'.repeat(43)}`, cookie))
    expect(await sessions.read(withCookie(cookie))).toBeUndefined()
  })

  it('removes the cookie of a request without a session', async () => {
    expect(await sessions.end(request())).toHaveLength(1)
  })
})

describe('what came out of a session', () => {
  it('is told of its end, however it ends, and before it has ended', async () => {
    const told: unknown[] = []
    let alive: boolean | undefined
    let cookie = ''
    const ending: NonNullable<SessionsOptions['ending']> = async (session) => {
      told.push(session)
      alive = (await sessions.list(session.subject)).length > 0
    }
    sessions = make({ ending })
    const handles: string[] = []
    for (const end of [
      () => sessions.end(withCookie(cookie)),
      () => sessions.start(withCookie(cookie), { data: { cart: [] } }),
      () => sessions.endOne('ada', handles.at(-1) ?? ''),
      () => sessions.endAll('ada'),
    ]) {
      const started = await signIn()
      cookie = started.cookie
      handles.push(started.session.handle)
      alive = undefined
      await end()
      expect(alive).toBe(true)
      expect(await sessions.list('ada')).toHaveLength(0)
    }
    const by = ['signed_out', 'replaced', 'ended', 'all_ended']
    expect(told).toEqual(by.map((reason, at) => ({ handle: handles[at], subject: 'ada', by: reason })))
  })

  it('can not be ended: the session is still there, and can be ended again', async () => {
    let works = false
    sessions = make({ ending: () => (works ? Promise.resolve() : Promise.reject(new TypeError('away'))) })
    const { session, cookie } = await signIn()
    await expect(sessions.end(withCookie(cookie))).rejects.toThrow('away')
    await expect(sessions.endOne('ada', session.handle)).rejects.toThrow('away')
    expect(await sessions.read(withCookie(cookie))).toBeDefined()
    works = true
    expect(await sessions.endAll('ada')).toBe(1)
  })

  it('does not come out of an anonymous one', async () => {
    sessions = make({ ending: () => Promise.reject(new TypeError('nobody signed in')) })
    const { headers } = await sessions.start(request(), { data: { cart: [] } })
    await sessions.end(withCookie(cookieOf(headers)))
  })
})

describe('list, endOne and endAll: own ones, and by an administrator (ASVS 7.4.2, 7.4.3, 7.4.5, 7.5.2)', () => {
  it('lists what is alive of one subject, oldest first, anonymous ones nowhere', async () => {
    const first = await signIn()
    clock.time += 1000
    const second = await signIn()
    await signIn('bob')
    await sessions.start(request(), { data: { cart: [] } })
    expect((await sessions.list('ada')).map(({ handle }) => handle)).toEqual([first.session.handle, second.session.handle])
    clock.time = begin + 30 * minute
    expect((await sessions.list('ada')).map(({ handle }) => handle)).toEqual([second.session.handle])
  })

  it('ends one by its handle, and nobody else’s', async () => {
    const ada = await signIn()
    const bob = await signIn('bob')
    expect(await sessions.endOne('ada', bob.session.handle)).toBe(false)
    expect(await sessions.endOne('ada', ada.session.handle)).toBe(true)
    expect(await sessions.endOne('ada', ada.session.handle)).toBe(false)
    expect(await sessions.read(withCookie(ada.cookie))).toBeUndefined()
    expect(await sessions.read(withCookie(bob.cookie))).toBeDefined()
  })

  it('a handle is no id', async () => {
    const { session } = await signIn()
    expect(await sessions.read(withCookie(`__Host-session=${session.handle}`))).toBeUndefined()
  })

  it('ends all of a subject, but for the one that asks', async () => {
    const all = await Promise.all([signIn(), signIn(), signIn()])
    const bob = await signIn('bob')
    expect(await sessions.endAll('ada', { except: all[1].session.handle })).toBe(2)
    expect((await sessions.list('ada')).map(({ handle }) => handle)).toEqual([all[1].session.handle])
    expect(await sessions.endAll('ada')).toBe(1)
    for (const { cookie } of all) expect(await sessions.read(withCookie(cookie))).toBeUndefined()
    expect(await sessions.read(withCookie(bob.cookie))).toBeDefined()
  })

  it('a stolen session that keeps changing its id does not escape endAll', async () => {
    for (let attempt = 0; attempt < 40; attempt++) {
      const stolen = await signIn()
      await signIn()
      let cookie: string | undefined = stolen.cookie
      let rotations = 0
      const thief = (async () => {
        while (cookie !== undefined && rotations++ < 30) {
          const rotated = await sessions.rotate(withCookie(cookie))
          cookie = rotated && cookieOf(rotated.headers)
        }
      })()
      for (let i = 0; i < attempt % 7; i++) await Promise.resolve()
      await sessions.endAll('ada')
      await thief
      expect(await sessions.list('ada')).toEqual([])
    }
  })

  it('a session that changes its id between endAll’s look and its grip is ended under the new one', async () => {
    const { cookie } = await signIn()
    let renewed: string | undefined
    const racing = make({
      store: interposed('take', async () => {
        if (renewed === undefined) renewed = cookieOf((await sessions.rotate(withCookie(cookie)))!.headers)
      }),
    })
    await racing.endAll('ada')
    expect(await sessions.read(withCookie(renewed!))).toBeUndefined()
  })
})

describe('endEverybody (ASVS 7.4.5)', () => {
  it('ends what has begun, and nothing that begins later', async () => {
    const [ada, grace] = await Promise.all([signIn('ada'), signIn('grace')])
    await sessions.endEverybody()
    for (const { cookie } of [ada, grace]) expect(await sessions.read(withCookie(cookie))).toBeUndefined()
    expect(await sessions.list('ada')).toEqual([])
    clock.time += 1
    expect(await sessions.read(withCookie((await signIn('ada')).cookie))).toBeDefined()
  })

  it('a session cannot get away by changing its id', async () => {
    const { cookie } = await signIn()
    const elsewhere = make()
    await elsewhere.endEverybody()
    expect(await elsewhere.rotate(withCookie(cookie))).toBeUndefined()
    expect(await elsewhere.rotate(withCookie(cookie), { absolute: 'restart' })).toBeUndefined()
  })

  it('reaches another process within five seconds, and the next one at once', async () => {
    const [one, two] = [make(), make()]
    const { cookie } = await signIn()
    expect(await two.read(withCookie(cookie))).toBeDefined()
    await one.endEverybody()
    expect(await one.read(withCookie(cookie))).toBeUndefined()
    clock.time += 4_999
    expect(await two.read(withCookie(cookie))).toBeDefined()
    clock.time += 1
    expect(await two.read(withCookie(cookie))).toBeUndefined()
    expect(await make().read(withCookie(cookie))).toBeUndefined()
  })

  it('is for one kind of session, and the later of two counts', async () => {
    const others = make({ cookieName: '__Host-admin' })
    const { cookie } = await signIn('ada', others)
    await sessions.endEverybody()
    expect(await others.read(withCookie(cookie))).toBeDefined()
    clock.time += 1000
    await Promise.all(Array.from({ length: 20 }, () => make().endEverybody()))
    clock.time -= 1000
    await make().endEverybody()
    clock.time += 1000
    expect(await make().read(withCookie((await signIn()).cookie))).toBeUndefined()
  })

  it('asks the store once in five seconds for any number of requests, and fails closed while it is down', async () => {
    let asked = 0
    let down = false
    const these = make({
      store: afterCutoff(async () => {
        asked++
        if (down) throw new Error('down')
      }),
    })
    const { cookie } = await signIn('ada', these)
    await Promise.all(Array.from({ length: 50 }, () => these.read(withCookie(cookie))))
    await these.read(withCookie(cookie))
    expect(asked).toBe(1)
    down = true
    clock.time += 5_000
    await expect(these.read(withCookie(cookie))).rejects.toThrow('down')
  })

  it('a read that was under way when everybody was signed out does not bring anybody back', async () => {
    const { cookie } = await signIn()
    let meanwhile: (() => Promise<unknown>) | undefined
    const these = make({
      store: afterCutoff(async () => {
        const work = meanwhile
        meanwhile = undefined
        await work?.()
      }),
    })
    meanwhile = () => these.endEverybody()
    await these.read(withCookie(cookie))
    expect(await these.read(withCookie(cookie))).toBeUndefined()
  })

  it('is told once', async () => {
    await signIn()
    const events = await eventsOf(() => sessions.endEverybody())
    expect(events.map(({ type, data }) => [type, data])).toEqual([['sessions.everybody_ended', { before: begin }]])
  })
})

describe('until: a session does not outlive what it was proven by', () => {
  it('is over then, however often it is visited, and after a change of its id too', async () => {
    const until = begin + 10 * minute
    const { session, headers } = await sessions.start(request(), { subject: 'ada', data: { cart: [] }, until })
    expect(session.expiresAt).toBe(until)
    clock.time = until - 1
    const rotated = await sessions.rotate(withCookie(cookieOf(headers)))
    const cookie = cookieOf(rotated?.headers ?? [])
    expect(await sessions.read(withCookie(cookie))).toBeDefined()
    clock.time = until
    expect(await sessions.read(withCookie(cookie))).toBeUndefined()
  })

  it('is prolonged by the factor being proven anew, and never beyond the absolute lifetime', async () => {
    const { headers } = await sessions.start(request(), { subject: 'ada', data: { cart: [] }, until: begin + minute })
    const later = await sessions.rotate(withCookie(cookieOf(headers)), { until: begin + 20 * minute })
    expect(later?.session.expiresAt).toBe(begin + 20 * minute)
    const last = await sessions.rotate(withCookie(cookieOf(later?.headers ?? [])), { until: Number.MAX_SAFE_INTEGER })
    expect(last?.session.expiresAt).toBe(begin + 30 * minute)
  })

  it.each([Number.NaN, Number.POSITIVE_INFINITY])('%j is no time', async (until) => {
    const thrown = expect.objectContaining({ code: 'sessions.until_invalid' })
    await expect(sessions.start(request(), { data: { cart: [] }, until })).rejects.toThrow(thrown)
    await expect(sessions.rotate(request(), { until })).rejects.toThrow(thrown)
  })
})

describe('events', () => {
  it('tell of each beginning and end by handle, and hold no id', async () => {
    const cookies: string[] = []
    const events = await eventsOf(async () => {
      const { headers } = await sessions.start(request(), { data: { cart: [] } })
      cookies.push(cookieOf(headers))
      cookies.push(cookieOf((await sessions.start(withCookie(cookies[0]!), { subject: 'ada', data: { cart: [] } })).headers))
      cookies.push(cookieOf((await sessions.rotate(withCookie(cookies[1]!)))!.headers))
      await sessions.end(withCookie(cookies[2]!))
      const { session } = await signIn('bob')
      await sessions.endOne('bob', session.handle)
      await signIn('eve')
      await sessions.endAll('eve')
    })
    const handle = expect.stringMatching(/^[A-Za-z0-9_-]{22}$/)
    expect(events.map(({ type, data }) => ({ type, ...data }))).toEqual([
      { type: 'sessions.started', handle },
      { type: 'sessions.ended', handle, by: 'replaced' },
      { type: 'sessions.started', handle, subject: 'ada' },
      { type: 'sessions.rotated', handle, subject: 'ada' },
      { type: 'sessions.ended', handle, subject: 'ada', by: 'signed_out' },
      { type: 'sessions.started', handle, subject: 'bob' },
      { type: 'sessions.ended', handle, subject: 'bob', by: 'ended' },
      { type: 'sessions.started', handle, subject: 'eve' },
      { type: 'sessions.ended', handle, subject: 'eve', by: 'all_ended' },
    ])
    for (const cookie of cookies) expect(JSON.stringify(events)).not.toContain(cookie.split('=')[1])
    expect(events[0]).toMatchObject({ time: begin, ip: '192.0.2.1' })
  })
})

describe('createSessions', () => {
  it.each<[string, Partial<SessionsOptions>]>([
    ['a cookie that a subdomain could plant', { cookieName: 'session' }],
    ['a cookie name that would end the attribute', { cookieName: '__Host-a; Domain=test' }],
    ['no idle lifetime', { idleLifetime: 0 }],
    ['an endless session', { absoluteLifetime: Number.POSITIVE_INFINITY }],
    ['an idle lifetime longer than the absolute one', { idleLifetime: 7200, absoluteLifetime: 3600 }],
    ['SameSite=None', { sameSite: 'None' as 'Lax' }],
  ])('refuses %s', (_, options) => {
    expect(() => make(options)).toThrow(expect.objectContaining({ code: 'sessions.options_invalid' }))
  })
})
