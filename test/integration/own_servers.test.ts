import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { startNats } from '../../deploy/local/servers/nats.mjs';
import { startRedis } from '../../deploy/local/servers/redis.mjs';

type Server = Awaited<ReturnType<typeof startRedis>>;

function refuses(port: number): Promise<boolean> {
	return new Promise((resolve) => {
		const socket = connect({ port, host: '127.0.0.1' });
		socket.once('connect', () => socket.destroy()).once('connect', () => resolve(false));
		socket.once('error', () => resolve(true));
	});
}

describe.each([
	['Redis', startRedis],
	['NATS', startNats],
])('a %s of one’s own', (_, start) => {
	let server: Server;
	beforeAll(async () => {
		server = await start();
	});
	afterAll(() => server.stop());

	test('can be killed, and is back on the same address', async () => {
		const before = server.pid;
		await server.kill();
		expect(await refuses(server.port)).toBe(true);
		await server.restart();
		expect(await refuses(server.port)).toBe(false);
		expect(server.pid).not.toBe(before);
	});

	test('is back after somebody else killed it', async () => {
		process.kill(server.pid, 'SIGKILL');
		await server.restart();
		expect(await refuses(server.port)).toBe(false);
	});

	test('is gone after it was stopped, which may be repeated', async () => {
		await server.stop();
		await server.stop();
		expect(await refuses(server.port)).toBe(true);
	});
});

test('what a killed process had started is stopped and removed', async () => {
	const starter = fork(fileURLToPath(new URL('./start_redis.mjs', import.meta.url)));
	const [{ port, folder }] = (await once(starter, 'message')) as [{ port: number; folder: string }];
	expect(existsSync(folder)).toBe(true);
	starter.kill('SIGKILL');
	await vi.waitFor(() => expect(existsSync(folder)).toBe(false), { timeout: 10_000 });
	expect(await refuses(port)).toBe(true);
});

test('a server that does not start says why', async () => {
	const { keptServer } = await import('../../deploy/local/servers/kept_server.mjs');
	const { freePort, ownFolder } = await import('../../deploy/local/servers/places.mjs');
	const port = await freePort();
	const folder = ownFolder('failing');
	const starting = keptServer({
		kind: 'a program that fails',
		url: '',
		port,
		folder,
		command: process.execPath,
		args: ['-e', 'console.error("no such setting"); process.exit(3)'],
		answers: async () => false,
	});
	await expect(starting).rejects.toThrow(/ended with 3[\s\S]*no such setting/);
	expect(existsSync(folder)).toBe(false);
});

test('the Redis of the run is a Redis', async () => {
	const redis = new Redis(process.env.TEST_REDIS_URL ?? '');
	try {
		expect(await redis.ping()).toBe('PONG');
	} finally {
		redis.disconnect();
	}
});
