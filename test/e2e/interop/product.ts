// The whole product as `npm start` runs it, and what its users see of agents over REST.
import { type Agent, createClient, type RolloutAnswer, type RolloutRequest } from '@ampora/api-contract';
import { systemClock } from '@ampora/runtime';
import { afterAll, beforeAll } from 'vitest';
import { type Installation, startInstallation } from '../../support/installation.js';
import { Campaign, shortWindows } from '../../support/stack/campaign.js';

export interface Product {
	readonly ampora: Installation;
	readonly campaign: Campaign;
	/** The agent's page, as soon as it is as wanted. */
	agent(instanceUid: string, wanted: (agent: Agent) => boolean, what: string, withinMs?: number): Promise<Agent>;
	/** A group and a configuration of that name for one agent, which is waited for. */
	adopt(name: string, instanceUid: string): Promise<Adopted>;
}

/** One agent that is a group of its own. */
export interface Adopted {
	/** The agent's id, not its instance uid. */
	readonly id: string;
	/** Publishes and rolls out; resolves with the rollout's id. */
	start(yaml: string, asked?: Partial<RolloutRequest>): Promise<string>;
	/** The rollout when it has ended or waits for somebody. */
	settled(rollout: string): Promise<RolloutAnswer>;
	/** Both. */
	rollOut(yaml: string, asked?: Partial<RolloutRequest>): Promise<RolloutAnswer>;
}

/** A supervisor answers after its apply timeout of 30 s, and a rollout that is taken back waits for that twice. */
const rolloutWithinMs = 150_000;
const lookEveryMs = 50;

/** Agents nobody here wrote take their time to answer; what is watched after that is kept short. */
const pace = {
	strategy: {
		kind: 'canary',
		steps: [
			{ size: '5 %', dwell: '3s' },
			{ size: '100 %', dwell: '3s' },
		],
	},
	gates: shortWindows('3s', '90s'),
	bake: '3s',
} as const satisfies Partial<RolloutRequest>;

/** One installation for the tests of a file. */
export function useProduct(): () => Product {
	let product: Product | undefined;
	beforeAll(async () => {
		product = productOf(await startInstallation());
	});
	afterAll(() => product?.ampora.stop());
	return () => {
		if (!product) throw new Error('the product is started before the first test');
		return product;
	};
}

function productOf(ampora: Installation): Product {
	const campaign = new Campaign(createClient({ server: ampora.api, token: ampora.tokens.admin }));
	const find = async (instanceUid: string): Promise<Agent | undefined> => {
		const { items } = await campaign.call('listAgents', {
			query: { search: instanceUid, limit: 2, sort: 'id', order: 'asc' },
		});
		const [found] = items;
		return found && campaign.call('getAgent', { params: { agent: found.id } });
	};
	const agent: Product['agent'] = async (instanceUid, wanted, what, withinMs = 20_000) => {
		const deadline = performance.now() + withinMs;
		for (;;) {
			const found = await find(instanceUid);
			if (found && wanted(found)) return found;
			if (performance.now() > deadline) throw new Error(`no ${what} within ${withinMs} ms: ${JSON.stringify(found)}`);
			await systemClock.sleep(lookEveryMs);
		}
	};
	return {
		...{ ampora, campaign, agent },
		async adopt(name, instanceUid) {
			const { id } = await agent(instanceUid, ({ connected }) => connected, 'connected agent');
			await campaign.group(name, [instanceUid]);
			const start: Adopted['start'] = async (yaml, asked = {}) => {
				const version = await campaign.publish(name, yaml);
				return campaign.start({ group: name, version, ...pace, ...asked });
			};
			const settled: Adopted['settled'] = (rollout) =>
				campaign.until(rollout, ({ state }) => restStates.has(state), rolloutWithinMs);
			return { id, start, settled, rollOut: async (yaml, asked) => settled(await start(yaml, asked)) };
		},
	};
}

const restStates: ReadonlySet<RolloutAnswer['state']> = new Set(['Paused', 'Completed', 'RolledBack']);
