import { Redis } from 'ioredis';
import { startNats } from '../../../deploy/local/servers/nats.mjs';
import { startRedis } from '../../../deploy/local/servers/redis.mjs';
import { createTestDatabase } from '../databases.js';

type Server = Awaited<ReturnType<typeof startRedis>>;

/** A Redis and a NATS that nobody else uses, so that they may be flushed, killed and started again, and an own database. */
export interface OwnServers {
	readonly databaseUrl: string;
	readonly redisUrl: string;
	readonly natsUrl: string;
	readonly redis: Server;
	readonly nats: Server;
	/** Empties all of Redis; answers how many keys there were. */
	flushRedis(): Promise<number>;
	stop(): Promise<void>;
}

export async function startOwnServers(): Promise<OwnServers> {
	const database = await createTestDatabase();
	const redis = await startRedis();
	const nats = await startNats();
	return {
		databaseUrl: database.url,
		redisUrl: redis.url,
		natsUrl: nats.url,
		redis,
		nats,
		async flushRedis() {
			const client = new Redis(redis.url);
			try {
				const keys = await client.dbsize();
				await client.flushall();
				return keys;
			} finally {
				client.disconnect();
			}
		},
		async stop() {
			await Promise.all([redis.stop(), nats.stop()]);
			await database.drop();
		},
	};
}
