import { decide, decisionEvent, type Principal, type Refusal, type SecurityEvent, subscribe } from '@portcullis/core'
import { afterEach, describe, expect, test } from 'vitest'
import { type AccessErrorCode, defineAccess, recordDecision } from '../src/index.ts'
import { client, clock, ledger, user } from './ledger.ts'
import { request } from './request.ts'

const { permit } = ledger
const bearer = { challenge: { scheme: 'Bearer', params: { realm: 'ledger' } } }

/** What the guard answers; it must not be a promise. */
function run(policy: ReturnType<typeof permit>, principal?: Principal) {
  const decision = policy.guard(request(principal))
  if (decision instanceof Promise) throw new Error('the guard was asynchronous')
  return decision
}

function refused(policy: ReturnType<typeof permit>, principal: Principal): Refusal {
  const decision = run(policy, principal)
  if (decision.type !== 'reply') throw new Error('it was allowed')
  return decision
}

function headers(refusal: Refusal, name: string): readonly string[] {
  return (refusal.reply.headers ?? []).filter(([given]) => given.toLowerCase() === name).map(([, value]) => value)
}

describe('permit', () => {
  test('declares what it needs', () => {
    const policy = permit('invoice:refund', { stepUp: { acr: ['aal2'], maxAge: 300 } })
    expect(policy).toMatchObject({
      kind: 'permission',
      label: 'invoice:refund',
      permissions: ['invoice:refund'],
      stepUp: { acr: ['aal2'], maxAge: 300 },
    })
    expect(permit('invoice:read')).not.toHaveProperty('stepUp')
    expect(permit(['invoice:read', 'audit:read'])).toMatchObject({
      label: 'invoice:read, audit:read',
      permissions: ['invoice:read', 'audit:read'],
    })
  })

  test('lets the caller go on, says by which role, and allocates nothing for it', () => {
    const policy = permit(ledger.permission('invoice:read'))
    const decision = run(policy, user(['accountant']))
    expect(decision).toMatchObject({ type: 'continue', reason: { code: 'rbac.role_grants_permission' } })
    expect(decision.type === 'continue' && decision.reason?.message).toBe('accountant → viewer grants invoice:read')
    expect(run(policy, user(['accountant'], { subject: 'u2' }))).toBe(decision)
  })

  test('v5.0.0-16.5.1: a role that lacks it is 403; the client learns nothing more, the log the reason', () => {
    const refusal = refused(permit('audit:read'), user(['accountant'], bearer))
    expect(refusal.reply.status).toBe(403)
    expect(headers(refusal, 'content-type')).toEqual(['application/problem+json'])
    expect(headers(refusal, 'cache-control')).toEqual(['no-store'])
    expect(headers(refusal, 'www-authenticate')).toEqual([])
    expect(JSON.parse(String(refusal.reply.body))).toEqual({
      type: 'about:blank',
      title: 'Forbidden',
      status: 403,
      detail: 'The caller may not do this.',
    })
    expect(refusal.cause).toMatchObject({
      code: 'rbac.role_lacks_permission',
      message: 'no role grants audit:read: the caller holds accountant',
    })
  })

  test('the bodies of all refusals are the same', () => {
    const bodies = [
      refused(permit('audit:read'), user([])),
      refused(permit('audit:read'), user(['viewer'])),
      refused(permit('invoice:refund'), user(['owner', 'suspended'])),
      refused(permit('invoice:read'), user(['owner'], { scopes: [] })),
      refused(permit('audit:read'), client(['audit:read'])),
    ].map((refusal) => refusal.reply.body)
    expect(new Set(bodies).size).toBe(1)
  })

  test('RFC 6750 §3.1: a scope that is missing is 403 with insufficient_scope, naming every scope that is needed', () => {
    const policy = permit(['invoice:read', 'audit:read', 'invoice:refund'])
    const refusal = refused(policy, user(['owner'], { ...bearer, scopes: ['invoice:read'] }))
    expect(refusal.reply.status).toBe(403)
    expect(headers(refusal, 'www-authenticate')).toEqual([
      'Bearer realm="ledger", error="insufficient_scope", scope="invoice:read audit:read invoice:refund"',
    ])
    expect(refusal.cause?.code).toBe('rbac.scope_missing')
  })

  test('a shared scope is named once, and in the scheme that the caller used', () => {
    const access = defineAccess({
      resources: { invoice: ['read', 'create'] },
      roles: { owner: { allow: ['*'] } },
      scopeOf: () => 'invoices',
    })
    const principal = user(['owner'], { scopes: [], challenge: { scheme: 'DPoP', params: { algs: 'ES256' } } })
    expect(headers(refused(access.permit(['invoice:read', 'invoice:create']), principal), 'www-authenticate')).toEqual([
      'DPoP algs="ES256", error="insufficient_scope", scope="invoices"',
    ])
  })

  test('a session without a scheme is not challenged', () => {
    expect(headers(refused(permit('audit:read'), user(['owner'], { scopes: [] })), 'www-authenticate')).toEqual([])
  })

  test('the role comes before the scope: no scope is asked for that would not help', () => {
    const refusal = refused(permit(['invoice:read', 'audit:read']), user(['viewer'], { ...bearer, scopes: [] }))
    expect(refusal.cause?.code).toBe('rbac.role_lacks_permission')
    expect(headers(refusal, 'www-authenticate')).toEqual([])
  })

  test('all of several permissions are needed', () => {
    const policy = permit(['invoice:read', 'invoice:create'])
    expect(run(policy, user(['viewer'])).type).toBe('reply')
    const decision = run(policy, user(['accountant']))
    expect(decision.type === 'continue' && decision.reason?.message).toBe(
      'accountant → viewer grants invoice:read; accountant grants invoice:create',
    )
  })

  test('a route that nobody authenticates is a mistake in wiring, not an open one', () => {
    expect(() => run(permit('invoice:read'))).toThrow(expect.objectContaining({ code: 'core.principal_missing' }))
  })
})

