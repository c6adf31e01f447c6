import { TestAgent, TestSocket } from '@ampora/gateway/testing';
import { type AgentId, type GatewayId, newId, systemClock } from '@ampora/runtime';
import { createGatewayStore, type GatewayLease, type GatewayStore } from '@ampora/store';
import type { Stack } from '../support/stack/stack.js';
import { type Figures, figure } from './report.js';
import { inSetting, type ScenarioOptions, type Setting } from './setting.js';

/** Real agents on real sockets, which the times are taken from; the others are rows that a second gateway's store reports for. */
const probesCount = 20;
const changesPerProbe = 10;
const batch = 2_000;
const leaseTtlMs = 600_000;
const withinMs = 120_000;
const lookEveryMs = 10;
const reportEveryMs = 100;
const reportsAtOnce = 100;
const relabelMax = 10_000;
const membersBefore = 100;
const maxInFlight = 50;
/** Several ticks of the engine. */
const ticksMs = 4_000;
const changeLimitMs = 1_000;
const settleLimitMs = 10_000;

/** Group → selector. Three of them read `env`. */
const selectors = {
	prod: 'agent.attributes.env == "prod"',
	test: 'agent.attributes.env == "test"',
	old: 'agent.version < semver("0.100.0")',
	edge: 'agent.type == "edge"',
	eu: '"region" in agent.attributes && agent.attributes.region.startsWith("eu-")',
	remote: '"AcceptsRestartCommand" in agent.capabilities',
	rest: 'has(agent.attributes.env) && agent.attributes.env != "lab"',
} as const;
const readingEnv = 3;
const groupsCount = Object.keys(selectors).length;

const text = (key: string, value: string) => ({ key, value: { kind: 'string', value } as const });
const envOf = (n: number) => (n % 5 === 0 ? 'test' : 'prod');

/** How agents of a fleet come to be in dynamic groups, and stay in the right ones. */
export function groups({ agents, say }: ScenarioOptions): Promise<Figures> {
	return inSetting({}, async ({ stack, campaign }) => {
		const [index, priorities] = [Object.entries(selectors), [70, 60, 50, 40, 30, 20, 10]];
		for (const [at, [name, selector]] of index.entries())
			await campaign.call('createGroup', { body: { name, selector, priority: priorities[at] } });
		const fleet = await RowFleet.open(stack, agents);
		const watcher = new Watcher(stack);
		const probes = await Promise.all(Array.from({ length: probesCount }, () => Probe.connect(stack, watcher)));
		try {
			say(`registering ${agents} agents`);
			const startedMs = performance.now();
			await fleet.register();
			await Promise.all(probes.map((probe) => probe.become('prod')));
			await quiet(stack);
			const placedMs = performance.now() - startedMs;
			const everybody = agents + probesCount;
			await assertEvaluations(stack, 'change', { before: 0, wanted: everybody * groupsCount });

			say('changing attributes while agents report');
			const before = await evaluations(stack, 'change');
			const reporting = fleet.report();
			const times = (await Promise.all(probes.map((probe) => probe.wander('test', 'test')))).flat();
			await reporting.stop();
			await quiet(stack);
			// Half of what the fleet reported is an attribute that no selector reads.
			const changes = times.length + reporting.relabelled;
			await assertEvaluations(stack, 'change', { before, wanted: changes * readingEnv });

			say('changing a selector while agents report');
			const sweepsBefore = await evaluations(stack, 'sweep');
			const again = fleet.report();
			const moved = await population(stack, 'test');
			const wandering = Promise.all(probes.map((probe) => probe.wander('stage', 'rest')));
			const settledMs = await settled({ stack, campaign }, 'prod', {
				selector: 'agent.attributes.env in ["prod", "test"]',
			});
			const inSweep = (await wandering).flat();
			await again.stop();
			await assertEvaluations(stack, 'sweep', { before: sweepsBefore, wanted: everybody });
			await quiet(stack);
			if ((await population(stack, 'test')) !== 0)
				throw new Error('somebody is still in the group that lost its agents');
			say('changing a priority');
			const priorityMs = await settled({ stack, campaign }, 'test', { priority: 90 });
			await assertEvaluations(stack, 'sweep', { before: sweepsBefore, wanted: everybody });
			say('relabelling agents into a group under a rollout');
			const relabelled = Math.min(relabelMax, Math.floor((agents - membersBefore) / 2));
			const inFlight = await relabel({ stack, campaign }, fleet, relabelled);
			say('relabelling agents into a group whose default breaks them');
			const enrolled = await enrol({ stack, campaign }, fleet, relabelled);
			const slowest = Math.max(...times, ...inSweep);
			const figures = {
				changeP50: figure(percentile(times, 50), 'ms'),
				changeP99: figure(percentile(times, 99), 'ms'),
				changeInSweepP50: figure(percentile(inSweep, 50), 'ms'),
				changeInSweepP99: figure(percentile(inSweep, 99), 'ms'),
				changeSlowest: figure(slowest, 'ms'),
				selectorSettled: figure(settledMs / 1_000, 's'),
				prioritySettled: figure(priorityMs / 1_000, 's'),
				movedBySelector: figure(moved, 'agents'),
				fleetPlaced: figure(placedMs / 1_000, 's'),
				reportsMeanwhile: figure(reporting.reported + again.reported, 'reports'),
				relabelled: figure(relabelled, 'agents'),
				pushedAfterRelabel: figure(inFlight, 'agents'),
				enrolledUntilStopped: figure(enrolled, 'agents'),
				evaluationsPerChange: figure(readingEnv, 'evaluations'),
			};
			if (slowest > changeLimitMs) say(`membership was not right within ${changeLimitMs} ms of a change`);
			if (settledMs > settleLimitMs) say(`the selector was not settled within ${settleLimitMs} ms`);
			return figures;
		} finally {
			for (const probe of probes) probe.close();
			await watcher.close();
		}
	});
}

