import { once } from 'node:events';
import {
	type BodyOf,
	type CallInput,
	type Client,
	createClient,
	type OperationId,
	type RolloutAnswer,
} from '@ampora/api-contract';
import { liveView } from '@ampora/cli';
import { FleetProcess } from '../support/fleet/process.js';
import { type Installation, startInstallation } from '../support/installation.js';
import { baseline, broken, brokenError, brokenMarker, brokenShare, corrected } from './configs.js';

export interface DemoOptions {
	readonly agents: number;
	/** Leave it running until Ctrl-C. */
	readonly keep: boolean;
}

type Strategy = NonNullable<BodyOf<'createRollout'>['strategy']>;

const group = 'demo';
const seed = 20;
const say = (text: string) => process.stdout.write(`${text}\n`);

/** Short enough to watch: minutes and hours in earnest. */
const pace = {
	gates: {
		'apply-timeout-ratio': { window: '20s' },
		'disconnect-ratio': { window: '3s' },
		'effective-mismatch-ratio': { window: '3s' },
		'unhealthy-ratio': { window: '2s' },
	},
	bake: '3s',
} as const;

const canary: Strategy = {
	kind: 'canary',
	steps: [
		{ name: 'canary', size: '5 %', dwell: '3s' },
		{ name: 'early', size: '25 %', dwell: '3s' },
		{ name: 'everyone', size: '100 %', dwell: '3s' },
	],
};

const everyoneAtOnce: Strategy = { kind: 'canary', steps: [{ name: 'everyone', size: '100 %', dwell: '3s' }] };

/** Tells the story and checks it; the exit code. */
export async function runDemo({ agents, keep }: DemoOptions): Promise<number> {
	const stop = new AbortController();
	process.once('SIGINT', () => stop.abort());
	process.once('SIGTERM', () => stop.abort());
	const startedAt = performance.now();
	say('Starting Ampora: gateway, rollout-engine, API and a Postgres of their own …');
	let ampora: Installation | null = null;
	let fleet: FleetProcess | null = null;
	try {
		ampora = await startInstallation();
		stop.signal.throwIfAborted();
		fleet = await startFleet(ampora, agents);
		const story = new Story(
			createClient({ server: ampora.api, token: ampora.tokens.admin, fetch, signal: stop.signal }),
			fleet,
			agents,
		);
		await Promise.race([story.tell(), interrupted(stop.signal)]);
		say(`\nDone in ${Math.round((performance.now() - startedAt) / 1000)} s: the bad version never got past its gate.`);
		if (keep) await waitForCtrlC(ampora, stop.signal);
		return 0;
	} catch (error) {
		if (stop.signal.aborted) {
			say('\nInterrupted: ending everything it started …');
			return 130;
		}
		say(`\nThis is not what should have happened: ${error instanceof Error ? error.message : String(error)}`);
		return 1;
	} finally {
		await fleet?.stop();
		await ampora?.stop();
	}
}

/** Rejects when somebody stops it: some of what is waited for would go on for a minute. */
async function interrupted(signal: AbortSignal): Promise<void> {
	await once(signal, 'abort');
	signal.throwIfAborted();
}

async function startFleet(ampora: Installation, agents: number): Promise<FleetProcess> {
	const fleet = await FleetProcess.start({ url: ampora.opamp, seed, token: ampora.tokens.enrollment });
	await fleet.rules([
		{
			contains: brokenMarker,
			share: brokenShare,
			salt: 'build',
			outcome: { kind: 'failed', error: brokenError, afterMs: 50 },
		},
	]);
	await fleet.add({ count: agents, heartbeatMs: 10_000 });
	await fleet.launch(400);
	return fleet;
}

