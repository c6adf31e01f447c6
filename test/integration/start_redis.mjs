// Starts a server and waits to be killed; for own_servers.test.ts.
import { startRedis } from '../../deploy/local/servers/redis.mjs';

const { port, folder } = await startRedis();
process.send?.({ port, folder });
setTimeout(() => process.exit(9), 60_000);
