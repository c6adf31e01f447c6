// What tests of rollouts over REST share: a stage whose rollouts are decided, and the steps they are told in.
import { createClient } from '@ampora/api-contract';
import { afterAll, beforeAll } from 'vitest';
import { decidingFleet, type Fleet } from './deciding.js';
import { type ApiStage, apiStage, goodYaml, type Loose, namedYaml } from './stage.js';

/** Gates that settle at once, so that a rollout ends when its agents have answered. */
export const quick = {
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

/** A configuration whose agents find to their server by this address. */
export const reachedAt = (host: string): string =>
	goodYaml.replace(
		'service:\n',
		`extensions:\n  opamp: {server: {ws: {endpoint: "wss://${host}/v1/opamp"}}}\nservice:\n  extensions: [opamp]\n`,
	);

export const ended = ({ state }: Loose): boolean =>
	['Completed', 'RolledBack', 'Aborted', 'Failed', 'Cancelled', 'Superseded', 'Rejected'].includes(state);

/** One stage for the tests of a file; `stage` and `fleet` are there from the first test on. */
export function useDecidingStage() {
	let stage: ApiStage;
	let fleet: Fleet;
	let listened: Promise<{ url: string }> | undefined;
	let names = 0;
	beforeAll(async () => {
		stage = await apiStage({ decisionWaitMs: 10_000 });
		fleet = await decidingFleet(stage);
	});
	afterAll(async () => {
		await fleet[Symbol.asyncDispose]();
		await stage[Symbol.asyncDispose]();
	});
	return {
		get stage(): ApiStage {
			return stage;
		},
		get fleet(): Fleet {
			return fleet;
		},

		/** A group of its own with connected agents. */
		async group(count: number): Promise<{ name: string; agents: string[] }> {
			names += 1;
			const name = `group-${names}`;
			await stage.must('createGroup', { body: { name } });
			const agents = await fleet.connect(count);
			await stage.must('addGroupAgents', { params: { group: name }, body: { agents } });
			return { name, agents };
		},

		create: (group: string, text: string, more: object = {}): Promise<Loose> =>
			stage.must('createRollout', { body: { group, config: namedYaml(text), ...quick, ...more } }),

		/** Follows the event stream until the rollout is as wanted. */
		async until(rollout: string, wanted: (rollout: Loose) => boolean): Promise<Loose> {
			listened ??= stage.api.listen();
			const { url } = await listened;
			const watched = await createClient({ server: url, token: stage.admin }).watch(rollout);
			if (!watched.ok) throw new Error(`watching was refused: ${JSON.stringify(watched.error)}`);
			for await (const shown of watched.value) if (wanted(shown)) return shown;
			throw new Error('the stream ended before the rollout was as wanted');
		},
	};
}
