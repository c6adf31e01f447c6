import type { DirectoryFlaws } from '@ampora/dispatch';
import { decodeAgentToServer, defaultMessageLimits, type Frame, messageOf } from '@ampora/opamp';
import { decodeServerToAgent } from '@ampora/opamp/testing';
import { hasEnded, type RolloutSpec, resolveSpec } from '@ampora/rollout';
import type { AgentId, GroupId, RolloutId, VersionId } from '@ampora/runtime';
import { StoreUnavailable, ungroupedGroupId } from '@ampora/store';
import type { Flaws } from '@ampora/store/testing';
import { memoryWorld } from '@ampora/store/testing';
import { FleetLedger } from '../../support/fleet/ledger.js';
import { OfferedConfigs } from '../../support/fleet/offered_config.js';
import type { Behaviour } from '../../support/fleet/outcome.js';
import { type Checkers, createCheckers } from '../checkers/checkers.js';
import type { Observation, Written } from '../checkers/observation.js';
import { createAgents, type SimAgent } from './agents.js';
import { SimNetwork } from './backplane.js';
import { CalendarKeepers } from './calendar_keepers.js';
import type { Connection, Listener } from './connections.js';
import { Servers } from './database.js';
import { SimEngine } from './engines.js';
import { Faults } from './faults.js';
import { SimGateway } from './gateways.js';
import { type MetricFlaws, SimMetrics } from './metrics_server.js';
import { People } from './people.js';
import type { EnrolmentPlan, FollowerPlan, RolloutPlan, WorldPlan } from './plan.js';
import { Schedule } from './schedule.js';
import { SimProcess } from './sim_process.js';
import { Streams } from './streams.js';
import { Trace } from './trace.js';

export interface WorldOptions {
	/** Safety checks left out, to see that somebody notices. */
	readonly flaws?: Flaws & DirectoryFlaws & MetricFlaws;
	/** Nobody watches the invariants: the test looks itself at what comes of a check that is left out. */
	readonly unwatched?: boolean;
	/** How many lines of the trace are kept for reading. */
	readonly keepLines?: number;
}

const texts = {
	baseline: 'receivers: {nop: {}}\n# baseline\n',
	next: 'receivers: {nop: {}}\n# next\n',
	first: 'receivers: {nop: {}}\n# new version\n',
	second: 'receivers: {nop: {}}\n# new version of the second group\n',
	default: 'receivers: {nop: {}}\n# default\n',
} as const;

/** A whole installation in one thread, on virtual time: real engine, gateway, dispatch and core; modelled servers, network and agents. */
export class World {
	readonly schedule: Schedule;
	readonly streams: Streams;
	readonly trace: Trace;
	readonly servers: Servers;
	readonly network: SimNetwork;
	readonly gateways: SimGateway[];
	readonly engines: SimEngine[];
	readonly agents: SimAgent[];
	/** What the agents went through; its own times are those of the host. */
	readonly ledger = new FleetLedger();
	readonly configs = new OfferedConfigs();
	readonly people: People;
	readonly keepers: CalendarKeepers;
	readonly faults: Faults;
	readonly checkers: Checkers;
	groups: readonly [GroupId, GroupId] | null = null;
	versions: { baseline: VersionId; new: readonly [VersionId, VersionId]; next: readonly VersionId[] } | null = null;
	/** Seqs that gateways were permitted to send, by agent and hash. */
	readonly #permitted = new Map<string, number>();
	/** Offers on their way, by connection. */
	readonly #underWay = new Map<number, Written[]>();
	/** The last offer each agent read, by hash. */
	readonly #read = new Map<AgentId, Map<string, Written>>();
	readonly #agentIds = new Map<string, AgentId>();
	/** Whom each was taken for when it last read an offer, by its index: under a new uid it is nobody at first. */
	readonly #readers = new Map<number, AgentId>();
	#connections = 0;
	#faultsRun = false;
	#calmSinceMs: number | null = 0;
	#exceptionsExpected = false;

