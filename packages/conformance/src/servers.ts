export { FaultProxy, type FaultProxyOptions } from './servers/fault-proxy.ts'
export { hasPostgres, PostgresServer } from './servers/postgres-server.ts'
export { RedisCluster, type RedisNode } from './servers/redis-cluster.ts'
export { freePort, hasRedis, type RedisReply, RedisServer, type RedisServerOptions } from './servers/redis-server.ts'
