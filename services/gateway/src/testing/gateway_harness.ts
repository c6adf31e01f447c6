import { createHash } from 'node:crypto';
import { createMemoryBackplane, createMemoryDirectory, dispatchTimeoutMs } from '@ampora/dispatch';
import { type InstanceUid, offeredHash } from '@ampora/opamp';
import {
	type AgentId,
	type Clock,
	type GatewayId,
	type RolloutId,
	seededRandom,
	systemClock,
	type VersionId,
} from '@ampora/runtime';
import type { ConfigFile } from '@ampora/store';
import { createMemoryStore, type Faults, type MemoryAssignment } from '@ampora/store/testing';
import { createHealth, createMetricsRegistry } from '@ampora/telemetry';
import { createTestLogger, createTestTracer } from '@ampora/telemetry/testing';
import { createGateway } from '../gateway.js';
import type { GatewayOptions } from '../options.js';

/** The world around gateways under test: one memory store, directory and backplane for all of them. */
export interface GatewayWorld {
	readonly store: ReturnType<typeof createMemoryStore>;
	readonly directory: ReturnType<typeof createMemoryDirectory>;
	readonly backplane: ReturnType<typeof createMemoryBackplane>;
	/** While it returns an error for a store method, that method throws it. */
	fail: (operation: string) => Error | undefined;
	/** Called with the name of every store method before it runs. */
	onStore: (operation: string) => void | Promise<void>;
	/** Resolves when `holds` does; it is asked after every store method. */
	until(holds: () => boolean): Promise<void>;
}

export const enrollmentToken = 'a-token-for-tests';

export function createGatewayWorld(): GatewayWorld {
	const waiting = new Set<() => void>();
	const faults: Faults = {
		async before(operation) {
			await world.onStore(operation);
			const error = world.fail(operation);
			if (error) throw error;
		},
		after() {
			for (const look of [...waiting]) look();
		},
	};
	const store = createMemoryStore(systemClock, { faults });
	store.state.enrollmentTokens.add(createHash('sha256').update(enrollmentToken).digest('hex'));
	const world: GatewayWorld = {
		store,
		directory: createMemoryDirectory(),
		backplane: createMemoryBackplane(),
		fail: () => undefined,
		onStore: () => undefined,
		until: (holds) =>
			new Promise((resolve) => {
				const look = () => {
					if (!holds()) return;
					waiting.delete(look);
					resolve();
				};
				waiting.add(look);
				look();
			}),
	};
	return world;
}

export interface AssignOptions {
	readonly rolloutId?: RolloutId;
	readonly attempt?: number;
	readonly traceparent?: string;
}

/** A gateway on a free port of loopback, with what a test needs to look at it and to play the engine. */
export async function startGatewayUnderTest(
	options: Partial<GatewayOptions> = {},
	world: GatewayWorld = createGatewayWorld(),
	clock: Clock = systemClock,
) {
	const name = options.gateway ?? ('gw-1' as GatewayId);
	const registry = createMetricsRegistry();
	const health = createHealth();
	const { logger, lines } = createTestLogger('gateway');
	const tracer = createTestTracer('gateway');
	const { store, directory, backplane } = world;
	const { state } = store;
	const gateway = createGateway(
		{ store: store.gateway, directory, backplane, registry, logger, tracer, health, clock, random: seededRandom(1) },
		{ gateway: name, host: '127.0.0.1', port: 0, drainPeriodMs: 100, ...options },
	);
	await gateway.start();
	const { url } = gateway.address();
	return {
		...{ gateway, world, store, state, directory, backplane, registry, health, lines, tracer, name },
		url,
		httpUrl: url.replace(/^ws/, 'http'),
		until: world.until,
		agentOf: (uid: InstanceUid) => state.agents.get(state.agentsByUid.get(uid) ?? ('' as AgentId)),
		idOf(uid: InstanceUid): AgentId {
			const id = state.agentsByUid.get(uid);
			if (!id) throw new Error(`nobody has the uid ${uid}`);
			return id;
		},
		publish: (...files: ConfigFile[]) => publish(world, files),
		assign: (agentId: AgentId, versionId: VersionId, assignOptions: AssignOptions = {}) =>
			assign(world, agentId, versionId, assignOptions),
		/** As the engine does it after a commit. */
		dispatch: (agentIds: readonly AgentId[], traceparent: string | null = null) =>
			backplane.dispatch(
				name,
				{ agentIds, cause: 'rollout', publishedAtMs: Date.now(), traceparent },
				dispatchTimeoutMs,
			),
		stop: () => gateway.stop(),
	};
}

export type GatewayUnderTest = Awaited<ReturnType<typeof startGatewayUnderTest>>;

export const yamlFile = (text: string, name = ''): ConfigFile => ({
	name,
	contentType: 'text/yaml',
	body: Buffer.from(text),
});

function publish({ store }: GatewayWorld, files: readonly ConfigFile[]): VersionId {
	const id = store.state.newId<VersionId>();
	const hash = createHash('sha256');
	for (const { name, contentType, body } of files) hash.update(`${name}\0${contentType}\0`).update(body);
	store.state.versions.set(id, { files, contentHash: hash.digest() });
	return id;
}

/** Writes an assignment row as a decision of the engine would. */
function assign(
	{ store }: GatewayWorld,
	agentId: AgentId,
	versionId: VersionId,
	options: AssignOptions,
): MemoryAssignment {
	const { state } = store;
	const version = state.versions.get(versionId);
	if (!version) throw new Error('there is no such version');
	const attempt = options.attempt ?? 0;
	const row: MemoryAssignment = {
		versionId,
		offeredHash: Uint8Array.from(offeredHash(version.contentHash, attempt)),
		attempt,
		seq: (state.assignments.get(agentId)?.seq ?? 0) + 1,
		cause: 'rollout',
		rolloutId: options.rolloutId ?? null,
		answer: 'none',
		answerError: null,
		effective: 'unknown',
		changedAtMs: state.nowMs(),
		traceparent: options.traceparent ?? null,
	};
	state.assignments.set(agentId, row);
	return row;
}
