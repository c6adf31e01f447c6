import { describe, expect, it } from 'vitest';
import type { MetricGateEdit, MetricVerdict } from './decision.js';
import { dueMetricGates } from './metric_gates.js';
import type { MetricGateInput } from './metric_spec.js';
import type { MetricGateSpec } from './model.js';
import { resolveSpec } from './spec.js';
import { canary, minute, outcomeOf, until } from './testing/scenario.js';
import { applies, type Behaviour, fails, RolloutWorld } from './testing/world.js';

const someFail: Behaviour = (agent, world) => (world.targetOf(agent).rank === 0 ? fails : applies)(agent, world);

function started(): RolloutWorld {
	const world = new RolloutWorld({ strategy: canary([50, 5 * minute], [100, minute]), onAgentFailure: 'leave' });
	world.addAgents(20, { behaviour: someFail });
	world.start();
	world.passUntil(({ steps }) => steps.get(0)?.phase === 'dwelling');
	return world;
}

describe('edit-gates', () => {
	it('makes a gate tighter at any time, and what it then forbids stops the rollout at once', () => {
		const world = started();
		expect(world.rollout.state).toBe('InProgress');
		const id = world.ask('edit-gates', { gates: { 'apply-failed-ratio': { thresholdPercent: 5 } } });
		world.settle();
		expect(outcomeOf(world, id)).toMatchObject({ accepted: true });
		expect(world.rollout.spec.gates['apply-failed-ratio'].thresholdPercent).toBe(5);
		expect(world.rollout).toMatchObject({ state: 'Paused', pauseReasons: ['gate'] });
		const edited = world.decisions.flatMap(({ events }) => events).find(({ kind }) => kind === 'gates-edited');
		expect(edited).toMatchObject({ changes: ['apply-failed-ratio: 20 % → 5 %'] });
	});

	it.each([
		['threshold', { thresholdPercent: 40 }, 'apply-failed-ratio of 40 % is looser than 20 %'],
		['minSample', { minSample: 30 }, 'apply-failed-ratio of 30 agents is looser than 0 agents'],
	])('makes a gate looser by its %s only while paused', (_, change, why) => {
		const world = started();
		const refused = world.ask('edit-gates', { gates: { 'apply-failed-ratio': change } });
		world.settle();
		expect(outcomeOf(world, refused)).toMatchObject({ accepted: false, code: 'looser-gate' });
		expect(outcomeOf(world, refused)?.message).toContain(why);
		world.ask('pause');
		until(world, 'Paused', 5);
		const accepted = world.ask('edit-gates', { gates: { 'apply-failed-ratio': change } });
		world.settle();
		expect(outcomeOf(world, accepted)).toMatchObject({ accepted: true });
		expect(world.rollout.spec.gates['apply-failed-ratio']).toMatchObject(change);
	});

	describe('of a metric gate', () => {
		const points = { name: 'points', query: 'avg(p * $changed)', op: '>=', value: 0.9, failureLimit: 1 } as const;
		const withMetrics = (change: Partial<MetricGateInput> = {}): RolloutWorld => {
			const { metricGates = [] } = resolveSpec({
				seed: 's',
				metricGates: [
					{ ...points, ...change },
					{ ...points, name: 'errors' },
				],
			});
			const world = new RolloutWorld({
				strategy: canary([50, 5 * minute], [100, minute]),
				metricGates,
				maxInFlight: 'unlimited',
			});
			world.addAgents(10);
			world.start();
			return world;
		};
		const edit = (world: RolloutWorld, metricGates: Readonly<Record<string, MetricGateEdit>>) => {
			const id = world.ask('edit-gates', { metricGates });
			world.settle();
			return outcomeOf(world, id);
		};
		const answer = (world: RolloutWorld, verdict: MetricVerdict, seconds: number): void => {
			for (let second = 0; second < seconds; second += 1) {
				world.metricResults = dueMetricGates(world.rollout)
					.filter(({ gate }) => gate === 'points')
					.map(({ gate, stage, dueMs }) => ({ gate, stage, dueMs, verdict, text: `said ${verdict}` }));
				world.pass(1);
			}
		};

		it.each<[MetricGateSpec['op'], MetricGateEdit, boolean]>([
			['>=', { value: 0.8 }, true],
			['>=', { value: 0.95 }, false],
			['>', { value: 0.8 }, true],
			['<', { value: 0.95 }, true],
			['<=', { value: 0.95 }, true],
			['<=', { value: 0.8 }, false],
			['>=', { failureLimit: 2 }, true],
			['>=', { failureLimit: 0 }, false],
			['>=', { inconclusiveLimit: 4 }, true],
			['>=', { errorLimit: 5 }, true],
			['>=', { value: 0.95, errorLimit: 0, inconclusiveLimit: 0 }, false],
		])('%s 0.9 with %j is looser: %s', (op, change, looser) => {
			const world = withMetrics({ op });
			const first = edit(world, { points: change });
			expect(first).toMatchObject({ accepted: !looser, code: looser ? 'looser-gate' : null });
			world.ask('pause');
			world.settle();
			expect(edit(world, { points: change })).toMatchObject({ accepted: true });
			const { metricGates } = world.rollout.spec;
			expect(metricGates).toMatchObject([
				{ name: 'points', ...change },
				{ name: 'errors', value: 0.9 },
			]);
			expect(world.rollout.editedMetricGates).toEqual(metricGates);
		});

		it('says what changed, and names the gates there are', () => {
			const world = withMetrics();
			expect(edit(world, { points: { value: 0.95, errorLimit: 1 } })).toMatchObject({ accepted: true });
			const edited = world.decisions.flatMap(({ events }) => events).find(({ kind }) => kind === 'gates-edited');
			expect(edited).toMatchObject({ changes: ['points: value 0.9 → 0.95, errorLimit 4 → 1'] });
			expect(edit(world, { point: { value: 1 } })).toMatchObject({
				accepted: false,
				message: 'edit-gates: there is no metric gate point; it has points, errors',
			});
			expect(edit(world, { points: { failureLimit: -1 } })).toMatchObject({
				accepted: false,
				message: expect.stringContaining('metricGates[0].failureLimit: it is -1'),
			});
			expect(edit(started(), { points: { value: 1 } })?.message).toContain('this rollout has none');
		});

		it('fires at once on more failures than it may have by now', () => {
			const world = withMetrics();
			answer(world, 'fail', 130);
			answer(world, 'pass', 60);
			expect(world.rollout).toMatchObject({ state: 'InProgress', evidence: [] });
			expect(edit(world, { points: { failureLimit: 0 } })).toMatchObject({ accepted: true });
			expect(world.rollout).toMatchObject({ state: 'Paused', pauseReasons: ['gate'] });
			expect(world.rollout.evidence).toMatchObject([
				{ gate: 'metric:points', message: 'points: failed 1 of 2 times, lately: said pass' },
			]);
		});

		it('takes no pass for another value, nor one that was asked before', () => {
			const world = withMetrics();
			answer(world, 'pass', 125);
			const passes = () => world.rollout.metricWatches?.points?.passes;
			expect(passes()).toBe(1);
			world.passUntil(({ rollout }) => dueMetricGates(rollout).some(({ gate }) => gate === 'points'));
			const [asked] = dueMetricGates(world.rollout).filter(({ gate }) => gate === 'points');
			edit(world, { points: { value: 0.95 } });
			expect(passes()).toBe(0);
			world.metricResults = asked === undefined ? [] : [{ ...asked, verdict: 'pass', text: 'said pass' }];
			world.pass(3);
			expect(passes()).toBe(0);
			answer(world, 'pass', 3);
			expect(passes()).toBe(1);
		});

		it('is the way on past one that was wrong', () => {
			const world = withMetrics();
			answer(world, 'fail', 200);
			expect(world.rollout).toMatchObject({ state: 'Paused', pauseReasons: ['gate'] });
			edit(world, { points: { value: 0.2 } });
			expect(world.rollout.pauseReasons).toEqual(['gate']);
			world.ask('resume');
			answer(world, 'pass', 200);
			expect(world.rollout).toMatchObject({ state: 'InProgress', evidence: [] });
		});
	});

	it('is refused without a gate, with one that cannot be, and after the end', () => {
		const world = started();
		const nothing = world.ask('edit-gates');
		world.settle();
		const wrong = world.ask('edit-gates', { gates: { 'disconnect-ratio': { thresholdPercent: -1 } } });
		world.settle();
		world.ask('abort');
		world.settle();
		const late = world.ask('edit-gates', { gates: { 'disconnect-ratio': { thresholdPercent: 1 } } });
		world.settle();
		for (const id of [nothing, wrong, late]) {
			expect(outcomeOf(world, id)).toMatchObject({ accepted: false, code: 'not-allowed' });
		}
	});
});
