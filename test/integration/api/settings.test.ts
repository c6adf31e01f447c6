import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ApiStage, apiStage } from './stage.js';

let stage: ApiStage;
beforeAll(async () => {
	stage = await apiStage();
});
afterAll(() => stage[Symbol.asyncDispose]());

type Gate = { gate: string; thresholdPercent: number; windowMs: number; minSample: number; changed: boolean };
const gateIn = ({ gateDefaults }: { gateDefaults: Gate[] }, name: string) =>
	gateDefaults.find(({ gate }) => gate === name);
const change = (body: Record<string, unknown>) => stage.must('updateSettings', { body });

test('defaults of gates are those of new plans and rollouts that do not say otherwise, and of no earlier ones', async () => {
	expect(gateIn(await stage.must('getSettings'), 'unhealthy-ratio')).toMatchObject({
		thresholdPercent: 10,
		windowMs: 60_000,
		minSample: 0,
		changed: false,
	});
	const group = 'settled';
	await stage.must('createGroup', { body: { name: group } });
	await stage.must('addGroupAgents', { params: { group }, body: { agents: await stage.agents(6) } });
	await stage.must('createConfiguration', { body: { name: 'settled' } });
	const files = {
		yaml: 'receivers: {nop: {}}\nexporters: {nop: {}}\nservice: {pipelines: {traces: {receivers: [nop], exporters: [nop]}}}\n',
	};
	await stage.must('createVersion', { params: { configuration: 'settled' }, body: files });
	await stage.must('publishVersion', { params: { configuration: 'settled', number: 1 } });
	const plan = (gates?: Record<string, unknown>) =>
		stage.must('planRollout', { body: { group, version: 'settled@1', ...(gates && { gates }) } });
	const earlier = await plan();

	await change({ gateDefaults: { 'unhealthy-ratio': { threshold: '3 %', window: '2m' } } });
	const changed = await change({ gateDefaults: { 'unhealthy-ratio': { minSample: 4 } } });
	expect(gateIn(changed, 'unhealthy-ratio')).toMatchObject({
		thresholdPercent: 3,
		windowMs: 120_000,
		minSample: 4,
		changed: true,
	});
	expect(gateIn(changed, 'disconnect-ratio')).toMatchObject({ thresholdPercent: 20, changed: false });

	const threshold = (made: { steps: { gates: Gate[] }[] }) =>
		made.steps[0]?.gates.find(({ gate }) => gate === 'unhealthy-ratio')?.thresholdPercent;
	expect([
		threshold(earlier),
		threshold(await plan()),
		threshold(await plan({ 'unhealthy-ratio': { threshold: 7 } })),
	]).toEqual([10, 3, 7]);
	expect(threshold(await stage.must('getRolloutPlan', { params: { plan: earlier.id } }))).toBe(10);
	const { id } = await stage.must('createRollout', { body: { group, version: 'settled@1', start: 'manual' } });
	const rollout = await stage.must('getRollout', { params: { rollout: id } });
	expect(rollout.gates.find(({ gate }: Gate) => gate === 'unhealthy-ratio')).toMatchObject({ thresholdPercent: 3 });

	const reset = await change({ resetGates: ['unhealthy-ratio'] });
	expect(gateIn(reset, 'unhealthy-ratio')).toMatchObject({ thresholdPercent: 10, minSample: 0, changed: false });
	const { items } = await stage.must('listAudit', { query: { entityType: 'setting' } });
	expect(items.map(({ action }: { action: string }) => action)).toEqual(Array(3).fill('Settings.Changed'));
});

test('what cannot be a default is refused with its field, and only an Admin sets any', async () => {
	for (const body of [
		{},
		{ gateDefaults: { 'no-such-gate': { threshold: 5 } } },
		{ gateDefaults: { 'unhealthy-ratio': { threshold: 101 } } },
		{ resetGates: ['no-such-gate'] },
	])
		expect((await stage.call('updateSettings', { body })).body).toMatchObject({ code: 'invalid-argument' });
	const gateDefaults = { 'unhealthy-ratio': { threshold: 5 } };
	const operator = await stage.call('updateSettings', { body: { gateDefaults }, token: await stage.token('Operator') });
	expect([operator.status, operator.body.code]).toEqual([403, 'forbidden']);
	const seen = await stage.must('getSettings', { token: await stage.token('Viewer') });
	expect(gateIn(seen, 'unhealthy-ratio')).toMatchObject({ thresholdPercent: 10 });
});

test('two people who change different gates at once both succeed', async () => {
	await Promise.all([
		change({ gateDefaults: { 'disconnect-ratio': { threshold: 11 } } }),
		change({ gateDefaults: { 'apply-timeout-ratio': { threshold: 12 } } }),
	]);
	const now = await stage.must('getSettings');
	expect([gateIn(now, 'disconnect-ratio'), gateIn(now, 'apply-timeout-ratio')]).toMatchObject([
		{ thresholdPercent: 11 },
		{ thresholdPercent: 12 },
	]);
});
