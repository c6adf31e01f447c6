import {
	type AgentCapabilities,
	type AgentCapability,
	type AgentDescription,
	type AgentReport,
	type AvailableComponents,
	agentCapabilities,
	type ComponentHealth,
	type ConfigFiles,
	type Frame,
	type InstanceUid,
	type RemoteConfigStatus,
} from '@ampora/opamp';
import { encodeAgentToServer, type ReceivedMessage } from '@ampora/opamp/testing';
import { type Clock, type Timer, unreachable } from '@ampora/runtime';
import type { Beating, HeartbeatWheel } from './heartbeat_wheel.js';
import { type FleetLedger, hostMonotonicMs } from './ledger.js';
import { type OfferedConfig, type OfferedConfigs, oneFile } from './offered_config.js';
import { type Behaviour, type Deciding, type Outcome, seededShare } from './outcome.js';

/** The way an agent reaches its server. */
export interface Link {
	/** Number of the connection now open, unique in this process. */
	readonly connection: number;
	send(frame: Frame): void;
	/** Breaks off without a goodbye; back after `backAfterMs`, or only when told to when that is undefined. */
	cut(backAfterMs: number | undefined): void;
}

export interface FleetAgentSpec {
	readonly index: number;
	readonly instanceUid: InstanceUid;
	readonly capabilities: bigint;
	readonly description: AgentDescription;
	readonly heartbeatMs: number;
	/** Unhealthy whatever it runs. */
	readonly sick: boolean;
	/** Told by their hash, and whole when asked. */
	readonly components?: AvailableComponents;
	/** Asks the server for a uid until it gets one. */
	readonly requestsInstanceUid: boolean;
}

/** What the agents of one fleet share. */
export interface FleetContext {
	readonly seed: number;
	readonly clock: Clock;
	readonly ledger: FleetLedger;
	readonly configs: OfferedConfigs;
	readonly wheel: HeartbeatWheel;
	behaviour: Behaviour;
}

const everyPart = [
	'agentDescription',
	'health',
	'effectiveConfig',
	'remoteConfigStatus',
	'availableComponents',
] as const;
type Part = (typeof everyPart)[number];

const neverConfigured: RemoteConfigStatus = {
	lastRemoteConfigHash: new Uint8Array(0),
	status: 'unset',
	errorMessage: '',
};
/** What a collector runs before it was ever given anything. */
const localConfig: ConfigFiles = oneFile('extensions:\n  opamp: {}\n');

const nanosPerMs = 1_000_000n;

/** One agent that keeps to the protocol: sequence numbers, status compression, full reports when asked, one answer per offer. */
export class FleetAgent implements Beating, Deciding {
	readonly index: number;
	instanceUid: InstanceUid;
	/** The uid before the last rename; messages already on their way carry it. */
	formerUid: InstanceUid | undefined;
	nextBeatMs = Number.POSITIVE_INFINITY;
	bytesReceived = 0;
	framesReceived = 0;
	/** An answer came on the present connection. */
	accepted = false;

	#capabilities: AgentCapabilities;
	readonly #description: AgentDescription;
	readonly #context: FleetContext;
	readonly #sick: boolean;
	readonly #components: AvailableComponents | undefined;
	#componentsAsked = false;
	#requestsInstanceUid: boolean;
	#heartbeatMs: number;
	#link: Link | undefined;
	#sequence = 0n;
	#unreported = new Set<Part>(everyPart);
	#running: OfferedConfig | undefined;
	#effective: ConfigFiles = localConfig;
	#answered: { config: OfferedConfig; status: RemoteConfigStatus['status'] } | undefined;
	#status = neverConfigured;
	#health: ComponentHealth;
	#startedMs: number;
	readonly #timers = new Set<Timer>();
	/** Hash of the last offer the present connection brought. */
	#handed: string | undefined;

