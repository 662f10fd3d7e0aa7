import { authenticated, type Decision, decide, type Guard, open, type Principal, type RequestView } from '@portcullis/core'
import { afterEach, describe, expect, it } from 'vitest'
import {
  AdvisorError,
  type AnyDecisionLine,
  createDecisionLog,
  type DecisionLog,
  type DecisionLogDropped,
  type DecisionLogOptions,
  decisionLogDropped,
  parseDecisionLine,
} from '../src/advisor.ts'
import { recordDecision } from '../src/index.ts'
import { client, clock, ledger, user } from './ledger.ts'
import { request } from './request.ts'

const logs: DecisionLog[] = []
afterEach(async () => {
  await Promise.all(logs.splice(0).map((log) => log.close()))
})

/** A log into memory. */
function started(options: Partial<DecisionLogOptions> = {}) {
  const texts: string[] = []
  const log = createDecisionLog({ write: (lines) => void texts.push(lines), clock, ...options })
  logs.push(log)
  const lines = async (): Promise<AnyDecisionLine[]> => {
    await log.flush()
    const all = texts.join('').split('\n')
    expect(all.pop()).toBe('')
    return all.map((text) => parseDecisionLine(text)!)
  }
  const decisions = async () => (await lines()).filter((line) => line.type === 'decision')
  return { log, texts, lines, decisions }
}

const read = ledger.permit('invoice:read')
const as =
  (principal: Principal): Guard =>
  (): Decision => ({ type: 'continue', principal })

function ask(principal: Principal | undefined, policy = read, more: Partial<RequestView> = {}): void {
  const view = { ...request(), route: { pattern: '/api/invoices/:id' }, ...more }
  void decide(view, principal === undefined ? [] : [as(principal)], policy)
}

const viewer = user(['viewer'])
const nobody = user([])

describe('a line', () => {
  it('says who was refused what, where and why, and from which address (ASVS 16.3.2)', async () => {
    const { decisions } = started()
    ask(user([], { clientId: 'web' }))
    expect(await decisions()).toEqual([
      {
        v: 1,
        type: 'decision',
        time: expect.any(Number),
        about: 'route',
        outcome: 'refused',
        permissions: ['invoice:read'],
        subject: 'u1',
        kind: 'user',
        tenant: 'acme',
        client: 'web',
        method: 'GET',
        route: '/api/invoices/:id',
        status: 403,
        reason: { code: 'rbac.role_lacks_permission', message: expect.stringContaining('invoice:read') },
        request: expect.any(String),
        ip: '203.0.113.7',
      },
    ])
  })

  it('leaves out the address of whoever was allowed, and never has the path or a header', async () => {
    const { texts, log } = started()
    ask(viewer, read, { target: '/api/invoices/secret-path?token=secret', headers: { authorization: 'Bearer secret' } })
    await log.flush()
    expect(texts.join('')).toContain('"outcome":"allowed"')
    expect(texts.join('')).not.toMatch(/secret|203\.0\.113\.7/)
  })

  it('names every permission of a rule that needs several, and the rule where it is no permission', async () => {
    const { decisions } = started()
    ask(user(['owner']), ledger.permit(['invoice:read', 'audit:read']))
    ask(viewer, authenticated())
    ask(undefined, open('probe'))
    expect(await decisions()).toMatchObject([
      { permissions: ['invoice:read', 'audit:read'] },
      { permissions: [], rule: 'authenticated' },
      { permissions: [], rule: 'probe' },
    ])
  })

  it('is written for decisions about records', async () => {
    const { decisions } = started()
    const reason = { code: 'rbac.tenant_mismatch', message: 'the record is of another tenant' } as const
    const data = {
      permission: 'invoice:read',
      allowed: false,
      reason,
      subject: 'u1',
      kind: 'user',
      tenant: 'acme',
      clientId: undefined,
    } as const
    recordDecision.publish(data, { request: request(), clock })
    expect(await decisions()).toMatchObject([
      { about: 'record', outcome: 'refused', permissions: ['invoice:read'], time: clock.time, reason },
    ])
  })

  it('has the roles of the caller where somebody tells them, and goes without when that fails', async () => {
    const { decisions } = started({
      rolesOf: ({ subject, tenant }) => {
        if (subject === 'u2') throw new TypeError('no such user')
        return [`${subject}@${tenant}`]
      },
    })
    ask(viewer)
    ask(user(['viewer'], { subject: 'u2' }))
    const [one, two] = await decisions()
    expect(one).toMatchObject({ roles: ['u1@acme'] })
    expect(two).not.toHaveProperty('roles')
  })

  it('stays one line, and short, whatever a name holds (log injection, CWE-117)', async () => {
    const { decisions, texts } = started()
    const forged = `x\n${JSON.stringify({ v: 1, type: 'decision', time: 0, about: 'route', outcome: 'allowed', permissions: [] })}\n`
    ask(user([], { subject: forged, tenant: 'y'.repeat(100_000) }))
    const lines = await decisions()
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatchObject({ subject: forged })
    expect(texts.join('').length).toBeLessThan(2500)
  })

  it.each([
    ['not JSON', '{'],
    ['another version', '{"v":2,"type":"decision","time":1,"about":"route","outcome":"allowed","permissions":[]}'],
    ['no time', '{"v":1,"type":"decision","about":"route","outcome":"allowed","permissions":[]}'],
    ['permissions that are none', '{"v":1,"type":"decision","time":1,"about":"route","outcome":"allowed","permissions":"x"}'],
    ['a type that is not known', '{"v":1,"type":"log.other","time":1}'],
    [
      'a rate above 1',
      '{"v":1,"type":"decision","time":1,"about":"route","outcome":"allowed","permissions":[],"sampling":{"rate":2,"first":true}}',
    ],
  ])('%s is no line', (_what, text) => {
    expect(parseDecisionLine(text)).toBeUndefined()
  })
})