describe('v5.0.0-7.5.3: step-up', () => {
  const policy = permit('invoice:refund', { stepUp: { acr: ['aal2'], maxAge: 300 } })
  const now = (): number => Math.floor(clock.time / 1000)
  const fresh = { ...bearer, acr: 'aal2' }

  test('RFC 9470: weak or old authentication is 401 and says what is needed', () => {
    const weak = refused(policy, user(['owner'], { ...bearer, acr: 'aal1', authTime: now() }))
    expect(weak.reply.status).toBe(401)
    expect(headers(weak, 'www-authenticate')[0]).toMatch(/^Bearer .*error="insufficient_user_authentication".*acr_values="aal2"/)
    expect(refused(policy, user(['owner'], { ...fresh, authTime: now() - 301 })).reply.status).toBe(401)
    expect(refused(policy, user(['owner'], fresh)).reply.status).toBe(401)
    expect(run(policy, user(['owner'], { ...fresh, authTime: now() - 300 })).type).toBe('continue')
  })

  test('it is asked last: who may not at all is not sent to his second factor', () => {
    expect(refused(policy, user(['viewer'], bearer)).reply.status).toBe(403)
    const unscoped = refused(policy, user(['owner'], { ...bearer, scopes: ['invoice:read'] }))
    expect(unscoped.reply.status).toBe(403)
    expect(headers(unscoped, 'www-authenticate')[0]).toContain('insufficient_scope')
  })

  test('time is the definition’s clock', () => {
    const principal = user(['owner'], { ...fresh, authTime: now() })
    expect(run(policy, principal).type).toBe('continue')
    clock.time += 301_000
    expect(run(policy, principal).type).toBe('reply')
  })

  test('changing the options afterwards does not weaken the rule', () => {
    const stepUp = { maxAge: 300, acr: ['aal2'] }
    const kept = permit('invoice:refund', { stepUp })
    stepUp.maxAge = 1e9
    stepUp.acr.push('aal1')
    const once = { ...bearer, acr: 'aal1', authTime: now() }
    expect(refused(kept, user(['owner'], once)).reply.status).toBe(401)
    expect(refused(kept, user(['owner'], { ...fresh, authTime: now() - 301 })).reply.status).toBe(401)
  })

  test.each<[string, object]>([
    ['no values', { acr: [] }],
    ['a value that could not be listed', { acr: ['aal 2'] }],
    ['a value with a quote', { acr: ['"'] }],
    ['a negative age', { maxAge: -1 }],
    ['half a second', { maxAge: 0.5 }],
    ['not a number', { maxAge: Number.NaN }],
    ['nothing', {}],
  ])('%s is refused when it is declared', (_name, stepUp) => {
    const code: AccessErrorCode = 'rbac.step_up_invalid'
    expect(() => permit('invoice:refund', { stepUp })).toThrow(expect.objectContaining({ code }))
  })
})