	constructor(spec: FleetAgentSpec, context: FleetContext) {
		this.index = spec.index;
		this.instanceUid = spec.instanceUid;
		this.#capabilities = agentCapabilities(spec.capabilities);
		this.#description = spec.description;
		this.#heartbeatMs = spec.heartbeatMs;
		this.#sick = spec.sick;
		this.#components = spec.components;
		this.#requestsInstanceUid = spec.requestsInstanceUid;
		this.#context = context;
		this.#startedMs = context.clock.nowMs();
		this.#health = this.#healthNow(!spec.sick, spec.sick ? 'sick from the start' : '');
		context.ledger.stats.agents += 1;
		if (spec.sick) context.ledger.stats.unhealthy += 1;
		context.ledger.moveReported(undefined, { hash: '', status: 'unset' });
	}

	get healthy(): boolean {
		return this.#health.healthy;
	}

	/** The configuration its collector runs now. */
	get running(): OfferedConfig | undefined {
		return this.#running;
	}

	share(salt: string): number {
		return seededShare(this.#context.seed, this.index, salt);
	}

	/** A connection is open: the first message goes out, with whatever was not reported before (C-55). */
	linked(link: Link): void {
		this.#link = link;
		this.#handed = undefined;
		this.#send();
		this.#context.wheel.add(this);
	}

	unlinked(): void {
		if (!this.#link) return;
		const { connection } = this.#link;
		this.#link = undefined;
		const { ledger, wheel } = this.#context;
		wheel.remove(this);
		if (this.accepted) ledger.stats.connected -= 1;
		this.accepted = false;
		ledger.emit({ type: 'disconnected', agent: this.index, connection });
	}

	/** A new process of the same agent: numbers start again and everything is told anew, under another uid where one is given. */
	restart(instanceUid = this.instanceUid): void {
		this.instanceUid = instanceUid;
		this.#sequence = 0n;
		this.#startedMs = this.#context.clock.nowMs();
		this.#cancelTimers();
		this.#setHealth(!this.#sick, this.#sick ? 'sick from the start' : '');
		for (const part of everyPart) this.#unreported.add(part);
	}

	/** Nothing of this agent happens any more. */
	dispose(): void {
		this.#cancelTimers();
	}

	/** From now on the agent declares these capabilities. */
	declare(capabilities: bigint): void {
		this.#capabilities = agentCapabilities(capabilities);
		this.#send();
	}

	beat(): void {
		this.#send();
	}

	goodbye(): void {
		this.#send(true);
	}

	/** `bytes` is the length of the message on the wire. */
	received(message: ReceivedMessage, bytes: number): void {
		this.#countReceived(message, bytes);
		if (message.error) {
			const { type, message: text } = message.error;
			const { errors } = this.#context.ledger.stats;
			errors[type] = (errors[type] ?? 0) + 1;
			this.#context.ledger.emit({ type: 'error', agent: this.index, error: type, message: text });
			return;
		}
		if (message.newInstanceUid) this.#rename(message.newInstanceUid);
		if (message.settings) this.#obeyInterval(message.settings.heartbeatIntervalSeconds * 1000);
		if (message.reportFullState) {
			this.#context.ledger.stats.fullStateRequests += 1;
			for (const part of everyPart) this.#unreported.add(part);
		}
		if (message.reportAvailableComponents) this.#tellComponents();
		if (message.remoteConfig) this.#take(this.#context.configs.of(message.remoteConfig));
		if (message.reportFullState && this.#unreported.size > 0) this.#send();
	}

	#tellComponents(): void {
		this.#context.ledger.stats.componentRequests += 1;
		this.#componentsAsked = true;
		this.#unreported.add('availableComponents');
		this.#send();
	}

	#countReceived(message: ReceivedMessage, bytes: number): void {
		this.bytesReceived += bytes;
		this.framesReceived += 1;
		const { ledger } = this.#context;
		ledger.stats.messagesReceived += 1;
		ledger.stats.bytesReceived += bytes;
		if (message.extraFields === 0) ledger.stats.plainAcks += 1;
		if (!this.accepted && this.#link) {
			this.accepted = true;
			ledger.stats.connected += 1;
			ledger.emit({ type: 'accepted', agent: this.index, connection: this.#link.connection });
		}
		ledger.changed();
	}

	/** 0 silences the agent for good, as it does with agents in the field. */
	#obeyInterval(intervalMs: number): void {
		if (!this.#capabilities.has('ReportsHeartbeat')) return;
		this.#heartbeatMs = intervalMs || Number.POSITIVE_INFINITY;
		this.nextBeatMs = this.#context.clock.monotonicMs() + this.#heartbeatMs;
		if (this.#link) this.#context.wheel.add(this);
	}

	#rename(instanceUid: InstanceUid): void {
		this.formerUid = this.instanceUid;
		this.instanceUid = instanceUid;
		this.#requestsInstanceUid = false;
		this.#context.ledger.stats.renames += 1;
		this.#context.ledger.emit({ type: 'renamed', agent: this.index, uid: instanceUid });
	}

	#take(config: OfferedConfig): void {
		const { ledger, behaviour } = this.#context;
		const connection = this.#link?.connection ?? -1;
		const repeated = this.#handed === config.hash;
		this.#handed = config.hash;
		ledger.offered({ agent: this.index, hash: config.hash, atMs: hostMonotonicMs(), connection }, repeated);
		if (!this.#capabilities.has('AcceptsRemoteConfig')) {
			ledger.stats.unwantedOffers += 1;
			return;
		}
		this.#cancelTimers();
		this.#perform(behaviour(this, config), config);
	}

	#perform(outcome: Outcome, config: OfferedConfig): void {
		switch (outcome.kind) {
			case 'instant':
				this.#settle(config);
				break;
			case 'applied':
				this.#applyingThen(config, outcome.afterMs, () => this.#settle(config, outcome.effective));
				break;
			case 'failed':
				this.#applyingThen(config, outcome.afterMs, () => this.#fail(config, outcome.error));
				break;
			case 'unhealthy':
				this.#settle(config);
				this.#sicken(outcome);
				break;
			case 'flapping':
				this.#settle(config);
				this.#flap(outcome.periodMs, outcome.what);
				break;
			case 'silent':
				break;
			case 'stuck':
				this.#answer(config, 'applying');
				break;
			case 'reverting':
				this.#applyingThen(config, outcome.afterMs, () => this.#revert(config, outcome.error));
				break;
			case 'crash-looping':
				this.#settle(config);
				this.#crashLoop(outcome.times, outcome.everyMs);
				break;
			case 'disconnect':
				this.#vanish(config, outcome);
				break;
			default:
				unreachable(outcome, 'outcome');
		}
	}

	#applyingThen(config: OfferedConfig, afterMs: number | undefined, then: () => void): void {
		this.#answer(config, 'applying');
		this.#later(afterMs ?? 0, then);
	}