	constructor(
		readonly plan: WorldPlan,
		private readonly options: WorldOptions = {},
	) {
		this.streams = new Streams(plan.seed);
		this.schedule = new Schedule(this.streams.named('ties'));
		const { schedule, streams } = this;
		this.trace = new Trace(() => schedule.nowMs, options.keepLines ?? 0);
		this.servers = new Servers({
			schedule,
			chance: streams.named('calls'),
			flaws: options.flaws ?? {},
			observe: (seen) => this.observe(seen),
			onCrash: (process, method) => this.trace.line(`${process.name} dies at ${method}`),
		});
		this.checkers = createCheckers({
			db: this.servers.view,
			nowMs: () => schedule.nowMs,
			calmSinceMs: () => this.#calmSinceMs,
			trace: this.trace,
		});
		this.network = new SimNetwork(schedule, streams.named('network'));
		const onDeath = (process: SimProcess) => this.#died(process);
		const metrics = new SimMetrics({
			...{ schedule, chance: streams.named('metrics server'), plan: plan.metrics ?? null, flaws: options.flaws ?? {} },
			cohorts: (rolloutId) => this.#cohorts(rolloutId),
			observe: (seen) => this.observe(seen),
		});
		const shared = { schedule, servers: this.servers, network: this.network, onDeath };
		this.gateways = Array.from(
			{ length: plan.gateways },
			(_, index) =>
				new SimGateway(index, { ...shared, chance: streams.named(`gateway ${index}`), ttlMs: plan.gatewayTtlMs }),
		);
		this.engines = Array.from(
			{ length: plan.engines },
			(_, index) =>
				new SimEngine(index, {
					...shared,
					metrics,
					chance: streams.named(`engine ${index}`),
					leaseTtlMs: plan.leaseTtlMs,
					retention: plan.retention ?? null,
					enrolment: plan.enrolment ? enrolmentSpec(plan.enrolment) : null,
					rolloutFailed: (error) => {
						if (!this.#exceptionsExpected && !(error instanceof StoreUnavailable)) this.checkers.unexpected(error);
					},
				}),
		);
		this.agents = createAgents(plan.agents, {
			schedule,
			chance: streams.named('agents'),
			seed: plan.seed,
			behaviour: this.#behaviour(),
			...{ ledger: this.ledger, configs: this.configs },
			nextConnection: () => this.#connections++,
			route: (index) => this.#route(index),
			onWritten: (connection, frame) => this.#written(connection, frame),
			onOffered: (agent, hash, connection) => this.#offered(agent, hash, connection),
			onSent: (agent, frame) => this.#sent(agent, frame),
		});
		const api = this.network.of(new SimProcess('api', schedule));
		this.people = new People(
			this.servers.state,
			streams.named('people'),
			(line) => this.trace.line(line),
			(rolloutId) => void api.publishHint({ rolloutIds: [rolloutId] }),
		);
		this.keepers = new CalendarKeepers(this.servers.state, streams.named('keepers'), (line) => this.trace.line(line));
		this.faults = new Faults({
			...{ plan, schedule, chance: streams.named('faults'), servers: this.servers, network: this.network },
			...{ gateways: this.gateways, engines: this.engines, agents: this.agents },
			regroup: (agent) => this.#regroup(agent),
			say: (line) => this.trace.line(line),
		});
	}

	/** Lets everything happen up to that virtual time, or until `done`. */
	async runUntil(untilMs: number, done: () => boolean = () => false): Promise<void> {
		await this.schedule.run(
			untilMs,
			() => this.observe({ kind: 'looked' }),
			() => this.checkers.failed || done(),
		);
	}

	async runFor(ms: number, done?: () => boolean): Promise<void> {
		await this.runUntil(this.schedule.nowMs + ms, done);
	}

	/** Groups, versions, agents that are there; and, when planned so, a version that all of them proved. */
	async prepare(): Promise<void> {
		const rows = memoryWorld(this.servers.state);
		await rows.identifyBy(this.plan.identity?.attributes ?? []);
		this.groups = [await rows.createGroup(), await rows.createGroup()];
		this.versions = {
			baseline: await rows.publish(texts.baseline),
			new: [await rows.publish(texts.first), await rows.publish(texts.second)],
			next: await Promise.all((this.plan.followers ?? []).map((_, index) => rows.publish(`${texts.next}# ${index}\n`))),
		};
		await this.runFor(6_000);
		await this.#assignGroups();
		if (!this.plan.baseline) return;
		const spec = resolveSpec({
			seed: 'baseline',
			strategy: { kind: 'canary', steps: [{ size: { kind: 'percent', value: 100 }, dwellMs: 1_000 }] },
			gates: {
				'apply-timeout-ratio': { windowMs: 5_000, thresholdPercent: 100 },
				'disconnect-ratio': { windowMs: 1_000, thresholdPercent: 100 },
				'effective-mismatch-ratio': { windowMs: 1_000, thresholdPercent: 100 },
				'unhealthy-ratio': { windowMs: 1_000, thresholdPercent: 100 },
			},
			...{ maxInFlight: 'unlimited', bakeMs: 1_000, acceptNoWayBack: true, deferForMs: 1_000, maxDeferredPercent: 100 },
		});
		const { baseline } = this.versions;
		for (const groupId of this.plan.secondGroup > 0 ? this.groups : [this.groups[0]])
			await this.people.create({ groupId, versionId: baseline, spec, start: 'now' });
		let rounds = 0;
		while (!this.allEnded() && !this.checkers.failed && rounds < 60) {
			rounds += 1;
			await this.people.care(rounds);
			await this.runFor(4_000, () => this.allEnded());
		}
	}

	/** From now on whoever comes to a group is given something; half of the agents come to the second one, if nobody is there. */
	async beginEnrolment(): Promise<void> {
		if (!this.plan.enrolment) return;
		const rows = memoryWorld(this.servers.state);
		const version = await rows.publish(texts.default);
		for (const groupId of this.groups ?? []) await rows.setDefault(groupId, version);
		if (this.plan.secondGroup > 0) return;
		for (const agent of this.agents.slice(Math.ceil(this.agents.length / 2))) this.#regroup(agent);
	}

	/** As `begin`, of a version that nobody else rolls out. */
	async follow({ busy, startInMs = null, ...plan }: FollowerPlan, index: number): Promise<RolloutId | null> {
		const { baseline, next } = this.versions ?? {};
		const versionId = next?.[index];
		if (!this.groups || !baseline || !versionId) throw new Error('the world was not prepared');
		const spec = { ...plan.spec, rollbackTo: plan.rollbackToBaseline ? baseline : null };
		const wanted = { groupId: this.groups[plan.group], versionId, start: plan.start, busy };
		return this.people.create({ ...wanted, spec, startInMs });
	}

	async begin(plan: RolloutPlan, busy: 'refuse' | 'queue' | 'supersede' = 'refuse'): Promise<RolloutId | null> {
		if (!this.groups || !this.versions) throw new Error('the world was not prepared');
		const { baseline } = this.versions;
		return this.people.create({
			groupId: this.groups[plan.group],
			versionId: this.versions.new[plan.group],
			spec: { ...plan.spec, rollbackTo: plan.rollbackToBaseline ? baseline : null },
			start: plan.start,
			startInMs: plan.startInMs ?? null,
			busy,
		});
	}

	allEnded(): boolean {
		for (const { rollout } of this.servers.state.rollouts.values()) if (!hasEnded(rollout.state)) return false;
		return true;
	}

	/** What has to be so when nothing has been wrong for a while: all is over, and agents run what they are assigned. */
	checkEnd(): void {
		for (const [id, { rollout, waitsFor, nextWakeAtMs }] of this.servers.state.rollouts)
			if (!hasEnded(rollout.state))
				this.checkers.unmet(
					'liveness',
					`${id} is still ${rollout.state} (${rollout.pauseReasons.join(', ')}), waits for ${waitsFor ?? nextWakeAtMs}`,
				);
		for (const agent of this.agents) {
			const wrong = inconsistency(this, agent);
			if (wrong !== null) this.checkers.unmet('consistency', `agent ${agent.index} ${wrong}`);
		}
	}

	agentId(agent: SimAgent): AgentId | null {
		return this.#agentIds.get(agent.uid) ?? this.servers.state.agentsByUid.get(agent.uid) ?? null;
	}

	observe(seen: Observation): void {
		if (seen.kind === 'measured') this.trace.line(`metrics server says ${JSON.stringify(seen)}`);
		if (seen.kind === 'claimed') this.#remember(seen.decisions);
		if (!this.options.unwatched) this.checkers.check(seen);
		if (seen.kind === 'committed') this.#unsettle(seen);
	}

	/** Nerves: the sooner the command comes, the more of what was decided is still on its way. */
	#unsettle(seen: Extract<Observation, { kind: 'committed' }>): void {
		this.#unsettleCalendar(seen);
		const { moved, decision } = seen;
		const nerves = this.streams.named('nerves');
		if (!this.#faultsRun || !moved.some(({ cause }) => cause === 'rollout' || cause === 'retry')) return;
		if (!nerves.chance(this.plan.nervous)) return;
		this.schedule.after(nerves.between(0, 60), null, () => void this.people.panic(decision.rollout.id));
	}

	/** Somebody sees a step begin, and that is not the time for it; engines that stop for a moment have decided and not committed yet. */
	#unsettleCalendar({ decision }: Extract<Observation, { kind: 'committed' }>): void {
		const nerves = this.streams.named('calendar nerves');
		const { groups, plan, schedule } = this;
		if (!plan.calendar || !groups || !this.#faultsRun) return;
		if (!decision.events.some(({ kind }) => kind === 'step-started') || !nerves.chance(2 * plan.nervous)) return;
		const freeze = { group: null, fromMs: 0, forMs: nerves.whole(5, 30) * 1_000 };
		const stopsForMs = nerves.chance(0.7) ? nerves.between(500, 2_500) : 0;
		schedule.after(nerves.between(0, stopsForMs > 0 ? 7 : 60), null, () => {
			for (const { process } of this.engines) if (process.alive && stopsForMs > 0) process.pause(stopsForMs);
			this.keepers.freeze(groups, freeze);
		});
	}

	/** From now on an engine may fail at a rollout; which ones have to go on, the test says. */
	expectExceptions(): void {
		this.#exceptionsExpected = true;
		this.disturb();
	}

	/** From now on looks may be late. */
	disturb(): void {
		this.#calmSinceMs = null;
	}

	startFaults(): void {
		this.#faultsRun = true;
		this.disturb();
		this.faults.start();
	}

	stopFaults(): void {
		this.#faultsRun = false;
		this.faults.stop();
		// A lease of before may have to run out first.
		const calmAtMs = this.schedule.nowMs + 3 * this.plan.leaseTtlMs;
		this.schedule.after(calmAtMs - this.schedule.nowMs, null, () => {
			this.#calmSinceMs = calmAtMs;
		});
	}

	#remember(decisions: Extract<Observation, { kind: 'claimed' }>['decisions']): void {
		for (const decision of decisions) {
			if (!('offer' in decision)) continue;
			const { agentId, offeredHash, seq } = decision.offer;
			this.#permitted.set(`${agentId} ${Buffer.from(offeredHash).toString('hex')}`, seq);
		}
	}

