import { describe, expect, expectTypeOf, test } from 'vitest'
import { type Access, AccessError, type AccessErrorCode, defineAccess, type ResolvedPermission } from '../src/index.ts'
import { ledger, user } from './ledger.ts'

const resources = { invoice: ['read', 'create'], audit: ['read'] } as const

/** Defines from data that the compiler has not seen, as if it came from a file. */
function define(definition: object): Access {
  return defineAccess(definition as Parameters<typeof defineAccess>[0])
}

function refusal(definition: object): AccessError {
  try {
    define(definition)
  } catch (error) {
    if (error instanceof AccessError) return error
    throw error
  }
  throw new Error('it was accepted')
}

describe('a definition is checked by the compiler', () => {
  test('permissions and roles are literal types', () => {
    expectTypeOf(ledger).toEqualTypeOf<
      Access<
        'invoice:read' | 'invoice:create' | 'invoice:update' | 'invoice:refund' | 'audit:read',
        'viewer' | 'accountant' | 'owner' | 'suspended'
      >
    >()
    expectTypeOf(ledger.permission('audit:read')).toEqualTypeOf<ResolvedPermission<'audit:read'>>()
    expect(ledger.permissions).toEqual(['invoice:read', 'invoice:create', 'invoice:update', 'invoice:refund', 'audit:read'])
    expect(ledger.roles).toEqual(['viewer', 'accountant', 'owner', 'suspended'])
  })

  test('a misspelt permission does not compile where it is allowed, denied, checked or declared', () => {
    // @ts-expect-error: a typo in a role
    expect(() => defineAccess({ resources, roles: { viewer: { allow: ['invoce:read'] } } })).toThrow(AccessError)
    // @ts-expect-error: an action of another resource
    expect(() => defineAccess({ resources, roles: { viewer: { deny: ['audit:create'] } } })).toThrow(AccessError)
    // @ts-expect-error: a wildcard of no resource
    expect(() => defineAccess({ resources, roles: { viewer: { allow: ['invoices:*'] } } })).toThrow(AccessError)
    // @ts-expect-error: a typo in a check
    expect(() => ledger.decideSome(user(['owner']), 'invoice:reed')).toThrow(AccessError)
    // @ts-expect-error: a typo in a check of a record
    expect(() => ledger.decide(user(['owner']), 'invoice:reed', { tenant: 'acme' })).toThrow(AccessError)
    // @ts-expect-error: a typo in a route's rule
    expect(() => ledger.permit('invoice:reed')).toThrow(AccessError)
    // @ts-expect-error: a wildcard is not something that one can hold
    expect(() => ledger.permit('invoice:*')).toThrow(AccessError)
    // @ts-expect-error: no permission at all
    expect(() => ledger.permit([])).toThrow(AccessError)
  })

  test('a misspelt role does not compile where it is inherited', () => {
    // @ts-expect-error: no role of that name
    expect(() => defineAccess({ resources, roles: { viewer: {}, owner: { inherits: ['viever'] } } })).toThrow(AccessError)
  })
})

describe('wildcards are resolved when they are defined', () => {
  const access = defineAccess({
    resources,
    roles: { clerk: { allow: ['invoice:*'] }, root: { allow: ['*'] }, auditor: { allow: ['*'], deny: ['invoice:*'] } },
  })
  const held = (role: string) => access.permissions.filter((permission) => access.canSome(user([role]), permission))

  test.each([
    ['clerk', ['invoice:read', 'invoice:create']],
    ['root', ['invoice:read', 'invoice:create', 'audit:read']],
    ['auditor', ['audit:read']],
  ])('%s may %j', (role, permissions) => {
    expect(held(role)).toEqual(permissions)
  })
})

