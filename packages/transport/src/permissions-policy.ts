import { TransportError } from './errors.ts'
import { parseOrigin } from './origin.ts'

/** Who may use a feature of the browser: nobody (`[]`), `'self'`, and origins. */
export type PermissionsPolicy = Readonly<Record<string, readonly string[]>>

const OFF: PermissionsPolicy = {
  camera: [],
  'display-capture': [],
  geolocation: [],
  microphone: [],
  payment: [],
  usb: [],
}

/** A structured-field dictionary (W3C Permissions Policy §9.2). @throws TransportError `transport.header_invalid` */
export function formatPermissionsPolicy(policy: PermissionsPolicy = OFF): string {
  return Object.entries(policy)
    .map(([feature, allowed]) => {
      if (!/^[a-z]+(-[a-z]+)*$/.test(feature)) throw invalid('has a feature that is not named as features are')
      return `${feature}=(${allowed.map((who) => (who === 'self' ? 'self' : `"${originOf(feature, who)}"`)).join(' ')})`
    })
    .join(', ')
}

function originOf(feature: string, who: string): string {
  const origin = parseOrigin(who)
  if (origin === undefined) throw invalid(`allows ${feature} to something that is neither self nor an origin`)
  return origin
}

function invalid(what: string): TransportError {
  return new TransportError('transport.header_invalid', `Permissions-Policy ${what}`)
}