/** Every evaluation is accounted for: one too many is an agent looked at for nothing, one too few an agent overlooked. */
async function assertEvaluations(
	stack: Stack,
	cause: 'change' | 'sweep',
	{ before, wanted }: { before: number; wanted: number },
) {
	const counted = (await evaluations(stack, cause)) - before;
	if (counted !== wanted) throw new Error(`${counted} evaluations because of a ${cause}, and ${wanted} were to be`);
}

const evaluations = async ({ engines }: Stack, cause: 'change' | 'sweep'): Promise<number> => {
	const samples = await Promise.all(engines.map((engine) => engine.metrics()));
	return samples.reduce((sum, one) => sum + one.sum('ampora_selector_evaluations_total', { cause }), 0);
};

async function ask<T>({ database }: Stack, statement: string, params: readonly unknown[] = []): Promise<T> {
	const [row] = await database.sql.query<{ answer: T }>(statement, params);
	if (row === undefined) throw new Error('no answer');
	return row.answer;
}

const population = (stack: Stack, group: string): Promise<number> =>
	ask(stack, 'select count(*)::int as answer from agent a join agent_group g on g.id = a.group_id where g.name = $1', [
		group,
	]);

async function until(holds: () => Promise<boolean>, what: string): Promise<void> {
	const deadline = performance.now() + withinMs;
	while (!(await holds())) {
		if (performance.now() > deadline) throw new Error(`${what}: not within ${withinMs} ms`);
		await systemClock.sleep(lookEveryMs);
	}
}

/** Nothing is left to be looked at, by the database and by the process that counts. */
async function quiet(stack: Stack): Promise<void> {
	await until(
		() =>
			ask<boolean>(
				stack,
				'select not exists (select from selector_work) and not exists (select from agent_group where sweep is not null) as answer',
			),
		'everything was looked at',
	);
	await systemClock.sleep(500);
}

