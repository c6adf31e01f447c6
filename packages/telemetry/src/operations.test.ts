import { afterEach, describe, expect, it } from 'vitest';
import { addServiceCheck, createHealth, type Health } from './health.js';
import { createMetrics, createMetricsRegistry } from './metrics.js';
import { type OperationsServer, serveOperations } from './operations.js';

const servers: OperationsServer[] = [];
afterEach(async () => {
	await Promise.all(servers.splice(0).map((server) => server.close()));
});

async function serve(health: Health = createHealth()) {
	const registry = createMetricsRegistry();
	const server = await serveOperations({ host: '127.0.0.1', port: 0, registry, health });
	servers.push(server);
	const get = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${server.port}${path}`, init);
	return { registry, server, get };
}

describe('serveOperations', () => {
	it('prints the metrics', async () => {
		const { registry, get } = await serve();
		createMetrics(registry, 'lease').ampora_leader_lease_held.set({ name: 'rollout-engine' }, 1);
		const response = await get('/metrics');
		expect(response.status).toBe(200);
		expect(response.headers.get('content-type')).toContain('text/plain');
		expect(await response.text()).toContain('ampora_leader_lease_held{name="rollout-engine"} 1');
	});

	it('is live, and ready when no check fails', async () => {
		const health = createHealth();
		health.addReadinessCheck('postgres', async () => undefined);
		const { get } = await serve(health);
		expect((await get('/health/live')).status).toBe(200);
		const ready = await get('/health/ready?verbose');
		expect(ready.status).toBe(200);
		expect(await ready.json()).toEqual({ status: 'ready', failing: [] });
	});

	it('names the failing checks, and stays live', async () => {
		const health = createHealth({ timeoutMs: 10 });
		health.addReadinessCheck('redis', () => undefined);
		health.addReadinessCheck('postgres', () => 'connection refused');
		health.addReadinessCheck('nats', async () => {
			throw new Error('no servers');
		});
		health.addReadinessCheck('slow', () => new Promise(() => {}));
		const { get } = await serve(health);
		const response = await get('/health/ready');
		expect(response.status).toBe(503);
		expect(await response.json()).toEqual({
			status: 'not-ready',
			failing: [
				{ name: 'postgres', reason: 'connection refused' },
				{ name: 'nats', reason: 'no servers' },
				{ name: 'slow', reason: 'no answer in 10 ms' },
			],
		});
		expect((await get('/health/live')).status).toBe(200);
	});

	it('forgets a check that was removed, and refuses one of the same name', async () => {
		const health = createHealth();
		const remove = health.addReadinessCheck('draining', () => 'draining');
		expect(() => health.addReadinessCheck('draining', () => undefined)).toThrow('draining');
		expect(await health.failingChecks()).toHaveLength(1);
		remove();
		expect(await health.failingChecks()).toEqual([]);
	});

	it('is not ready before the service serves, nor while it stops', async () => {
		const health = createHealth();
		const life = addServiceCheck(health);
		expect(await health.failingChecks()).toEqual([{ name: 'service', reason: 'starting' }]);
		life.serving();
		expect(await health.failingChecks()).toEqual([]);
		life.stopping();
		expect(await health.failingChecks()).toEqual([{ name: 'service', reason: 'stopping' }]);
	});

	it('answers nothing else', async () => {
		const { get } = await serve();
		expect((await get('/')).status).toBe(404);
		expect((await get('/metrics', { method: 'POST', body: 'x' })).status).toBe(405);
		expect((await get('/health/live', { method: 'HEAD' })).status).toBe(200);
	});

	it('says when the port is taken', async () => {
		const { server, registry } = await serve();
		const again = serveOperations({ host: '127.0.0.1', port: server.port, registry, health: createHealth() });
		await expect(again).rejects.toMatchObject({ code: 'EADDRINUSE' });
	});

	it('closes twice without harm', async () => {
		const { server } = await serve();
		await server.close();
		await server.close();
	});
});
