import type { Attribute, FieldType } from './condition.ts'
import { PRINCIPAL_ATTRIBUTES } from './condition-node.ts'
import { checkName, ownEntries } from './definition.ts'
import { AccessError } from './errors.ts'
import type { ResolvedPermission } from './permission.ts'

/** The fields that a rule may name, whatever number of resources its permissions are of. */
export interface FieldsInReach {
  /** `mixed`: it has another type in another resource. `undefined`: one of them does not have it. */
  typeOf(field: string): FieldType | 'mixed' | undefined
  /** Those that all have. */
  readonly names: readonly string[]
}

/** What conditions and field rules may name, besides permissions: fields of resources, and attributes of callers. */
export class Schema {
  readonly attributes: ReadonlyMap<string, Attribute>
  readonly #fields: ReadonlyMap<string, ReadonlyMap<string, FieldType>>

  /** @throws AccessError `rbac.definition_invalid`, `rbac.name_invalid` */
  constructor(resources: ReadonlySet<string>, fields: unknown, attributes: unknown) {
    this.#fields = readFields(resources, fields)
    this.attributes = readAttributes(attributes)
  }

  /** The fields of one resource. */
  fieldsOf(resource: string): ReadonlyMap<string, FieldType> {
    return this.#fields.get(resource) ?? NONE
  }

  inReach(permissions: readonly ResolvedPermission[]): FieldsInReach {
    const [first, ...others] = [...new Set(permissions.map(({ resource }) => resource))].map((name) => this.fieldsOf(name))
    const names = [...(first ?? NONE).keys()].filter((field) => others.every((fields) => fields.has(field)))
    return {
      names,
      typeOf(field) {
        if (!names.includes(field)) return undefined
        const type = first?.get(field)
        return others.every((fields) => fields.get(field) === type) ? type : 'mixed'
      },
    }
  }
}

const NONE: ReadonlyMap<string, FieldType> = new Map()

function readFields(resources: ReadonlySet<string>, written: unknown): ReadonlyMap<string, ReadonlyMap<string, FieldType>> {
  const fields = new Map<string, ReadonlyMap<string, FieldType>>()
  if (written === undefined) return fields
  for (const [resource, given] of ownEntries('fields', written)) {
    if (!resources.has(resource)) {
      throw new AccessError('rbac.definition_invalid', `fields names ${JSON.stringify(resource)}, which is no resource`, [
        resource,
      ])
    }
    const types = new Map<string, FieldType>()
    for (const [field, type] of ownEntries(`fields of ${resource}`, given)) {
      checkName('field', field)
      if (type !== 'string' && type !== 'number' && type !== 'boolean') {
        throw new AccessError('rbac.definition_invalid', `field ${field} of ${resource} is no string, number or boolean`, [field])
      }
      types.set(field, type)
    }
    fields.set(resource, types)
  }
  return fields
}

function readAttributes(written: unknown): ReadonlyMap<string, Attribute> {
  const attributes = new Map<string, Attribute>()
  if (written === undefined) return attributes
  for (const [name, read] of ownEntries('attributes', written)) {
    checkName('attribute', name)
    if (typeof read !== 'function') {
      throw new AccessError('rbac.definition_invalid', `attribute ${name} is not a function`, [name])
    }
    if (Object.hasOwn(PRINCIPAL_ATTRIBUTES, name)) {
      throw new AccessError('rbac.definition_invalid', `attribute ${name} is every principal's own`, [name])
    }
    attributes.set(name, read as Attribute)
  }
  return attributes
}