/** From the answer to the change until all agents were looked at, ms. */
async function settled(
	{ stack, campaign }: Pick<Setting, 'stack' | 'campaign'>,
	group: string,
	body: { selector?: string; priority?: number },
): Promise<number> {
	await campaign.call('updateGroup', { params: { group }, body });
	const startedMs = performance.now();
	const done = () => ask<boolean>(stack, 'select sweep is null as answer from agent_group where name = $1', [group]);
	await until(done, `${group} is settled`);
	return performance.now() - startedMs;
}

/**
 * So many agents come at once to a group that is being rolled out to; none of them ever answers. Answers how many were pushed
 * something.
 */
async function relabel(
	{ stack, campaign }: Pick<Setting, 'stack' | 'campaign'>,
	fleet: RowFleet,
	count: number,
): Promise<number> {
	await campaign.call('createGroup', {
		body: { name: 'lab', selector: 'agent.attributes.env == "lab"', priority: 100 },
	});
	await fleet.relabel(0, membersBefore, 'lab');
	await until(async () => (await population(stack, 'lab')) === membersBefore, 'the first are there');
	const version = await campaign.publish(
		'lab',
		'receivers: {nop: }\nexporters: {nop: }\nservice: {pipelines: {traces: {receivers: [nop], exporters: [nop]}}}\n',
	);
	await campaign.start({
		...{ group: 'lab', version, maxInFlight, acceptNoWayBack: true },
		strategy: { kind: 'canary', steps: [{ size: '100 %', dwell: '1h' }] },
	});
	const wanted = () =>
		ask<number>(stack, 'select count(*)::int as answer from assignment where version_id is not null');
	await until(async () => (await wanted()) > 0, 'somebody is pushed something');
	await fleet.relabel(membersBefore, count, 'lab');
	await until(async () => (await population(stack, 'lab')) === membersBefore + count, 'everybody is there');
	await systemClock.sleep(ticksMs);
	const pushed = await wanted();
	if (pushed > maxInFlight)
		throw new Error(`${pushed} agents were pushed a version, with at most ${maxInFlight} in flight`);
	return pushed;
}

/**
 * So many agents come at once to a group with a default that every one of them refuses. Answers how many were handed it before the
 * enrolment gate stopped it.
 */
async function enrol(
	{ stack, campaign }: Pick<Setting, 'stack' | 'campaign'>,
	fleet: RowFleet,
	count: number,
): Promise<number> {
	await campaign.call('createGroup', {
		body: { name: 'broken', selector: 'agent.attributes.env == "broken"', priority: 110 },
	});
	const defaultVersion = await campaign.publish(
		'broken',
		'receivers: {nop: }\nexporters: {nop/broken: }\nservice: {pipelines: {traces: {receivers: [nop], exporters: [nop/broken]}}}\n',
	);
	await campaign.call('updateGroup', { params: { group: 'broken' }, body: { defaultVersion } });
	const refusing = fleet.refuse();
	try {
		await fleet.relabel(membersBefore + count, count, 'broken');
		await until(async () => (await population(stack, 'broken')) === count, 'everybody is there');
		const enrolment = async () => (await campaign.call('getGroup', { params: { group: 'broken' } })).enrolment;
		await until(async () => (await enrolment())?.stopped != null, 'the enrolment gate fired');
		await systemClock.sleep(ticksMs);
		const handed = await ask<number>(
			stack,
			`select count(*)::int as answer from assignment s join agent a on a.id = s.agent_id join agent_group g on g.id = a.group_id
			where g.name = $1 and s.cause = 'default'`,
			['broken'],
		);
		if (handed !== refusing.refused) throw new Error(`${handed} were handed it, and ${refusing.refused} refused it`);
		const cap = Math.min(1_000, Math.floor(count / 20));
		if (handed > cap) throw new Error(`${handed} agents were handed a default, with at most ${cap} in flight`);
		if ((await enrolment())?.waiting !== count - handed) throw new Error('somebody does not wait who should');
		return handed;
	} finally {
		await refusing.stop();
	}
}