	#cohorts(rolloutId: RolloutId): { readonly changed: number; readonly control: number } {
		const targets = [...(this.servers.view.rollout(rolloutId)?.targets.values() ?? [])];
		const count = (state: string) => targets.filter(({ target }) => target.state === state).length;
		return { changed: count('Applied'), control: count('Pending') };
	}

	#behaviour(): Behaviour {
		return (agent, config) =>
			config.text.includes('baseline') ? { kind: 'instant' } : (this.plan.outcomes[agent.index] ?? { kind: 'instant' });
	}

	/** Sticky by agent; when that gateway does not listen, the next one that does. */
	#route(index: number): Listener {
		const { length } = this.gateways;
		for (let offset = 0; offset < length; offset += 1) {
			const listener = this.gateways[(index + offset) % length]?.listener;
			if (listener) return listener;
		}
		return { process: this.#nobody, accept: () => null };
	}

	readonly #nobody = { alive: false, pausedUntilMs: 0 } as SimProcess;

	#died(process: SimProcess): void {
		this.trace.line(`${process.name} died`);
		for (const agent of this.agents) agent.gatewayDied(process);
		if (this.#faultsRun) this.faults.died(process.name);
		else this.schedule.after(1_000, null, () => this.faults.died(process.name));
	}

	#written(connection: Connection, frame: Frame): void {
		const { remoteConfig, instanceUid } = decodeServerToAgent(messageOf(frame));
		const agent = this.agents[connection.agentIndex];
		if (!remoteConfig || !agent) return;
		// By the name in the frame: the agent may have got another since.
		const agentId = this.servers.state.agentsByUid.get(instanceUid) ?? this.agentId(agent);
		if (agentId === null) return;
		const hash = Buffer.from(remoteConfig.configHash).toString('hex');
		const offer: Written = { hash, seq: this.#permitted.get(`${agentId} ${hash}`) ?? null, connection: connection.id };
		const waiting = this.#underWay.get(connection.id) ?? [];
		this.#underWay.set(connection.id, waiting);
		waiting.push(offer);
		const gateway = this.gateways.find(({ process }) => process === connection.listener.process);
		this.trace.line(`${connection.listener.process.name} wrote seq ${offer.seq} to agent ${agent.index}`);
		if (gateway) this.observe({ kind: 'written', agentId, gateway: gateway.id, offer });
	}

	#offered(agent: SimAgent, hash: string, connection: number): void {
		const agentId = this.agentId(agent);
		const offer = this.#underWay.get(connection)?.shift();
		if (agentId === null || offer === undefined) return;
		this.trace.line(`agent ${agent.index} read seq ${offer.seq}`);
		const read = this.#read.get(agentId) ?? new Map<string, Written>();
		this.#read.set(agentId, read);
		this.#readers.set(agent.index, agentId);
		read.set(hash, offer);
		this.observe({ kind: 'delivered', agentId, offer });
	}

	#sent(agent: SimAgent, frame: Frame): void {
		const known = this.agentId(agent);
		const agentId = known ?? this.#readers.get(agent.index);
		const message = decodeAgentToServer(messageOf(frame), defaultMessageLimits);
		if (agentId === undefined || !message.ok) return;
		const { sequenceNum, report } = message.value;
		const status = report.remoteConfigStatus;
		this.trace.line(`agent ${agent.index} says ${sequenceNum} ${status?.status ?? ''}`);
		if (!status || (status.status !== 'applied' && status.status !== 'failed')) return;
		const hash = Buffer.from(status.lastRemoteConfigHash).toString('hex');
		const read = this.#read.get(agentId)?.get(hash);
		if (read?.seq == null) return;
		const said = {
			...{ hash, status: status.status, seq: read.seq, sequenceNum: Number(sequenceNum), process: agent.process },
			elsewhere: read.connection !== agent.connection,
			unknown: known === null,
		};
		this.observe({ kind: 'answered', agentId, said });
	}

	async #assignGroups(): Promise<void> {
		for (const agent of this.agents) {
			const agentId = this.servers.state.agentsByUid.get(agent.uid);
			if (agentId === undefined) continue;
			this.trace.name(agentId, `agent-${agent.index}`);
			await this.#move(agentId, agent.index < this.plan.agents.length - this.plan.secondGroup ? 0 : 1);
		}
	}

	async #move(agentId: AgentId, group: 0 | 1): Promise<void> {
		const groupId = this.groups?.[group];
		if (!groupId) return;
		const rows = memoryWorld(this.servers.state);
		await rows.move([agentId], groupId);
		if (this.plan.enrolment) await rows.awaitDefault([agentId]);
	}

	/** Those that are in no group yet come to the first one. */
	async join(agents: readonly SimAgent[]): Promise<void> {
		for (const agent of agents) {
			const agentId = this.agentId(agent);
			const row = agentId === null ? undefined : this.servers.state.agents.get(agentId);
			if (agentId !== null && row?.groupId === ungroupedGroupId) await this.#move(agentId, 0);
		}
	}

	/** Late comers join the first group; the others change to the other one. */
	#regroup(agent: SimAgent): void {
		const agentId = this.agentId(agent);
		const row = agentId === null ? undefined : this.servers.state.agents.get(agentId);
		if (agentId === null || !row || !this.groups) return;
		void this.#move(agentId, row.groupId === this.groups[0] ? 1 : 0);
	}
}