	/** The collector runs the configuration: status, effective config and health in one message. */
	#settle(config: OfferedConfig, effective: 'assigned' | 'previous' = 'assigned'): void {
		this.#running = config;
		if (effective === 'assigned') {
			this.#effective = config.effective;
			this.#unreported.add('effectiveConfig');
		}
		if (!this.#health.healthy && !this.#sick) this.#setHealth(true, '');
		this.#answer(config, 'applied');
	}

	#fail(config: OfferedConfig, error: string): void {
		this.#answer(config, 'failed', error);
	}

	#revert(config: OfferedConfig, error: string): void {
		const former = this.#running;
		this.#fail(config, error);
		if (former && former !== config) this.#settle(former);
	}

	#sicken({ afterMs, recoverAfterMs, error = 'pipeline failed' }: Extract<Outcome, { kind: 'unhealthy' }>): void {
		this.#later(afterMs, () => {
			this.#turn(false, error);
			if (recoverAfterMs !== undefined) this.#later(recoverAfterMs, () => this.#turn(true, ''));
		});
	}

	#flap(periodMs: number, what: 'health' | 'connection' = 'health'): void {
		this.#later(periodMs, () => {
			if (what === 'connection') this.#link?.cut(periodMs);
			else this.#turn(!this.healthy, this.healthy ? 'flapping' : '');
			this.#flap(periodMs, what);
		});
	}

	#crashLoop(times: number, everyMs: number): void {
		if (times === 0) return;
		this.#later(everyMs, () => {
			this.#startedMs = this.#context.clock.nowMs();
			this.#turn(false, 'the collector exited');
			this.#turn(true, '');
			this.#crashLoop(times - 1, everyMs);
		});
	}

	#vanish(config: OfferedConfig, { backAfterMs, answer = 'applied' }: Extract<Outcome, { kind: 'disconnect' }>): void {
		this.#link?.cut(backAfterMs);
		if (backAfterMs === undefined) return;
		if (answer === 'applied') this.#settle(config);
		else if (answer === 'failed') this.#fail(config, 'the collector exited');
	}

	#turn(healthy: boolean, error: string): void {
		this.#setHealth(healthy, error);
		this.#send();
	}

	#setHealth(healthy: boolean, error: string): void {
		const { ledger } = this.#context;
		if (healthy !== this.#health.healthy) {
			ledger.stats.unhealthy += healthy ? -1 : 1;
			ledger.emit({ type: 'health', agent: this.index, healthy });
		}
		this.#health = this.#healthNow(healthy, error);
		this.#unreported.add('health');
	}

	#healthNow(healthy: boolean, lastError: string): ComponentHealth {
		const node = (components: ReadonlyMap<string, ComponentHealth>): ComponentHealth => ({
			healthy,
			startTimeUnixNano: BigInt(Math.floor(this.#startedMs)) * nanosPerMs,
			lastError,
			status: healthy ? 'StatusOK' : 'StatusPermanentError',
			statusTimeUnixNano: BigInt(Math.floor(this.#context.clock.nowMs())) * nanosPerMs,
			components,
			attributes: [],
		});
		return node(new Map([['pipeline:traces', node(new Map())]]));
	}

	#answer(config: OfferedConfig, status: RemoteConfigStatus['status'], errorMessage = ''): void {
		if (this.#capabilities.has('ReportsRemoteConfig')) {
			const from = { hash: this.#answered?.config.hash ?? '', status: this.#status.status };
			this.#answered = { config, status };
			this.#status = { lastRemoteConfigHash: config.hashBytes, status, errorMessage };
			this.#unreported.add('remoteConfigStatus');
			this.#context.ledger.moveReported(from, { hash: config.hash, status });
			this.#context.ledger.emit({ type: 'answered', agent: this.index, hash: config.hash, status });
		}
		if (this.#unreported.size > 0) this.#send();
	}

	/** Sends what is not yet reported; while there is no connection it stays so. */
	#send(disconnect = false): void {
		const link = this.#link;
		if (!link) return;
		const report = this.#report();
		this.#unreported.clear();
		const frame = encodeAgentToServer({
			instanceUid: this.instanceUid,
			sequenceNum: this.#sequence,
			capabilities: this.#capabilities.word,
			requestsInstanceUid: this.#requestsInstanceUid,
			disconnect,
			report,
		});
		this.#sequence += 1n;
		this.nextBeatMs = this.#context.clock.monotonicMs() + this.#heartbeatMs;
		const { stats } = this.#context.ledger;
		stats.messagesSent += 1;
		stats.bytesSent += frame.length;
		link.send(frame);
	}

	#report(): AgentReport {
		const has = (part: Part): boolean => this.#unreported.has(part);
		const can = (capability: AgentCapability): boolean => this.#capabilities.has(capability);
		return {
			...(has('agentDescription') && { agentDescription: this.#description }),
			...(has('health') && can('ReportsHealth') && { health: this.#health }),
			...(has('effectiveConfig') && can('ReportsEffectiveConfig') && { effectiveConfig: { files: this.#effective } }),
			// Present in every full report, empty when there is nothing to say: that is how clients in the field do it.
			...(has('remoteConfigStatus') && { remoteConfigStatus: this.#status }),
			...(has('availableComponents') &&
				this.#components && { availableComponents: this.#componentsNow(this.#components) }),
		};
	}

	/** The hash alone, until somebody asks for the rest. */
	#componentsNow(components: AvailableComponents): AvailableComponents {
		const told = this.#componentsAsked ? components : { hash: components.hash, components: new Map() };
		this.#componentsAsked = false;
		return told;
	}

	#later(delayMs: number, then: () => void): void {
		const timer = this.#context.clock.after(delayMs, () => {
			this.#timers.delete(timer);
			then();
		});
		this.#timers.add(timer);
	}

	#cancelTimers(): void {
		for (const timer of this.#timers) timer.cancel();
		this.#timers.clear();
	}
}