/** Agents without sockets: a gateway's store registers them and writes what they would report. */
class RowFleet {
	#agents: readonly { agentId: AgentId; sessionEpoch: number }[] = [];
	#factSeq = 0;
	#next = 0;

	private constructor(
		private readonly store: GatewayStore,
		private readonly lease: GatewayLease,
		private readonly count: number,
	) {}

	static async open(stack: Stack, count: number): Promise<RowFleet> {
		const store = createGatewayStore(stack.database.sql);
		const { lease } = await store.renewGateway('bench' as GatewayId, null, leaseTtlMs);
		return new RowFleet(store, lease, count);
	}

	async register(): Promise<void> {
		const agents: { agentId: AgentId; sessionEpoch: number }[] = [];
		for (let from = 0; from < this.count; from += batch) {
			const size = Math.min(batch, this.count - from);
			const requests = Array.from({ length: size }, () => ({
				instanceUid: newId<AgentId>() as string,
				transport: 'websocket' as const,
			}));
			agents.push(...(await this.store.connectAgents(this.lease, requests)));
			this.#agents = agents;
			await this.#flush(from, size, (n) => ({ env: envOf(n), build: '1' }));
		}
	}

	async relabel(from: number, count: number, env: string): Promise<void> {
		for (let at = from; at < from + count; at += batch)
			await this.#flush(at, Math.min(batch, from + count - at), () => ({ env, build: '1' }));
	}

	/** From now on whoever is handed something answers that it failed, as soon as a gateway would hand it over. */
	refuse() {
		const state = { refused: 0 };
		const stopping = new AbortController();
		const epochs = new Map(this.#agents.map(({ agentId, sessionEpoch }) => [agentId, sessionEpoch]));
		const run = async () => {
			let cursor: string | null = null;
			while (!stopping.signal.aborted) {
				const changed = await this.store.changedAssignments(this.lease, cursor);
				cursor = changed.cursor;
				const requests = changed.assignments.map(({ agentId }) => ({
					...{ agentId, sessionEpoch: epochs.get(agentId) ?? 0, reportedHash: null, alreadyOffered: null },
				}));
				const decided = requests.length === 0 ? [] : await this.store.claimOffers(this.lease, requests);
				const handed = decided.flatMap((one) => ('offer' in one && one.offer.rolloutId === null ? [one.offer] : []));
				this.#factSeq += 1;
				const reports = handed.map(({ agentId, seq }) => ({
					...{ agentId, sessionEpoch: epochs.get(agentId) ?? 0, factSeq: this.#factSeq, sequenceNum: this.#factSeq },
					answers: [{ seq, answer: 'failed' as const, error: 'no such exporter', ageMs: 0 }],
				}));
				if (reports.length > 0) await this.store.flushReports(this.lease, reports);
				state.refused += reports.length;
				await systemClock.sleep(reportEveryMs, stopping.signal);
			}
		};
		const running = run();
		return Object.assign(state, {
			async stop() {
				stopping.abort();
				await running;
			},
		});
	}

	async #flush(from: number, size: number, attributes: (n: number) => Record<string, string>): Promise<void> {
		this.#factSeq += 1;
		const reports = this.#agents.slice(from, from + size).map(({ agentId, sessionEpoch }, at) => ({
			...{ agentId, sessionEpoch, factSeq: this.#factSeq, sequenceNum: this.#factSeq, capabilities: 0x1807n },
			description: {
				identifying: { 'service.name': 'otelcol', 'service.instance.id': agentId },
				nonIdentifying: {
					'os.type': 'linux',
					'host.arch': 'amd64',
					region: `eu-${(from + at) % 3}`,
					...attributes(from + at),
				},
				...{ agentType: 'otelcol', agentVersion: '0.110.0', hostname: `host-${from + at}` },
			},
		}));
		await this.store.flushReports(this.lease, reports);
	}

	/** A thousand reports a second, each of an agent that has not reported yet: every second round relabels, the others change what nobody reads. */
	report() {
		const state = { reported: 0, relabelled: 0, round: 0 };
		const stopping = new AbortController();
		const run = async () => {
			while (!stopping.signal.aborted && this.#next < this.count) {
				const from = this.#next;
				const size = Math.min(reportsAtOnce, this.count - from);
				this.#next += size;
				const relabel = state.round % 2 === 0;
				state.round += 1;
				await this.#flush(from, size, (n) =>
					relabel ? { env: n % 5 === 0 ? 'prod' : 'test', build: '1' } : { env: envOf(n), build: '2' },
				);
				state.reported += size;
				if (relabel) state.relabelled += size;
				await systemClock.sleep(reportEveryMs, stopping.signal);
			}
		};
		const running = run();
		return Object.assign(state, {
			async stop() {
				stopping.abort();
				await running;
			},
		});
	}
}

