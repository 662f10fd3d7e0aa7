import { createMemoryStore, type Store } from '@portcullis/core'
import { beforeEach, describe, expect, it } from 'vitest'
import { createRememberedDevices, type RememberedDevices, type RememberedDevicesOptions } from '../src/assurance.ts'
import { eventsOf, type HandClock, timeAt } from './fixture.ts'

const start = 1_800_000_000_000
const day = 86_400_000
const credentials = 'password-3,totp-1'

let clock: HandClock
let store: Store
let devices: RememberedDevices

beforeEach(() => {
  clock = timeAt(start)
  store = createMemoryStore({ clock })
  devices = make()
})

function make(options: Partial<RememberedDevicesOptions> = {}): RememberedDevices {
  return createRememberedDevices({ store, clock, ...options })
}

const unknown = { ok: false, reason: { code: 'mfa.device_unknown' } }

describe('remembered devices', () => {
  it('are known by a cookie of 256 bits, for thirty days, and prove no more than that', async () => {
    const { device, token, setCookie } = await devices.remember('ada', { name: 'Firefox', credentials })
    expect(token).toMatch(/^[\w-]{43}$/)
    expect(setCookie).toBe(`__Host-device=${token}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=2592000`)
    expect(device).toMatchObject({ name: 'Firefox', rememberedAt: start, expiresAt: start + 30 * day })
    const proof = { method: 'remembered_device', at: start / 1000 }
    expect(await devices.verify('ada', { token, credentials })).toEqual({ ok: true, proof })
    clock.time += 30 * day - 1
    expect(await devices.verify('ada', { token, credentials })).toMatchObject({ ok: true })
    clock.time += 1
    expect(await devices.verify('ada', { token, credentials })).toMatchObject(unknown)
  })

  it('are of their own account alone', async () => {
    const { token } = await devices.remember('mallory', { name: 'x', credentials })
    expect(await devices.verify('ada', { token, credentials })).toMatchObject(unknown)
  })

  it('are void when the credentials of the account have changed', async () => {
    const { token } = await devices.remember('ada', { name: 'x', credentials })
    expect(await devices.verify('ada', { token, credentials: 'password-4,totp-1' })).toMatchObject(unknown)
  })

  it.each(['', 'x', 'A'.repeat(43), 'A'.repeat(5000)])('a token that nobody gave out is none: %j', async (token) => {
    expect(await devices.verify('ada', { token, credentials })).toMatchObject(unknown)
  })

  it('are listed and forgotten by their owner, one or all', async () => {
    const one = await devices.remember('ada', { name: 'one', credentials })
    clock.time += 1
    const two = await devices.remember('ada', { name: 'two', credentials })
    await devices.remember('bob', { name: 'three', credentials })
    expect((await devices.list('ada')).map(({ name, handle }) => [name, handle])).toEqual([
      ['one', one.device.handle],
      ['two', two.device.handle],
    ])
    expect(await devices.forget('bob', one.device.handle)).toBe(false)
    expect(await devices.forget('ada', one.device.handle)).toBe(true)
    expect(await devices.verify('ada', { token: one.token, credentials })).toMatchObject(unknown)
    expect(await devices.verify('ada', { token: two.token, credentials })).toMatchObject({ ok: true })
    expect(await devices.forgetAll('ada')).toBe(1)
    expect(await devices.verify('ada', { token: two.token, credentials })).toMatchObject(unknown)
    expect(await devices.list('bob')).toHaveLength(1)
  })

  it('are bounded: the oldest makes room', async () => {
    devices = make({ most: 2 })
    for (const name of ['one', 'two', 'three']) {
      await devices.remember('ada', { name, credentials })
      clock.time += 1
    }
    expect((await devices.list('ada')).map(({ name }) => name)).toEqual(['two', 'three'])
  })

  it('a stolen database builds no cookie, and a list names no token', async () => {
    const { token } = await devices.remember('ada', { name: 'x', credentials })
    const kept: unknown[] = []
    const rows = store.collection<string>({ name: 'mfa.remembered_devices', indexes: ['account'] })
    for await (const row of rows.find('account', 'ada')) kept.push(row)
    expect(kept).toHaveLength(1)
    expect(JSON.stringify(kept)).not.toContain(token)
    expect(JSON.stringify(kept)).not.toContain(credentials)
    const handle = (await devices.list('ada'))[0]!.handle
    expect(await devices.verify('ada', { token: handle, credentials })).toMatchObject(unknown)
    const { id } = kept[0] as { id: string }
    expect(await devices.verify('ada', { token: id, credentials })).toMatchObject(unknown)
  })

  it('tell when they are remembered, used, refused and forgotten', async () => {
    const events = await eventsOf(async () => {
      const { token } = await devices.remember('ada', { name: 'x', credentials })
      await devices.verify('ada', { token, credentials })
      await devices.verify('ada', { token, credentials: 'y' })
      await devices.forgetAll('ada')
    })
    expect(events.map(({ type }) => type)).toEqual(['mfa.enrolled', 'mfa.verified', 'mfa.refused', 'mfa.removed'])
  })

  it.each<[string, Partial<RememberedDevicesOptions>]>([
    ['a year', { lifetime: 365 * 86_400 }],
    ['none', { most: 0 }],
    ['a cookie name that ends the cookie', { cookie: 'a; Domain=acme.test' }],
  ])('refuses %s', (_, options) => {
    expect(() => make(options)).toThrow(expect.objectContaining({ code: 'mfa.options_invalid' }))
  })
})