describe('what is wrong is refused with a code, and named', () => {
  const roles = { viewer: {} }
  const cases: readonly [string, object, AccessErrorCode, readonly string[]][] = [
    [
      'every unknown permission at once',
      { resources, roles: { a: { allow: ['invoce:read', '*'] }, b: { deny: ['audit:*', 'audit:write'] } } },
      'rbac.permission_unknown',
      ['invoce:read', 'audit:write'],
    ],
    ['an unknown permission of clients', { resources, roles, clients: { allow: ['x:y'] } }, 'rbac.permission_unknown', ['x:y']],
    ['unknown roles', { resources, roles: { a: { inherits: ['b', 'c'] }, b: {} } }, 'rbac.role_unknown', ['c']],
    ['a role that inherits itself', { resources, roles: { a: { inherits: ['a'] } } }, 'rbac.role_cycle', ['a']],
    [
      'a cycle over three roles',
      { resources, roles: { z: { inherits: ['a'] }, a: { inherits: ['b'] }, b: { inherits: ['c'] }, c: { inherits: ['a'] } } },
      'rbac.role_cycle',
      ['a', 'b', 'c'],
    ],
    [
      'a misspelt member, which may be a deny',
      { resources, roles: { a: { denies: [] } } },
      'rbac.definition_invalid',
      ['denies'],
    ],
    ['a misspelt member of the definition', { resources, role: {} }, 'rbac.definition_invalid', ['role']],
    ['a list that is none', { resources, roles: { a: { allow: 'invoice:read' } } }, 'rbac.definition_invalid', []],
    ['a list of something else', { resources, roles: { a: { deny: [1] } } }, 'rbac.definition_invalid', []],
    ['a role that is none', { resources, roles: { a: null } }, 'rbac.definition_invalid', []],
    ['no roles', { resources }, 'rbac.definition_invalid', []],
    ['a resource without actions', { resources: { invoice: [] }, roles }, 'rbac.definition_invalid', ['invoice']],
    ['an action twice', { resources: { a: ['b', 'b'] }, roles }, 'rbac.definition_invalid', ['a:b']],
    ['a resource with a colon', { resources: { 'a:b': ['c'] }, roles }, 'rbac.name_invalid', ['a:b']],
    ['an action that is a wildcard', { resources: { a: ['*'] }, roles }, 'rbac.name_invalid', ['*']],
    ['a role with a line break', { resources, roles: { 'a\nb': {} } }, 'rbac.name_invalid', ['a\nb']],
    ['a scope with a quote', { resources, roles, scopeOf: () => 'a"b' }, 'rbac.scope_invalid', ['invoice:read']],
    ['a scope that is two', { resources, roles, scopeOf: () => 'a b' }, 'rbac.scope_invalid', ['invoice:read']],
    ['a scopeOf that is none', { resources, roles, scopeOf: 'x' }, 'rbac.definition_invalid', []],
  ]

  test.each(cases)('%s', (_name, definition, code, names) => {
    const error = refusal(definition)
    expect(error.code).toBe(code)
    expect(error.names).toEqual(names)
    for (const name of names) expect(error.message).toContain(JSON.stringify(name).slice(1, -1))
  })

  test('the message shows the way around a cycle', () => {
    expect(refusal({ resources, roles: { a: { inherits: ['b'] }, b: { inherits: ['a'] } } }).message).toContain('a → b → a')
  })

  test('a diamond is no cycle', () => {
    const access = defineAccess({
      resources,
      roles: { top: { inherits: ['l', 'r'] }, l: { inherits: ['base'] }, r: { inherits: ['base'] }, base: { allow: ['*'] } },
    })
    expect(access.canSome(user(['top']), 'audit:read')).toBe(true)
  })
})

test('changing what a definition was made of changes nothing afterwards', () => {
  const allow: 'invoice:read'[] = []
  const roles = { viewer: { allow } }
  const access = defineAccess({ resources, roles })
  allow.push('invoice:read')
  expect(access.canSome(user(['viewer']), 'invoice:read')).toBe(false)
  expect(() => Object.assign(access, { can: () => ({ allowed: true }) })).toThrow(TypeError)
})

test('a permission that another definition resolved is refused, not read as a bit of this one', () => {
  const other = defineAccess({ resources: { weather: ['read'] }, roles: {} })
  const foreign = other.permission('weather:read') as unknown as ResolvedPermission<'invoice:read'>
  const bound = ledger.bind(user(['viewer']))
  for (const use of [
    () => bound.allows(foreign),
    () => bound.decideSome(foreign),
    () => bound.decide(foreign, { tenant: 'acme' }),
    () => ledger.permit(foreign),
  ]) {
    expect(use).toThrow(expect.objectContaining({ code: 'rbac.permission_foreign' }))
  }
})