describe('v5.0.0-16.3.2: check publishes what was decided about a record', () => {
  const stops: (() => void)[] = []
  afterEach(() => {
    for (const stop of stops.splice(0)) stop()
  })
  function listen(): SecurityEvent[] {
    const events: SecurityEvent[] = []
    stops.push(subscribe((event) => events.push(event)))
    return events
  }

  test('denied and allowed, with one correlation id per request', () => {
    const events = listen()
    const req = request(user(['owner'], { clientId: 'ledger-web' }))
    expect(ledger.check(req, 'invoice:read', { tenant: 'globex' })).toBe(false)
    expect(ledger.check(req, 'invoice:read', { tenant: 'acme' })).toBe(true)
    expect(events).toMatchObject([
      {
        type: 'rbac.record_decision',
        time: clock.time,
        ip: '203.0.113.7',
        data: {
          permission: 'invoice:read',
          allowed: false,
          reason: { code: 'rbac.tenant_mismatch' },
          subject: 'u1',
          kind: 'user',
          tenant: 'acme',
          clientId: 'ledger-web',
        },
      },
      { data: { allowed: true, reason: { code: 'rbac.role_grants_permission' } } },
    ])
    expect(events[0]?.correlationId).toBeTruthy()
    expect(events[1]?.correlationId).toBe(events[0]?.correlationId)
  })

  test('its answer is that of can, observed or not', () => {
    const principal = user(['viewer'])
    const record = { tenant: 'acme' }
    expect(recordDecision.observed).toBe(false)
    expect(ledger.check(request(principal), 'invoice:read', record)).toBe(true)
    expect(ledger.forRequest(request(principal)).decide('invoice:read', record)).toBe(
      ledger.decide(principal, 'invoice:read', record),
    )
  })

  test('a guard publishes nothing: its decision is an event of core already', () => {
    const events = listen()
    run(permit('audit:read'), user([]))
    run(permit('audit:read'), user(['owner']))
    expect(events).toEqual([])
  })

  test('core asks the rule after the guards, without a promise, and publishes the reason', () => {
    const events: SecurityEvent[] = []
    stops.push(decisionEvent.subscribe((event) => events.push(event)))
    const named = (roles: string[]) => [() => ({ type: 'continue', principal: user(roles) }) as const]
    expect(decide(request(), named(['accountant']), permit('invoice:read'))).toEqual({ type: 'continue', headers: [] })
    expect(decide(request(), named(['accountant']), permit('audit:read'))).toMatchObject({ reply: { status: 403 } })
    expect(events.map((event) => event.data)).toMatchObject([
      { outcome: 'allowed', reason: { message: 'accountant → viewer grants invoice:read' } },
      { outcome: 'refused', reason: { code: 'rbac.role_lacks_permission' } },
    ])
  })

  test('without a caller it is a mistake in wiring', () => {
    expect(() => ledger.check(request(), 'invoice:read', { tenant: 'acme' })).toThrow(
      expect.objectContaining({ code: 'core.principal_missing' }),
    )
  })
})
