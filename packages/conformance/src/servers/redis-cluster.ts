import { setTimeout as pause } from 'node:timers/promises'
import { freePort } from './free-port.ts'
import { RedisServer } from './redis-server.ts'

const SLOTS = 16_384
/** Ports that are tried for a node: somebody may take one just before it does, or the one of its bus, 10,000 above. */
const TRIES = 5
/** Keys that move at once. */
const STEP = 3
/** Milliseconds within which a cluster must be whole again. */
const WHOLE_WITHIN = 30_000

/** A node of {@link RedisCluster}. */
export interface RedisNode {
  readonly server: RedisServer
  readonly port: number
  /** What it calls itself in the cluster. */
  readonly id: string
  /** The first slot that it had at the start, and the last. */
  readonly slots: readonly [first: number, last: number]
}

/** A Redis Cluster of three masters of one's own, on ports of 127.0.0.1, without replicas. */
export class RedisCluster {
  readonly #nodes: RedisNode[] = []
  /** Milliseconds after which a node that does not answer counts as failed. */
  readonly #nodeTimeout: number

  constructor({ nodeTimeout = 1500 }: { readonly nodeTimeout?: number } = {}) {
    this.#nodeTimeout = nodeTimeout
  }

  /** What ioredis takes to find the cluster. */
  get addresses(): readonly { readonly host: string; readonly port: number }[] {
    return this.#nodes.map(({ port }) => ({ host: '127.0.0.1', port }))
  }

  get nodes(): readonly RedisNode[] {
    return this.#nodes
  }

  /** Resolves when every slot is served and every node knows it. @param settings for each node, as {@link RedisServer.start} has them */
  async start(...settings: readonly string[]): Promise<void> {
    for (let n = 0; n < 3; n++) {
      const { server, port } = await this.#startNode(settings)
      const slots = [Math.ceil((SLOTS * n) / 3), Math.ceil((SLOTS * (n + 1)) / 3) - 1] as const
      await server.command('CLUSTER', 'ADDSLOTSRANGE', ...slots)
      // Two nodes with one epoch would have to settle who keeps a slot that moves.
      await server.command('CLUSTER', 'SET-CONFIG-EPOCH', n + 1)
      this.#nodes.push({ server, port, id: String(await server.command('CLUSTER', 'MYID')), slots })
    }
    for (const { port } of this.#nodes) await this.#first.server.command('CLUSTER', 'MEET', '127.0.0.1', port)
    await this.whole()
  }

  async #startNode(settings: readonly string[]): Promise<{ server: RedisServer; port: number }> {
    const cluster = ['--cluster-enabled', 'yes', '--cluster-node-timeout', String(this.#nodeTimeout)]
    for (let attempt = 1; ; attempt++) {
      const server = new RedisServer()
      const port = await freePort()
      try {
        await server.start('--port', String(port), ...cluster, ...settings)
        return { server, port }
      } catch (error) {
        await server.close()
        if (attempt === TRIES) throw error
      }
    }
  }

  /** Waits until all nodes say that all slots are served. */
  async whole(): Promise<void> {
    const until = Date.now() + WHOLE_WITHIN
    for (const { server } of this.#nodes) {
      for (;;) {
        const info = String(await server.command('CLUSTER', 'INFO').catch(() => ''))
        if (/^cluster_state:ok\r?$/m.test(info) && /^cluster_known_nodes:3\r?$/m.test(info)) break
        if (Date.now() > until) throw new Error('the cluster did not become whole')
        await pause(20)
      }
    }
  }

  /** The node that has a slot. */
  async nodeOf(slot: number): Promise<RedisNode> {
    const ranges = (await this.#first.server.command('CLUSTER', 'SLOTS')) as [number, number, [string, number, string]][]
    const range = ranges.find(([first, last]) => first <= slot && slot <= last)
    const node = this.#nodes.find(({ id }) => id === range?.[2][2])
    if (node === undefined) throw new Error(`nobody serves slot ${slot}`)
    return node
  }

  /** The slot of a key. */
  async slotOf(key: string): Promise<number> {
    return Number(await this.#first.server.command('CLUSTER', 'KEYSLOT', key))
  }

  /**
   * Moves a slot from the node that has it to the next, while it is in use, as `redis-cli --cluster reshard` does.
   * @param stepping awaited between two steps, while the slot is on two nodes
   */
  async migrate(slot: number, stepping: () => Promise<void> = () => pause(5)): Promise<void> {
    const from = await this.nodeOf(slot)
    const to = this.#nodes[(this.#nodes.indexOf(from) + 1) % this.#nodes.length] ?? from
    await to.server.command('CLUSTER', 'SETSLOT', slot, 'IMPORTING', from.id)
    await from.server.command('CLUSTER', 'SETSLOT', slot, 'MIGRATING', to.id)
    for (;;) {
      await stepping()
      const keys = (await from.server.command('CLUSTER', 'GETKEYSINSLOT', slot, STEP)) as readonly string[]
      if (keys.length === 0) break
      await from.server.command('MIGRATE', '127.0.0.1', to.port, '', 0, 5000, 'KEYS', ...keys)
    }
    // The new owner first: from then on nobody believes to be without the slot.
    for (const node of [to, from, ...this.#nodes]) await node.server.command('CLUSTER', 'SETSLOT', slot, 'NODE', to.id)
  }

  async close(): Promise<void> {
    for (const { server } of this.#nodes) await server.close()
  }

  get #first(): RedisNode {
    const [node] = this.#nodes
    if (node === undefined) throw new Error('the cluster was not started')
    return node
  }
}