describe('the sample', () => {
  it('takes allowed decisions as the random numbers say, and every denial', async () => {
    const numbers = [0.05, 0.5, 0.0999, 0.1]
    const { decisions } = started({ sampleAllows: 0.1, firstEvery: 0, random: () => numbers.shift() ?? 1 })
    for (let n = 0; n < 4; n++) ask(viewer)
    for (let n = 0; n < 20; n++) ask(nobody)
    const lines = await decisions()
    expect(lines.filter(({ outcome }) => outcome === 'refused')).toHaveLength(20)
    const allowed = lines.filter(({ outcome }) => outcome === 'allowed')
    expect(allowed).toHaveLength(2)
    expect(allowed[0]).toMatchObject({ sampling: { rate: 0.1, first: false } })
  })

  it('leaves nothing out by default, and then says nothing of samples', async () => {
    const { decisions } = started({ random: () => 1 })
    for (let n = 0; n < 3; n++) ask(viewer)
    const lines = await decisions()
    expect(lines).toHaveLength(3)
    expect(lines[0]).not.toHaveProperty('sampling')
  })

  it('always has the first of each caller and permission, and again after a day', async () => {
    const { decisions } = started({ sampleAllows: 0, random: () => 0.5 })
    const now = Date.now()
    const allow = (subject: string, permission: string, time: number): void => {
      const reason = { code: 'rbac.role_grants_permission', message: '' } as const
      const data = { permission, allowed: true, reason, subject, kind: 'user', tenant: 'acme', clientId: undefined } as const
      recordDecision.publish(data, { clock: { now: () => time } })
    }
    for (const subject of ['u1', 'u2']) for (let n = 0; n < 3; n++) allow(subject, 'invoice:read', now + n)
    allow('u1', 'audit:read', now)
    allow('u1', 'invoice:read', now + 86_399_999)
    allow('u1', 'invoice:read', now + 86_400_000)
    const lines = await decisions()
    expect(lines.map(({ subject, permissions, time }) => [subject, permissions[0], time - now])).toEqual([
      ['u1', 'invoice:read', 0],
      ['u2', 'invoice:read', 0],
      ['u1', 'audit:read', 0],
      ['u1', 'invoice:read', 86_400_000],
    ])
    expect(lines[0]).toMatchObject({ sampling: { rate: 0, first: true } })
  })

  it('remembers so many callers and no more, and then writes more, not less', async () => {
    const { decisions } = started({ sampleAllows: 0, remembered: 2 })
    for (const subject of ['a', 'b', 'c', 'a', 'c']) ask(user(['viewer'], { subject }))
    expect((await decisions()).map(({ subject }) => subject)).toEqual(['a', 'b', 'c', 'a'])
  })
})