const briefly = { thresholdPercent: 20, windowMs: 3_000 };
const enrolmentSpec = ({ maxInFlight }: EnrolmentPlan): RolloutSpec =>
	resolveSpec({
		...{ seed: 'enrolment', maxInFlight },
		gates: {
			'apply-timeout-ratio': { thresholdPercent: 20, windowMs: 8_000 },
			...{ 'disconnect-ratio': briefly, 'effective-mismatch-ratio': briefly, 'unhealthy-ratio': briefly },
		},
	});

/** Newcomers come when they come, also at the very end. */
const foundAfterMs = 15_000;

const obedient = ['instant', 'applied', 'unhealthy', 'flapping', 'crash-looping'];

/** Why a connected agent does not run its assignment though nothing keeps it from doing so; null: it does, or something does. */
function inconsistency(world: World, agent: SimAgent): string | null {
	const agentId = world.agentId(agent);
	if (!agent.connected || agentId === null) return null;
	const row = world.servers.view.assignment(agentId);
	const outcome = world.plan.outcomes[agent.index]?.kind ?? 'instant';
	// Its gateway looks for what nobody told it of.
	const { state } = world.servers;
	if (row?.cause === 'default' && state.nowMs() - (state.assignments.get(agentId)?.changedAtMs ?? 0) < foundAfterMs)
		return null;
	// One that restarted while it applied says so for ever.
	const itsOwn = ['applying', 'failed', 'reverted'];
	if (!row?.versionId || itsOwn.includes(row.answer) || !obedient.includes(outcome)) return null;
	if ((agent.plan.capabilities & 0x2n) === 0n || world.servers.view.quarantined(agentId, row.versionId)) return null;
	const offers = row.rolloutId === null ? 'open' : world.servers.view.standing(row.rolloutId)?.offers;
	if (offers === 'closed' || (offers === 'answered' && row.answer !== 'applied')) return null;
	const runs = agent.agent.running?.hash ?? null;
	return runs === row.offeredHash
		? null
		: `runs ${runs?.slice(0, 8)}, assigned ${row.offeredHash?.slice(0, 8)} (seq ${row.seq}, ${row.answer})`;
}
