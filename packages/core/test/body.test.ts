import { describe, expect, it } from 'vitest'
import { readForm, readJson } from '../src/index.ts'
import { requestView } from './view.ts'

const raw = (type: string | undefined, text: string) =>
  requestView({ headers: type ? { 'content-type': type } : {}, body: async () => ({ raw: Buffer.from(text, 'latin1') }) })
const parsed = (type: string, value: unknown) =>
  requestView({ headers: { 'content-type': type }, body: async () => ({ parsed: value }) })
const form = 'application/x-www-form-urlencoded'

describe('readForm', () => {
  it('reads fields, parsed or not', async () => {
    expect({ ...(await readForm(raw(`${form}; charset=utf-8`, 'a=1&b=x%20y'))) }).toEqual({ a: '1', b: 'x y' })
    expect({ ...(await readForm(parsed(form, { a: '1' }))) }).toEqual({ a: '1' })
  })

  it.each([
    ['a name twice (RFC 6749 §3.1)', raw(form, 'a=1&a=2')],
    ['a name twice, parsed into a list', parsed(form, { a: ['1', '2'] })],
    ['a name parsed into an object', parsed(form, { a: { b: '1' } })],
    ['another type', raw('application/json', '{}')],
    ['no type', raw(undefined, 'a=1')],
  ])('refuses %s', async (_, req) => {
    await expect(readForm(req)).rejects.toMatchObject({ code: 'core.form_malformed', status: 400 })
  })

  it('takes __proto__ for a name like any other', async () => {
    const fields = await readForm(raw(form, '__proto__=x&a=1'))
    expect(Object.keys(fields)).toEqual(['__proto__', 'a'])
  })
})

describe('readJson', () => {
  it('reads JSON, parsed or not', async () => {
    expect(await readJson(raw('application/json', '{"a":1}'))).toEqual({ a: 1 })
    expect(await readJson(parsed('application/problem+json; charset=utf-8', { a: 1 }))).toEqual({ a: 1 })
  })

  it.each([
    [
      'another type (a form that a browser sends across origins without asking)',
      raw('text/plain', '{}'),
      'core.content_type_unsupported',
    ],
    ['no JSON, without quoting it', raw('application/json', '{"password":"hunter2"'), 'core.json_malformed'],
    ['bytes that are not UTF-8', raw('application/json', '"\xff"'), 'core.json_malformed'],
  ])('refuses %s', async (_, req, code) => {
    const error = await readJson(req).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code })
    expect(String(error)).not.toContain('hunter2')
  })
})
