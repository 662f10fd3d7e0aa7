import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, closeSync, existsSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { chown, mkdtemp } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { freePort } from './free-port.ts'

/** Whether the binaries of a PostgreSQL server are installed, and there is a user that may run them. */
export function hasPostgres(): boolean {
  return findBinaries() !== undefined && findUser() !== undefined
}

/** A bound, in milliseconds, for what takes a second on an idle machine. */
const PATIENCE = 60_000

/**
 * A PostgreSQL server of its own: a fresh cluster in a temporary directory, on a free TCP port of 127.0.0.1, that trusts everybody.
 * It can be frozen, killed and started again on the same port and data. It ends with {@link PostgresServer.close}, or with this
 * process; all its processes are ended by their ids.
 */
export class PostgresServer {
  readonly port: number
  readonly #binaries: string
  readonly #directory: string
  readonly #user: User
  #postmaster: ChildProcess | undefined
  readonly #atExit = (): void => {
    this.#signal('SIGKILL')
    rmSync(this.#directory, { recursive: true, force: true })
  }

  private constructor(binaries: string, directory: string, user: User, port: number) {
    this.#binaries = binaries
    this.#directory = directory
    this.#user = user
    this.port = port
    process.once('exit', this.#atExit)
  }

  /**
   * Makes a cluster, and starts it.
   * @param settings lines of postgresql.conf, for example `{ max_connections: '20', fsync: 'off' }`
   */
  static async start(settings: Readonly<Record<string, string>> = {}): Promise<PostgresServer> {
    const binaries = findBinaries()
    const user = findUser()
    if (binaries === undefined || user === undefined) throw new TypeError('PostgreSQL is not installed here')
    const directory = await mkdtemp(join(tmpdir(), 'portcullis-postgres-'))
    if (user.uid !== undefined) await chown(directory, user.uid, user.gid ?? user.uid)
    const data = join(directory, 'data')
    execFileSync(
      join(binaries, 'initdb'),
      ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync', '--no-instructions'],
      { ...user, cwd: directory, stdio: ['ignore', 'ignore', 'pipe'] },
    )
    const server = new PostgresServer(binaries, directory, user, await freePort())
    server.#write({ listen_addresses: '127.0.0.1', port: String(server.port), unix_socket_directories: '', ...settings })
    try {
      await server.resume()
    } catch (error) {
      await server.close()
      throw error
    }
    return server
  }

  /** For the user and the database `postgres`. */
  get connectionString(): string {
    return `postgres://postgres@127.0.0.1:${this.port}/postgres`
  }

  /** Starts it again after {@link PostgresServer.kill} or {@link PostgresServer.stop}; answers when it takes connections. */
  async resume(): Promise<void> {
    const log = openSync(this.#log, 'a')
    const postmaster = spawn(join(this.#binaries, 'postgres'), ['-D', join(this.#directory, 'data')], {
      ...this.#user,
      cwd: this.#directory,
      stdio: ['ignore', log, log],
    })
    closeSync(log)
    this.#postmaster = postmaster
    for (const deadline = performance.now() + PATIENCE; performance.now() < deadline; await pause(20)) {
      if (hasEnded(postmaster)) break
      if (await answers(this.port)) return
    }
    throw new TypeError(`PostgreSQL did not start: ${readFileSync(this.#log, 'utf8').slice(-2000)}`)
  }

  /** Changes settings while it runs. Sessions take them up before their next statement, but not at once. */
  configure(settings: Readonly<Record<string, string>>): void {
    this.#write(settings)
    this.#postmaster?.kill('SIGHUP')
  }

  /** Stops all its processes where they are (SIGSTOP): connections stay open, and nobody answers. */
  freeze(): void {
    // The postmaster first: it could start another child meanwhile.
    this.#signal('SIGSTOP')
  }

  /** Lets them go on. */
  thaw(): void {
    this.#signal('SIGCONT')
  }

  /** Ends all its processes at once (SIGKILL), as the loss of power would. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  /** Shuts it down in good order, without waiting for clients (SIGINT: a fast shutdown, as an administrator's restart is). */
  async stop(): Promise<void> {
    await this.#end('SIGINT')
  }

  /** Kills it, and removes its data. Again: does nothing. */
  async close(): Promise<void> {
    process.off('exit', this.#atExit)
    await this.kill()
    rmSync(this.#directory, { recursive: true, force: true })
  }

  get #log(): string {
    return join(this.#directory, 'log')
  }

  #write(settings: Readonly<Record<string, string>>): void {
    const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value.replaceAll("'", "''")}'\n`)
    appendFileSync(join(this.#directory, 'data', 'postgresql.conf'), lines.join(''))
  }

  async #end(signal: 'SIGINT' | 'SIGKILL'): Promise<void> {
    const postmaster = this.#postmaster
    if (postmaster === undefined) return
    this.#postmaster = undefined
    const children = childrenOf(postmaster.pid)
    if (!hasEnded(postmaster)) {
      const exit = once(postmaster, 'exit')
      postmaster.kill(signal)
      if (signal === 'SIGKILL') for (const pid of children) send(pid, signal)
      await exit
    }
    // A new postmaster refuses to start while a child of the old one has the shared memory.
    const deadline = performance.now() + PATIENCE
    while (children.some((pid) => isAlive(pid)) && performance.now() < deadline) await pause(5)
  }

  #signal(signal: NodeJS.Signals): void {
    const postmaster = this.#postmaster
    if (postmaster?.pid === undefined || hasEnded(postmaster)) return
    if (signal === 'SIGCONT') for (const pid of childrenOf(postmaster.pid)) send(pid, signal)
    postmaster.kill(signal)
    if (signal !== 'SIGCONT') for (const pid of childrenOf(postmaster.pid)) send(pid, signal)
  }
}

interface User {
  readonly uid?: number
  readonly gid?: number
}

/** PostgreSQL refuses to run as root: then it runs as the user that its packages make. */
function findUser(): User | undefined {
  if (process.getuid?.() !== 0) return {}
  try {
    const id = (flag: string): number => Number(execFileSync('id', [flag, 'postgres'], { stdio: ['ignore', 'pipe', 'ignore'] }))
    return { uid: id('-u'), gid: id('-g') }
  } catch {
    return undefined
  }
}

/** Where `initdb` and `postgres` are: on the path, or where Debian puts them, the newest version first. */
function findBinaries(): string | undefined {
  const root = '/usr/lib/postgresql'
  const versions = existsSync(root) ? readdirSync(root).sort((a, b) => Number(b) - Number(a)) : []
  const places = [...(process.env['PATH'] ?? '').split(delimiter), ...versions.map((version) => join(root, version, 'bin'))]
  return places.find((place) => place !== '' && ['initdb', 'postgres'].every((name) => existsSync(join(place, name))))
}

/** Whether a session would be let in now: a whole start-up packet is answered with an authentication message. */
function answers(port: number): Promise<boolean> {
  const parameters = Buffer.from('user\0postgres\0database\0postgres\0\0')
  const packet = Buffer.alloc(8 + parameters.length)
  packet.writeInt32BE(packet.length, 0)
  packet.writeInt32BE(0x00030000, 4)
  parameters.copy(packet, 8)
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const done = (yes: boolean): void => {
      socket.destroy()
      resolve(yes)
    }
    socket.setTimeout(1000, () => done(false))
    socket.on('connect', () => socket.write(packet))
    socket.on('data', (data) => done(data[0] === 'R'.charCodeAt(0)))
    socket.on('error', () => done(false))
    socket.on('close', () => done(false))
  })
}

function childrenOf(parent: number | undefined): number[] {
  const table = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
  return table.split('\n').flatMap((line) => {
    const [pid, ppid] = line.trim().split(/\s+/).map(Number)
    return pid !== undefined && ppid === parent ? [pid] : []
  })
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It has ended by itself.
  }
}

/** A process that has ended and was not waited for yet (a zombie) holds nothing any more. */
function isAlive(pid: number): boolean {
  try {
    return !execFileSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' })
      .trim()
      .startsWith('Z')
  } catch {
    return false
  }
}
