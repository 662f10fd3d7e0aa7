import { expect, it } from 'vitest'
import { type HeaderList, type MergedHeaders, mergeHeaders } from '../src/index.ts'

it.each<[string, HeaderList[], Record<string, string | string[]>]>([
  [
    'keeps two challenges',
    [[['WWW-Authenticate', 'Basic']], [['www-authenticate', 'Bearer']]],
    { 'www-authenticate': ['Basic', 'Bearer'] },
  ],
  [
    'keeps two cookies',
    [
      [
        ['Set-Cookie', 'a=1'],
        ['Set-Cookie', 'b=2'],
      ],
    ],
    { 'set-cookie': ['a=1', 'b=2'] },
  ],
  ['joins two limits', [[['RateLimit', '"a";r=1']], [['RateLimit', '"b";r=2']]], { ratelimit: '"a";r=1, "b";r=2' }],
  [
    'lets the later word stand',
    [[['Cache-Control', 'no-cache']], [['cache-control', 'no-store']]],
    { 'cache-control': 'no-store' },
  ],
])('merging headers %s', (_, lists, expected) => {
  const merged: MergedHeaders = new Map()
  for (const list of lists) mergeHeaders(merged, list)
  expect(Object.fromEntries([...merged].map(([key, { value }]) => [key, value]))).toEqual(expected)
})
