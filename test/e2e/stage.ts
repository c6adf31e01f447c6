import { afterAll, afterEach, beforeAll } from 'vitest';
import { type FleetStats, hostMonotonicMs, type OfferRecord } from '../support/fleet/ledger.js';
import { FleetProcess } from '../support/fleet/process.js';
import { Campaign } from '../support/stack/campaign.js';
import { type OwnServers, startOwnServers } from '../support/stack/own_servers.js';
import { type Stack, type StackOptions, startStack } from '../support/stack/stack.js';

export interface StageOptions extends Omit<StackOptions, 'databaseUrl' | 'redisUrl' | 'natsUrl'> {
	/** Connected before the first test. */
	readonly agents: number;
	readonly heartbeatMs?: number;
	/** Further attributes of the agents; of a list each takes one in turn. */
	readonly attributes?: Readonly<Record<string, string | readonly string[]>>;
	/** From it follow the agents' uids, and with a rollout's seed the order of any rollout. */
	readonly seed: number;
}

/** All services, and agents connected to them. */
export interface Stage {
	readonly stack: Stack;
	readonly servers: OwnServers;
	readonly fleet: FleetProcess;
	readonly campaign: Campaign;
	/** Instance uids of agents, by index; all when absent. */
	uids(from?: number, to?: number): Promise<string[]>;
	/** A group of these agents, all of which have proved v1 of their configuration; answers v2. */
	prepare(group: string, agents: { readonly from: number; readonly to: number }): Promise<string>;
}

const connectsPerSecond = 500;

/** One stage for the tests of a file. Logs of the services are kept when one of them fails, and where they are is said. */
export function useStage(options: StageOptions | (() => Promise<StageOptions>)): () => Stage {
	let stage: Stage | undefined;
	let failed = false;
	const ends: (() => Promise<void>)[] = [];

	beforeAll(async () => {
		failed = true;
		stage = await setUp(typeof options === 'function' ? await options() : options, ends, () => failed);
		failed = false;
	});
	afterEach(({ task }) => {
		failed ||= task.result?.state === 'fail';
	});
	afterAll(async () => {
		if (failed && stage) process.stderr.write(`logs of the services: ${stage.stack.logFolder}\n`);
		for (const end of ends.reverse()) await end();
	});
	return () => {
		if (!stage) throw new Error('the stage is set before the first test');
		return stage;
	};
}

async function setUp(options: StageOptions, ends: (() => Promise<void>)[], keepLogs: () => boolean): Promise<Stage> {
	const { agents, heartbeatMs = 10_000, seed, attributes = {}, ...wanted } = options;
	const servers = await startOwnServers();
	ends.push(() => servers.stop());
	const stack = await startStack({ ...wanted, ...servers });
	ends.push(() => stack.stop({ keepLogs: keepLogs() }));
	const fleet = await FleetProcess.start({ url: stack.opampUrl, seed, token: stack.tokens.enrollment });
	ends.push(() => fleet.terminate());
	await fleet.add({ count: agents, heartbeatMs, attributes });
	await fleet.launch(connectsPerSecond);
	await fleet.until(({ connected }) => connected === agents, 60_000);
	const campaign = new Campaign(stack.api);
	const uids: Stage['uids'] = async (from = 0, to = agents) =>
		(await fleet.agents({ from, to })).map(({ instanceUid }) => instanceUid);
	const prepare: Stage['prepare'] = async (group, { from, to }) => {
		await campaign.group(group, await uids(from, to));
		await campaign.baseline(group, await campaign.publish(group, collectorConfig(`${group}-v1`)));
		return campaign.publish(group, collectorConfig(`${group}-v2`));
	};
	return { stack, servers, fleet, campaign, uids, prepare };
}

/** A collector's configuration that tells its version: rules of a fleet name it by `debug/<version>`. */
export const collectorConfig = (version: string): string => `receivers:
  otlp:
    protocols:
      grpc:
        endpoint: 127.0.0.1:4317
processors:
  batch:
    timeout: 2s
exporters:
  debug/${version}:
    verbosity: basic
service:
  pipelines:
    traces:
      receivers: [otlp]
      processors: [batch]
      exporters: [debug/${version}]
`;

/** Hashes under which a version was offered: every attempt has its own. */
export async function hashesOf(fleet: FleetProcess, version: string): Promise<ReadonlySet<string>> {
	const configs = await fleet.configs();
	return new Set(configs.filter(({ text }) => text.includes(`debug/${version}:`)).map(({ hash }) => hash));
}

/** Every time the version was handed to an agent, in the order of receipt. */
export async function offersOf(fleet: FleetProcess, version: string): Promise<OfferRecord[]> {
	const hashes = await hashesOf(fleet, version);
	return (await fleet.offers()).filter(({ hash }) => hashes.has(hash));
}

/**
 * Cuts the connections of these agents, a few at a time, again and again until `untilMs`: each comes back at once and is handed what
 * there is to be handed. Longer than a gateway's own look for changed assignments, it leaves no way untried.
 */
export async function reconnectUntil(fleet: FleetProcess, { from, to }: { from: number; to: number }, untilMs: number) {
	const { connected } = fleet.stats;
	const size = Math.ceil((to - from) / 5);
	for (let at = from; hostMonotonicMs() < untilMs; at = at + size >= to ? from : at + size) {
		const { connects } = fleet.stats;
		const wave = { from: at, to: Math.min(to, at + size) };
		await fleet.kill(wave, 0);
		await fleet.until((now) => now.connected === connected && now.connects >= connects + wave.to - wave.from);
	}
}

/** When an event of the database's clock happened, on the clock that offers are timed by: both are clocks of this host. */
export const onMonotonicClock = (at: string): number => Date.parse(at) - Date.now() + hostMonotonicMs();

/** How many agents last answered APPLIED for one of these hashes. */
export const appliedOf = ({ reported }: Readonly<FleetStats>, hashes: ReadonlySet<string>): number =>
	[...hashes].reduce((sum, hash) => sum + (reported[hash]?.applied ?? 0), 0);

/** Offers that brought an agent what the same connection had brought it before. */
export function repeatsIn(offers: readonly OfferRecord[]): OfferRecord[] {
	const seen = new Set<string>();
	return offers.filter(({ agent, connection, hash }) => {
		const key = `${agent}/${connection}/${hash}`;
		if (seen.has(key)) return true;
		seen.add(key);
		return false;
	});
}
