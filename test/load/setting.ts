import { createTestDatabase, testNatsUrl, testRedisUrl } from '../support/databases.js';
import { FleetProcess } from '../support/fleet/process.js';
import { Campaign } from '../support/stack/campaign.js';
import { type Stack, type StackOptions, startStack } from '../support/stack/stack.js';
import type { Figures } from './report.js';

export interface ScenarioOptions {
	readonly agents: number;
	/** What it is doing, for whoever waits. */
	readonly say: (line: string) => void;
}

export type Scenario = (options: ScenarioOptions) => Promise<Figures>;

export interface Setting {
	readonly stack: Stack;
	/** Without agents yet. */
	readonly fleet: FleetProcess;
	readonly campaign: Campaign;
}

/** One gateway, one engine, one api and a fleet, each in a process of its own, for as long as the work lasts. Agents reach the gateway directly. */
export async function inSetting<T>(
	options: Pick<StackOptions, 'gatewayNodeArgs'>,
	work: (setting: Setting) => Promise<T>,
): Promise<T> {
	const database = await createTestDatabase();
	const servers = { databaseUrl: database.url, redisUrl: testRedisUrl(), natsUrl: testNatsUrl() };
	let keepLogs = true;
	let stack: Stack | undefined;
	let fleet: FleetProcess | undefined;
	try {
		stack = await startStack({ ...servers, ...options, direct: true, logLevel: 'warn' });
		fleet = await FleetProcess.start({ url: stack.opampUrl, seed: 1, token: stack.tokens.enrollment });
		const result = await work({ stack, fleet, campaign: new Campaign(stack.api) });
		keepLogs = false;
		return result;
	} finally {
		if (keepLogs && stack) process.stderr.write(`logs of the services: ${stack.logFolder}\n`);
		await fleet?.terminate();
		await stack?.stop({ keepLogs });
		await database.drop();
	}
}
