import { afterAll, beforeAll, expect, test } from 'vitest';
import { decidingFleet, type Fleet } from './deciding.js';
import { type ApiStage, apiStage, goodYaml, type Loose } from './stage.js';

let stage: ApiStage;
let fleet: Fleet;
beforeAll(async () => {
	stage = await apiStage({ decisionWaitMs: 10_000 });
	fleet = await decidingFleet(stage);
});
afterAll(async () => {
	await fleet[Symbol.asyncDispose]();
	await stage[Symbol.asyncDispose]();
});

/** Gates that settle at once, so that a rollout ends when its agents have answered. */
const quick = {
	strategy: { kind: 'canary', steps: [{ size: '50 %' }, { size: '100 %' }] },
	gates: {
		'apply-timeout-ratio': { window: '1m' },
		'disconnect-ratio': { window: '0' },
		'effective-mismatch-ratio': { window: '0' },
		'unhealthy-ratio': { window: '0' },
	},
	bake: '0',
	maxInFlight: 'unlimited',
	acceptNoWayBack: true,
};

let names = 0;
/** A group of its own with connected agents. */
async function group(count: number): Promise<{ name: string; agents: string[] }> {
	names += 1;
	const name = `group-${names}`;
	await stage.must('createGroup', { body: { name } });
	const agents = await fleet.connect(count);
	await stage.must('addGroupAgents', { params: { group: name }, body: { agents } });
	return { name, agents };
}

const withComment = (text: string): string => `# ${text}\n${goodYaml}`;
const create = (group: string, text: string, more: object = {}): Promise<Loose> =>
	stage.must('createRollout', { body: { group, config: withComment(text), ...quick, ...more } });

/** Follows the event stream until the rollout is as wanted. */
async function until(rollout: string, wanted: (rollout: Loose) => boolean): Promise<Loose> {
	const { url } = await listening();
	const done = new AbortController();
	const response = await fetch(`${url}/api/v1/rollouts/${rollout}/watch`, {
		headers: { authorization: `Bearer ${stage.admin}` },
		signal: done.signal,
	});
	let text = '';
	for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
		text += Buffer.from(chunk).toString();
		const events = text.split('\n\n');
		text = events.pop() ?? '';
		for (const event of events) {
			const data = /^data: (.+)$/m.exec(event)?.[1];
			if (data === undefined || data === '{}') continue;
			const shown = JSON.parse(data);
			if (!wanted(shown)) continue;
			done.abort();
			return shown;
		}
	}
	throw new Error('the stream ended before the rollout was as wanted');
}

let listened: Promise<{ url: string }> | undefined;
const listening = (): Promise<{ url: string }> => {
	listened ??= stage.api.listen();
	return listened;
};
const ended = ({ state }: Loose): boolean =>
	['Completed', 'RolledBack', 'Aborted', 'Failed', 'Cancelled'].includes(state);

test('a rollout completes, and rolling it back afterwards is a rollout of its own', async () => {
	const { name, agents } = await group(4);
	const first = await create(name, 'baseline');
	expect(await until(first.id, ended)).toMatchObject({ state: 'Completed', updated: 4, total: 4 });
	const second = await create(name, 'better');
	expect(await until(second.id, ended)).toMatchObject({
		state: 'Completed',
		updated: 4,
		commands: ['rollback', 'retry'],
	});

	const undone = await stage.must('rollbackRollout', { params: { rollout: second.id }, body: { reason: 'slow' } });
	expect(undone).toMatchObject({ decided: true, created: true, rollout: { rollbackOf: second.id } });
	expect(undone.rollout.id).not.toBe(second.id);
	const back = await until(undone.rollout.id, ended);
	expect(back).toMatchObject({ state: 'RolledBack', back: { confirmed: 4, listed: 0, todo: 0, inFlight: 0 } });
	for (const agent of agents) {
		const shown = await stage.must('getAgent', { params: { agent } });
		expect(shown).toMatchObject({ config: `${name}@1`, answer: 'applied', assignment: { cause: 'rollback' } });
		expect(fleet.received(agent)).toHaveLength(3);
	}
	expect(await stage.must('getRollout', { params: { rollout: second.id } })).toMatchObject({
		state: 'Completed',
		rolledBackBy: undone.rollout.id,
	});
	const again = await stage.call('rollbackRollout', { params: { rollout: undone.rollout.id } });
	expect(again).toMatchObject({ status: 409, body: { code: 'command-not-allowed' } });
	expect(again.body.message).toContain('RolledBack');
});
