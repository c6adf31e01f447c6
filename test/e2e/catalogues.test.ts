import { systemClock } from '@ampora/runtime';
import { expect, test } from 'vitest';
import { useStage } from './stage.js';

const full = {
	receivers: ['otlp'],
	processors: ['batch'],
	exporters: ['debug', 'kafka'],
	connectors: [],
	extensions: [],
};
const lean = { ...full, exporters: ['debug'] };
const stage = useStage({ agents: 50, gateways: 2, engines: 1, seed: 401 });

test('of all agents of a build, over all gateways, one is asked what it has, and every one of them has an answer', async () => {
	const { fleet, campaign } = stage();
	const selector = '"kafka" in agent.components.exporters';
	await campaign.call('createGroup', { body: { name: 'can-kafka', selector } });
	await fleet.add({ count: 200, heartbeatMs: 5_000, components: full });
	await fleet.add({ count: 100, heartbeatMs: 5_000, components: lean });
	await fleet.launch(500);
	await fleet.until(({ connected, componentRequests }) => connected === 350 && componentRequests >= 2, 60_000);

	const version = await campaign.publish('needy', needy);
	const params = { configuration: 'needy', number: Number(version.split('@')[1]) };
	const compatibility = () => campaign.call('getVersionCompatibility', { params });
	let found = await compatibility();
	for (let look = 0; found.unknown > 50 && look < 100; look += 1) found = await compatibility();
	expect(found).toMatchObject({ agents: 350, has: 200, lacks: 100, unknown: 50 });
	expect(found.missing).toMatchObject([{ component: 'exporters/kafka', agents: 100 }]);
	const { items } = await campaign.call('listCatalogues', { query: { limit: 10 } });
	expect(items.map(({ agents }) => agents).toSorted((a, b) => a - b)).toEqual([100, 200]);

	// Most of them had said all there was to say of themselves before anybody knew what they have.
	const members = async () => (await campaign.call('getGroup', { params: { group: 'can-kafka' } })).agents;
	for (let look = 0; (await members()) < 200 && look < 500; look += 1) await systemClock.sleep(20);
	expect(await members()).toBe(200);

	// They all come back, to either gateway: what is known is not asked again.
	const { connects } = fleet.stats;
	await fleet.restart({ from: 50, to: 350 });
	await fleet.until((now) => now.connected === 350 && now.connects >= connects + 300, 60_000);
	// A heartbeat of each later, whoever was to be asked would have been.
	const { messagesSent } = fleet.stats;
	await fleet.until((now) => now.messagesSent >= messagesSent + 350);
	expect(fleet.stats.componentRequests).toBe(2);
	expect(fleet.stats.violations).toEqual([]);
});

const needy = `receivers: { otlp: }
processors: { batch: }
exporters: { debug: , kafka/out: }
service: { pipelines: { traces: { receivers: [otlp], processors: [batch], exporters: [debug, kafka/out] } } }
`;
