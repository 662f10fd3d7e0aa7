import { audiences, type Base, type Dice, issuer, type Mutation, epoch as now, resigned } from './bases.ts'
import { b64 } from './support.ts'

/** Headers that are another object, under a good signature. */
function headers(name: string, changes: readonly ((of: Base) => object)[]): Mutation {
  return { name, make: (of, dice) => resigned(of, { ...of.header, ...dice.pick(changes)(of) }) }
}

function just(...changes: readonly object[]): readonly (() => object)[] {
  return changes.map((change) => () => change)
}

const url = 'https://thief.example/keys'
const headerEdits: readonly Mutation[] = [
  headers('alg in another spelling', [
    ({ alg }) => ({ alg: alg.toLowerCase() }),
    ({ alg }) => ({ alg: ` ${alg}` }),
    ({ alg }) => ({ alg: `${alg}\0` }),
    ({ alg }) => ({ alg: [alg] }),
    ({ alg }) => ({ alg: { toString: alg } }),
    ...just({ alg: '' }, { alg: undefined }, { alg: null }, { alg: 1 }, { alg: 'constructor' }, { alg: '__proto__' }),
  ]),
  headers('alg none', just({ alg: 'none' }, { alg: 'None' }, { alg: 'NONE' })),
  {
    name: 'alg none, unsigned',
    make: (of, dice) => `${b64({ ...of.header, alg: dice.pick(['none', 'nOnE']) })}.${b64(of.claims)}.`,
  },
  headers(
    'another alg',
    ['ES256', 'ES384', 'RS256', 'RS512', 'PS256', 'PS512', 'EdDSA', 'Ed25519', 'HS256', 'HS512', 'ES256K', 'RSA-OAEP', 'dir'].map(
      (alg) => (of: Base) => ({ alg: alg === of.alg ? `${alg}K` : alg }),
    ),
  ),
  headers('typ in another letter case or with application/', just({ typ: 'AT+JWT' }, { typ: 'application/at+jwt' })),
  headers(
    'another typ',
    just({ typ: 'JWT' }, { typ: 'dpop+jwt' }, { typ: '' }, { typ: undefined }, { typ: 'application/application/at+jwt' }),
  ),
  headers('typ of another type', just({ typ: null }, { typ: ['at+jwt'] }, { typ: 1 })),
  headers('crit', just({ crit: [] }, { crit: null }, { crit: ['x'], x: 1 }, { crit: ['exp'] }, { crit: 'b64' })),
  headers('crit with b64', just({ crit: ['b64'], b64: true }, { crit: ['b64', 'b64'], b64: true })),
  headers('b64 false', just({ crit: ['b64'], b64: false })),
  headers('b64 without crit', just({ b64: true }, { b64: false }, { b64: 0 })),
  headers('keys in the header', [
    ...just({ jku: url }, { x5u: url }, { x5c: ['MIIB'] }, { jwk: {} }, { 'x5t#S256': 'AAAA' }),
    ({ publicJwk }) => ({ jwk: publicJwk ?? { kty: 'oct', k: '' } }),
  ]),
  headers(
    'another kid',
    just({ kid: 'k2' }, { kid: '' }, { kid: '../k1' }, { kid: 'k1\0' }, { kid: "k1' OR 1=1" }, { kid: '__proto__' }),
  ),
  headers('no kid', just({ kid: undefined })),
  headers('kid of another type', just({ kid: null }, { kid: 1 }, { kid: ['k1'] }, { kid: { k1: 1 } })),
  headers(
    'other parameters',
    just({ zip: 'DEF' }, { cty: 'JWT' }, { enc: 'A256GCM' }, { p2c: 1e9 }, { url }, { nonce: 'n' }, { exp: 1 }),
  ),
]

/** JSON that is written in another way, in the header or in the claims, under a good signature. */
function written(name: string, write: (json: string, dice: Dice) => string | Uint8Array): readonly Mutation[] {
  return [
    { name: `header with ${name}`, make: (of, dice) => resigned(of, write(JSON.stringify(of.header), dice)) },
    { name: `claims with ${name}`, make: (of, dice) => resigned(of, of.header, write(JSON.stringify(of.claims), dice)) },
  ]
}

function add(json: string, members: string): string {
  return `${json.slice(0, -1)},${members}}`
}

function latin1(json: string): Uint8Array {
  return Buffer.from(json, 'latin1')
}