/** One query for all who wait: looking must not be what is measured. */
class Watcher {
	readonly #waiting = new Map<string, { readonly group: string; readonly done: () => void }>();
	readonly #stop = new AbortController();
	readonly #running: Promise<void>;

	constructor(private readonly stack: Stack) {
		this.#running = this.#run();
	}

	async until(uid: string, group: string): Promise<void> {
		let done = () => {};
		const there = new Promise<void>((resolve) => {
			done = resolve;
		});
		this.#waiting.set(uid, { group, done });
		await there;
	}

	async close(): Promise<void> {
		this.#stop.abort();
		await this.#running;
	}

	async #run(): Promise<void> {
		while (!this.#stop.signal.aborted) {
			const rows = await this.stack.database.sql.query<{ uid: string; group: string }>(
				`select a.instance_uid as uid, g.name as group from agent a join agent_group g on g.id = a.group_id
				where a.instance_uid = any($1::uuid[])`,
				[[...this.#waiting.keys()]],
			);
			for (const { uid, group } of rows) {
				const waiting = this.#waiting.get(uid);
				if (waiting?.group !== group) continue;
				this.#waiting.delete(uid);
				waiting.done();
			}
			await systemClock.sleep(lookEveryMs, this.#stop.signal);
		}
	}
}

/** An agent on a socket of the real gateway. */
class Probe {
	private constructor(
		private readonly agent: TestAgent,
		private readonly watcher: Watcher,
	) {}

	static async connect(stack: Stack, watcher: Watcher): Promise<Probe> {
		const headers = { authorization: `Bearer ${stack.tokens.enrollment}` };
		return new Probe(new TestAgent(await TestSocket.open(stack.opampUrl, { headers })), watcher);
	}

	/** Says that it is of that environment, and waits until it is in the group; answers how long that took, ms. */
	async become(env: string, group = env): Promise<number> {
		const startedMs = performance.now();
		this.agent.send({
			report: {
				agentDescription: {
					identifying: [text('service.name', 'otelcol'), text('service.version', '0.110.0')],
					nonIdentifying: [text('env', env)],
				},
			},
		});
		await this.watcher.until(this.agent.uid, group);
		return performance.now() - startedMs;
	}

	/** To and fro; in between it is in `group`. */
	async wander(env: string, group: string): Promise<number[]> {
		const times: number[] = [];
		for (let at = 0; at < changesPerProbe; at += 1)
			times.push(at % 2 === 0 ? await this.become(env, group) : await this.become('prod'));
		return times;
	}

	close(): void {
		this.agent.socket.ws.terminate();
	}
}

function percentile(values: readonly number[], percent: number): number {
	const sorted = values.toSorted((a, b) => a - b);
	return sorted[Math.min(sorted.length - 1, Math.ceil((percent / 100) * sorted.length) - 1)] ?? Number.NaN;
}
