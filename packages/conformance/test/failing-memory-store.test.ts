import { storeFaultSuite } from '../src/store-faults.ts'
import { breakerOf, DEADLINE, FaultyServer, rightClient, underTest } from './faulty-server.ts'

storeFaultSuite({
  name: 'memory, behind a line that fails, three clients',
  deadline: DEADLINE,
  can: { kill: true, freeze: true, slow: true, fill: true, crowd: true, readOnly: true },
  durable: true,
  async open() {
    const peers = [rightClient(breakerOf(undefined)), rightClient(breakerOf(undefined))]
    return underTest(new FaultyServer(), [rightClient(), ...peers])
  },
})
