import { describe, expect, it } from 'vitest'
import { authenticated, challenge, decide, type Principal } from '../src/index.ts'
import { requestView } from './view.ts'

const clock = { now: () => 1_000_000_000 }
const person = (over: Partial<Principal>): Principal => ({
  subject: 'ada',
  kind: 'user',
  roles: [],
  challenge: { scheme: 'Bearer', params: { resource_metadata: 'https://api.example/meta' } },
  ...over,
})

describe('step-up (RFC 9470 §3)', () => {
  it.each([
    ['reached and fresh', { acr: 'aal2', authTime: 1_000_000 - 300 }, undefined],
    ['too weak', { acr: 'aal1', authTime: 1_000_000 }, 'core.assurance_too_low'],
    ['unknown', { authTime: 1_000_000 }, 'core.assurance_too_low'],
    ['one second too old', { acr: 'aal2', authTime: 1_000_000 - 301 }, 'core.authentication_too_old'],
    ['of unknown age', { acr: 'aal2' }, 'core.authentication_too_old'],
  ])('%s', async (_, over, code) => {
    const policy = authenticated({ acr: ['aal2', 'aal3'], maxAge: 300, clock })
    const req = requestView()
    const decision = await policyDecision(req, policy, person(over))
    if (code === undefined) return expect(decision.type).toBe('continue')
    expect(decision).toMatchObject({ type: 'reply', reply: { status: 401 } })
    expect(JSON.stringify(decision)).toContain('insufficient_user_authentication')
    expect(JSON.stringify(decision)).toContain('acr_values=\\"aal2 aal3\\", max_age=\\"300\\"')
  })

  async function policyDecision(
    req: ReturnType<typeof requestView>,
    policy: ReturnType<typeof authenticated>,
    principal: Principal,
  ) {
    return decide(req, [() => ({ type: 'continue', principal })], policy)
  }
})

describe('challenge (RFC 9110 §11.6.1)', () => {
  it('names the scheme that the caller used, and the parameters common to all challenges', () => {
    expect(challenge(person({}), { error: 'invalid_token' })).toEqual([
      ['WWW-Authenticate', 'Bearer resource_metadata="https://api.example/meta", error="invalid_token"'],
    ])
  })

  it('is nothing for a caller without a scheme', () => {
    expect(challenge({}, { error: 'x' })).toEqual([])
  })

  it.each(['a"b', 'a\\b', 'a\r\nSet-Cookie: x', 'ä'])('refuses what can not stand in a quoted string: %j', (value) => {
    expect(() => challenge(person({}), { error: value })).toThrowError(expect.objectContaining({ code: 'core.header_invalid' }))
  })
})
