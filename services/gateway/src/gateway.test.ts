import { metricValue } from '@ampora/telemetry/testing';
import { afterEach, describe, expect, test } from 'vitest';
import { connectAgent, type GatewayUnderTest, startGatewayUnderTest, status, yamlFile } from './testing/index.js';

const running: GatewayUnderTest[] = [];
const start = async (...args: Parameters<typeof startGatewayUnderTest>) => {
	const under = await startGatewayUnderTest(...args);
	running.push(under);
	return under;
};
afterEach(async () => {
	for (const under of running.splice(0)) await under.stop();
});

describe('one change', () => {
	test('from the assignment to the answer in the database', async () => {
		const under = await start();
		const agent = await connectAgent(under.url);
		const hello = await agent.hello();
		expect(hello.capabilities.names()).toEqual(['AcceptsStatus', 'OffersRemoteConfig', 'AcceptsEffectiveConfig']);
		expect(hello.reportFullState).toBe(false);
		await under.until(() => under.agentOf(agent.uid)?.description?.agentType === 'test-agent');
		const id = under.idOf(agent.uid);
		const row = under.assign(id, under.publish(yamlFile('receivers: {}')));
		const reply = await under.dispatch([id]);
		expect(reply).toEqual({ kind: 'answered', outcomes: ['offered'] });
		const offer = await agent.socket.next();
		expect(Buffer.from(offer.remoteConfig?.files.get('')?.body ?? []).toString()).toBe('receivers: {}');
		expect(under.state.assignments.get(id)?.answer).toBe('offered');

		const hash = offer.remoteConfig?.configHash ?? new Uint8Array();
		expect(await agent.say({ report: status(hash, 'applying') })).toMatchObject({ extraFields: 0 });
		await agent.say({ report: status(hash, 'applied') });
		await under.until(() => under.state.assignments.get(id)?.answer === 'applied');
		expect(under.state.assignments.get(id)?.seq).toBe(row.seq);
		const age = 'ampora_opamp_apply_duration_seconds';
		expect(await metricValue(under.registry, age, { agent_type: 'test-agent' })).toBe(1);
	});
});