const writing: readonly Mutation[] = [
  ...written('a member named twice', (json, dice) => {
    const [name] = dice.pick(Object.entries(JSON.parse(json) as object))
    const value = JSON.stringify((JSON.parse(json) as Record<string, unknown>)[name])
    const escaped = name.replace(/^./, (first) => `\\u00${first.charCodeAt(0).toString(16)}`)
    return dice.pick([
      add(json, `"${name}":${value}`),
      add(json, `"${escaped}":${value}`),
      json.replace('{', `{"${name}":"first",`),
      json.replace('{', `{"${escaped}":0,`),
      add(json, '"a":{"b":1,"b":1}'),
      add(json, '"a":[{"b":1, "\\u0062":1}]'),
      add(json, '"a":1 , "a" : 2'),
      add(json, '"__proto__":1,"__proto__":1'),
    ])
  }),
  ...written('white space', (json, dice) =>
    dice.pick([` ${json}`, `${json}\n`, json.replaceAll(',', ' ,\t'), JSON.stringify(JSON.parse(json), null, 2)]),
  ),
  ...written('a byte order mark', (json) => `\ufeff${json}`),
  ...written('bytes that are not UTF-8', (json, dice) =>
    latin1(dice.pick([add(json, '"x":"\xff"'), add(json, '"x":"\xc0\xaf"'), add(json, '"x":"\xed\xa0\x80"'), `${json}\xc3`])),
  ),
  ...written('another encoding', (json, dice) => Buffer.from(dice.pick([json, `\ufeff${json}`]), 'utf16le')),
  ...written('lone surrogates', (json, dice) => add(json, dice.pick(['"x":"\\ud800"', '"\\udc00":1', '"x":"\\udc00\\ud800"']))),
  ...written('numbers in other spellings', (json, dice) =>
    add(json, dice.pick(['"x":1e3', '"x":-0', '"x":1E+2', '"x":1.0', '"x":1e999', '"x":123456789012345678901234567890'])),
  ),
  ...written('JSON that is none', (json, dice) =>
    dice.pick([
      ...['"x":NaN', '"x":Infinity', '"x":01', '"x":.5', '"x":0x10', "'x':1", 'x:1', '"x":undefined', ''].map((bad) =>
        add(json, bad),
      ),
      `${json}{}`,
      `${json}\0`,
      `// ${json}`,
      json.slice(0, -1),
      `[${json}]`,
      JSON.stringify(json),
      'null',
      '""',
      '',
    ]),
  ),
  ...written('members like those of every object', (json, dice) =>
    add(
      json,
      dice.pick(['"__proto__":{"alg":"none","sub":"admin"}', '"constructor":{}', '"toString":1', '"hasOwnProperty":null']),
    ),
  ),
  ...written('deep nesting', (json, dice) => {
    const depth = 1 + dice.below(900)
    return add(json, `"x":${'['.repeat(depth)}${']'.repeat(depth)}`)
  }),
  ...written('text in every script', (json, dice) =>
    add(json, dice.pick(['"x":"é漢😀"', '"é":1', '"x":"\\u0000"', '"x":"\u2028"'])),
  ),
]

/** Claims that are another object, under a good signature. */
function claimed(name: string, changes: readonly object[]): Mutation {
  return { name, make: (of, dice) => resigned(of, of.header, { ...of.claims, ...dice.pick(changes) }) }
}

function each(names: readonly string[], values: readonly unknown[]): readonly object[] {
  return names.flatMap((name) => values.map((value) => ({ [name]: value })))
}

const DATES = ['exp', 'nbf', 'iat']
const NOT_DATES = [null, '', String(now + 300), `${now + 300}.0`, true, [], [now + 300], {}, { $date: now }]
const TEXTS = ['sub', 'jti', 'client_id']
const around = [-305, -300, -6, -5.5, -5, -4.5, -1, -0.5, 0, 0.5, 1, 4.5, 5, 5.5, 6, 300].map((offset) => now + offset)

const claimEdits: readonly Mutation[] = [
  claimed(
    'exp around now',
    around.map((exp) => ({ exp })),
  ),
  claimed(
    'nbf around now',
    around.map((nbf) => ({ nbf })),
  ),
  claimed(
    'iat around now',
    around.map((iat) => ({ iat })),
  ),
  claimed('dates of another type', each(DATES, NOT_DATES)),
  claimed(
    'dates far away',
    each(DATES, [0, -0, -1, 1, 1e-9, 1e300, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER + 1, -1e300, now * 1000]),
  ),
  claimed('dates that are missing', each(DATES, [undefined])),
  claimed(
    'several dates around now',
    around.map((date) => ({ exp: date + 6, nbf: date, iat: date })),
  ),
  claimed('aud of other forms', [
    ...each(['aud'], [undefined, null, '', [], [''], {}, { 0: audiences[0] }, [[audiences[0]]], [null], `${audiences[0]} `]),
    ...each(
      ['aud'],
      [`${audiences[0]}/`, audiences[0]!.toUpperCase(), audiences.join(' '), 'https://api.example.evil', ['x'], 1, true],
    ),
  ]),
  claimed(
    'aud that names one of ours',
    each(['aud'], [audiences[1], audiences, ['x', audiences[0]], [audiences[0], audiences[0]]]),
  ),
  claimed(
    'aud that names one of ours beside something else',
    each(
      ['aud'],
      [
        [audiences[0], 1],
        [null, audiences[0]],
        [audiences[0], ''],
      ],
    ),
  ),
  claimed('iss of other forms', [
    ...each(['iss'], [undefined, null, '', [], [issuer], { 0: issuer }, `${issuer}/`, issuer.toUpperCase(), ` ${issuer}`, 1]),
    ...each(['iss'], ['http://issuer.example', 'https://issuer.example@evil', 'https://issuer.examplе']),
  ]),
  claimed('sub, jti or client_id that is missing', each(TEXTS, [undefined])),
  claimed('sub, jti or client_id of another type', each(TEXTS, [null, '', 1, 0, false, [], ['user-1'], {}])),
  claimed('other claims', [
    { scope: 'read' },
    { cnf: { jkt: 'x' } },
    { roles: ['a'] },
    { amr: null },
    { '': 1 },
    { nested: { iss: 'x' } },
  ]),
]

export const CONTENT: readonly Mutation[] = [...headerEdits, ...writing, ...claimEdits]