describe('the queue', () => {
  function slow() {
    const written: string[] = []
    let release = (): void => {}
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    return { written, release, write: (lines: string) => gate.then(() => void written.push(lines)) }
  }

  it('is bounded: allowed decisions are left out first, and what is missing is counted in the log and told once', async () => {
    const events: DecisionLogDropped[] = []
    const stop = decisionLogDropped.subscribe(({ data }) => events.push(data))
    const { written, release, write } = slow()
    const { log } = started({ write, queue: 8 })
    await new Promise((resolve) => setImmediate(resolve))
    for (let n = 0; n < 10; n++) ask(viewer)
    for (let n = 0; n < 10; n++) ask(nobody)
    release()
    await log.flush()
    stop()
    const lines = written
      .join('')
      .trim()
      .split('\n')
      .map((text) => parseDecisionLine(text)!)
    const outcomes = lines.flatMap((line) => (line.type === 'decision' ? [line.outcome] : []))
    expect(outcomes.filter((outcome) => outcome === 'allowed')).toHaveLength(6)
    expect(outcomes.filter((outcome) => outcome === 'refused')).toHaveLength(2)
    expect(lines.find(({ type }) => type === 'log.dropped')).toMatchObject({ allows: 4, denials: 8 })
    expect(events).toEqual([{ cause: 'full', allows: 1, denials: 0 }])
  })

  it('a request never waits for whoever writes, nor hears of what he throws', async () => {
    const events: DecisionLogDropped[] = []
    const stop = decisionLogDropped.subscribe(({ data }) => events.push(data))
    let fail = true
    const texts: string[] = []
    const { log } = started({
      write: (lines) => {
        if (fail) throw new TypeError('disk full')
        texts.push(lines)
      },
    })
    ask(viewer)
    ask(nobody)
    await log.flush()
    fail = false
    ask(nobody)
    await log.flush()
    stop()
    const lines = texts
      .join('')
      .trim()
      .split('\n')
      .map((text) => parseDecisionLine(text)!)
    // The line of the start is lost as well.
    expect(lines.map(({ type }) => type)).toEqual(['log.dropped', 'decision'])
    expect(lines[0]).toMatchObject({ allows: 1, denials: 2 })
    expect(events).toEqual([{ cause: 'write_failed', allows: 1, denials: 2 }])
  })

  it('lines come in order and one write at a time', async () => {
    let writing = 0
    let most = 0
    const texts: string[] = []
    const { log } = started({
      write: async (lines) => {
        writing += 1
        most = Math.max(most, writing)
        await new Promise((resolve) => setImmediate(resolve))
        texts.push(lines)
        writing -= 1
      },
    })
    for (let n = 0; n < 2500; n++) {
      ask(user([], { subject: `u${n}` }))
      if (n % 500 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    await log.flush()
    const subjects = texts
      .join('')
      .trim()
      .split('\n')
      .flatMap((text) => {
        const line = parseDecisionLine(text)!
        return line.type === 'decision' ? [line.subject] : []
      })
    expect(most).toBe(1)
    expect(subjects).toEqual(Array.from({ length: 2500 }, (_, n) => `u${n}`))
  })
})

it('begins with a line, ends with one, and hears nothing afterwards', async () => {
  const { log, lines } = started()
  ask(client(['invoice:read']))
  await log.close()
  ask(nobody)
  await log.close()
  expect((await lines()).map(({ type }) => type)).toEqual(['log.start', 'decision', 'log.stop'])
})

it.each([
  ['a rate above 1', { sampleAllows: 1.1 }],
  ['a rate that is no number', { sampleAllows: Number.NaN }],
  ['a negative time', { firstEvery: -1 }],
  ['a queue of nothing', { queue: 0 }],
  ['no memory', { remembered: 0 }],
  ['nothing that writes', { write: undefined as never }],
])('%s is refused', (_what, options) => {
  const make = () => createDecisionLog({ write: () => {}, ...options })
  expect(make).toThrow(AdvisorError)
  expect(make).toThrow(expect.objectContaining({ code: 'rbac.decision_log_invalid' }))
})
