import { type Clock, createMemoryStore, type Principal, type Store } from '@portcullis/core'
import { createRelations, type Relations, type RelationsOptions } from '@portcullis/rbac/relations'

/** Documents in folders, shared with people, programs, groups of groups, and everybody. */
export const schema = {
  user: {},
  client: {},
  group: { member: { direct: ['user', 'group#member'] } },
  folder: {
    parent: { direct: ['folder'] },
    owner: { direct: ['user'] },
    editor: { direct: ['user', 'group#member'], anyOf: ['owner', 'editor from parent'] },
    viewer: { direct: ['user', 'group#member', 'user:*'], anyOf: ['editor', 'viewer from parent'] },
  },
  document: {
    parent: { direct: ['folder'] },
    owner: { direct: ['user'] },
    editor: { direct: ['user', 'client', 'group#member'], anyOf: ['owner', 'editor from parent'] },
    viewer: { direct: ['user', 'client', 'group#member', 'user:*'], anyOf: ['editor', 'viewer from parent'] },
  },
} as const

export type Drive = Relations<typeof schema>

export const tenant = 'acme'
export const readme = { type: 'document', id: 'readme' } as const
export const folder = (id: string): { readonly type: 'folder'; readonly id: string } => ({ type: 'folder', id })
export const group = (id: string): { readonly type: 'group'; readonly id: string } => ({ type: 'group', id })
export const members = (id: string): { readonly type: 'group'; readonly id: string; readonly relation: 'member' } => ({
  ...group(id),
  relation: 'member',
})
export const user = (id: string): { readonly type: 'user'; readonly id: string } => ({ type: 'user', id })
export const grace: Principal = { subject: 'grace', kind: 'user', tenant, roles: [] }

export interface OpenDrive {
  readonly drive: Drive
  readonly store: Store
  readonly clock: Clock & { advance(milliseconds: number): void }
  again(options?: Partial<RelationsOptions<typeof schema>>): Drive
}

export function openDrive(options: Partial<RelationsOptions<typeof schema>> = {}): OpenDrive {
  let now = Date.UTC(2030, 0, 1)
  const clock = {
    now: () => now,
    advance(milliseconds: number) {
      now += milliseconds
    },
  }
  const store = createMemoryStore({ clock })
  const again: OpenDrive['again'] = (others = {}) => createRelations({ store, schema, clock, ...options, ...others })
  return { drive: again(), store, clock, again }
}
