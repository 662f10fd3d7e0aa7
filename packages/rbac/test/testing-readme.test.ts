import { defineAccess } from '@portcullis/rbac'
import { describePolicies } from '@portcullis/rbac/testing'
import { describe, expect, it } from 'vitest'

const access = defineAccess({
  resources: { invoice: ['read', 'refund'] },
  roles: { viewer: { allow: ['invoice:read'] }, owner: { allow: ['invoice:*'] } },
})

describePolicies(
  access,
  [
    { who: 'viewer', what: 'invoice:read', which: 'ours', expected: 'allow', why: 'that is what viewers are for' },
    { who: 'viewer', what: 'invoice:refund', expected: 'deny', why: 'only owners give money back' },
    { who: 'owner', what: ['invoice:read', 'invoice:refund'], which: 'ours', expected: 'allow', why: 'it is theirs' },
    { who: 'owner', what: 'invoice:refund', which: 'theirs', expected: 'deny', why: "another tenant's" },
  ],
  { describe, it, expect },
  { records: { ours: { tenant: 'acme' }, theirs: { tenant: 'globex' } } },
)