function waitForCtrlC(ampora: Installation, signal: AbortSignal): Promise<void> {
	say(
		`\nStill running: REST ${ampora.api}, OpAMP ${ampora.opamp}\n  export AMPORA_SERVER=${ampora.api}\n  export AMPORA_TOKEN=${ampora.tokens.admin}\nCtrl-C ends it.`,
	);
	return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

class Story {
	constructor(
		private readonly client: Client,
		private readonly fleet: FleetProcess,
		private readonly agents: number,
	) {}

	async tell(): Promise<void> {
		await this.fleet.until(({ connected }) => connected === this.agents, 60_000);
		await this.everyoneKnown();
		say(`${this.agents} agents are connected.\n`);
		await this.call('createConfiguration', { body: { name: group } });

		say('1. A baseline for everyone.');
		const first = await this.rollOut(baseline, { strategy: everyoneAtOnce, maxInFlight: 50, acceptNoWayBack: true });
		expectEnd(first, 'Completed');
		await this.everyoneRuns(baseline);
		say(`   All ${this.agents} agents run ${first.version.ref}.`);

		say('\n2. A version that some agents cannot run.');
		const second = await this.rollOut(broken, { strategy: canary, onGate: 'rollback' });
		expectEnd(second, 'RolledBack');
		const gate = second.evidence.find((evidence) => evidence.gate === 'apply-failed-ratio');
		if (!gate)
			throw new Error(
				`it should have been stopped by apply-failed-ratio, not by ${second.evidence.map((e) => e.gate).join(', ') || 'nothing'}`,
			);
		say(
			`   Stopped by ${gate.message}; ${second.started} of ${this.agents} agents had been handed it, and all went back.`,
		);
		await this.everyoneRuns(baseline);
		say(`   All ${this.agents} agents run ${first.version.ref}.`);

		say('\n3. The corrected version.');
		const third = await this.rollOut(corrected, { strategy: canary, onGate: 'rollback' });
		expectEnd(third, 'Completed');
		await this.everyoneRuns(corrected);
		say(`   All ${this.agents} agents run ${third.version.ref}.`);
	}

	/** The API knows an agent once its first report is in the database. */
	private async everyoneKnown(): Promise<void> {
		await this.call('createGroup', { body: { name: group } });
		let ids: string[] = [];
		while (ids.length < this.agents) {
			ids = await this.connectedAgents();
			if (ids.length < this.agents) await new Promise((resolve) => setTimeout(resolve, 100));
		}
		await this.call('addGroupAgents', { params: { group }, body: { agents: ids } });
	}

	private async connectedAgents(): Promise<string[]> {
		const ids: string[] = [];
		let cursor: string | undefined;
		do {
			const page = await this.call('listAgents', {
				query: { connected: 'true', limit: 500, ...(cursor !== undefined && { cursor }) },
			});
			ids.push(...page.items.map((agent) => agent.id));
			cursor = page.nextCursor ?? undefined;
		} while (cursor !== undefined);
		return ids;
	}

	/** Publishes the YAML, rolls it out and shows it until it has ended, or waits for a person. */
	private async rollOut(yaml: string, asked: Partial<BodyOf<'createRollout'>>): Promise<RolloutAnswer> {
		const draft = await this.call('createVersion', { params: { configuration: group }, body: { yaml } });
		await this.call('publishVersion', { params: { configuration: group, number: draft.number } });
		const { id } = await this.call('createRollout', { body: { group, version: draft.ref, ...pace, ...asked } });
		const watched = await this.client.watch(id);
		if (!watched.ok) throw new Error(messageOf(watched.error));
		const view = liveView({
			isTTY: process.stdout.isTTY === true,
			columns: process.stdout.columns ?? 100,
			write: (text) => process.stdout.write(text),
		});
		let last: RolloutAnswer | null = null;
		for await (const rollout of watched.value) {
			view.show(rollout);
			last = rollout;
			if (rollout.state === 'Paused') break;
		}
		view.end();
		if (last === null) throw new Error('the rollout could not be watched');
		return last;
	}

	/** Seen in what the agents themselves say they run, not in what Ampora says of them. */
	private async everyoneRuns(yaml: string): Promise<void> {
		const hash = (await this.fleet.configs()).find(({ text }) => text === yaml)?.hash ?? '';
		await this.fleet.until(({ reported }) => reported[hash]?.applied === this.agents, 30_000);
	}

	private async call<Op extends OperationId>(operation: Op, input: CallInput<Op>) {
		const answer = await this.client.call(operation, input);
		if (!answer.ok) throw new Error(`${operation}: ${messageOf(answer.error)}`);
		return answer.value;
	}
}

function messageOf(
	error: { kind: 'refused'; body: { message: string; action: string } } | { kind: 'unreachable'; message: string },
): string {
	return error.kind === 'refused' ? `${error.body.message} (${error.body.action})` : error.message;
}

function expectEnd(rollout: RolloutAnswer, state: RolloutAnswer['state']): void {
	if (rollout.state !== state)
		throw new Error(`${rollout.version.ref} is ${rollout.state} instead of ${state}: ${rollout.headline}`);
}
