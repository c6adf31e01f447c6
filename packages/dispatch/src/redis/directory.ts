import type { AgentId, GatewayId } from '@ampora/runtime';
import { Redis } from 'ioredis';
import { DirectoryUnavailable } from '../errors.js';
import { claimAgents as claimScript, releaseAgents as releaseScript } from '../gen/lua.js';
import type { ClaimOutcome, OwnershipClaim, OwnershipDirectory } from '../ports.js';

export interface RedisDirectoryOptions {
	readonly url: string;
	/** Put before every key, so that installations can share a Redis. */
	readonly prefix: string;
	/** Told about connection errors; reconnecting goes on by itself. */
	readonly onError: (error: Error) => void;
}

/** Agents in one script call: enough to amortise the round trip, few enough not to hold Redis for long. */
const scriptAgentsMax = 1_000;
/** An entry nobody renewed for this long is garbage of a crash; a session that lives longer is found through Postgres. */
const entryTtlSeconds = 7 * 24 * 3600;
const commandTimeoutMs = 1_000;

export function createRedisDirectory({ url, prefix, onError }: RedisDirectoryOptions): OwnershipDirectory {
	const redis = new Redis(url, {
		// A command that cannot be sent now fails now: the caller has another way, and a queue would only grow.
		enableOfflineQueue: false,
		maxRetriesPerRequest: 0,
		commandTimeout: commandTimeoutMs,
		retryStrategy: (attempt) => Math.min(50 * 2 ** attempt, 2_000),
	});
	redis.on('error', onError);
	const ownerKey = (agentId: AgentId) => `${prefix}:owner:${agentId}`;
	const entryOf = (claim: OwnershipClaim) => `${claim.sessionEpoch}|${claim.gateway}`;

	async function reached<T>(command: () => Promise<T>): Promise<T> {
		try {
			if (redis.status !== 'ready') await readyOnce(redis);
			return await command();
		} catch (error) {
			throw new DirectoryUnavailable(error);
		}
	}

	return {
		async claimAgents(claims) {
			const outcomes: ClaimOutcome[] = [];
			for (const batch of byGateway(claims)) {
				const keys = batch.map((claim) => ownerKey(claim.agentId));
				const epochs = batch.map((claim) => String(claim.sessionEpoch));
				const gateway = batch[0]?.gateway ?? '';
				const answers = (await reached(() =>
					redis.eval(claimScript, keys.length, ...keys, gateway, String(entryTtlSeconds), ...epochs),
				)) as string[];
				batch.forEach((claim, index) => {
					outcomes.push(parseOutcome(claim.agentId, answers[index] ?? ''));
				});
			}
			return outcomes;
		},
		async releaseAgents(claims) {
			for (let start = 0; start < claims.length; start += scriptAgentsMax) {
				const batch = claims.slice(start, start + scriptAgentsMax);
				const keys = batch.map((claim) => ownerKey(claim.agentId));
				await reached(() => redis.eval(releaseScript, keys.length, ...keys, ...batch.map(entryOf)));
			}
		},
		async lookupOwners(agentIds) {
			const owners = new Map<AgentId, OwnershipClaim>();
			for (let start = 0; start < agentIds.length; start += scriptAgentsMax) {
				const batch = agentIds.slice(start, start + scriptAgentsMax);
				const entries = await reached(() => redis.mget(batch.map(ownerKey)));
				batch.forEach((agentId, index) => {
					const entry = entries[index];
					if (entry) owners.set(agentId, parseEntry(agentId, entry));
				});
			}
			return owners;
		},
		async checkSentinel(gateway) {
			const set = await reached(() => redis.set(`${prefix}:sentinel:${gateway}`, '1', 'NX'));
			return set === null;
		},
		async close() {
			redis.disconnect();
		},
	};
}

/** Waits for a connection that is being made; one that cannot be made in time is an error. */
function readyOnce(redis: Redis): Promise<void> {
	return new Promise((resolve, reject) => {
		const done = (error?: Error) => {
			clearTimeout(timer);
			redis.off('ready', ready);
			if (error) reject(error);
			else resolve();
		};
		const ready = () => done();
		const timer = setTimeout(() => done(new Error(`not connected (${redis.status})`)), commandTimeoutMs);
		redis.once('ready', ready);
	});
}

/** Runs of claims by one gateway, in order, none longer than a script call may be. In practice one gateway calls, so one run. */
function byGateway(claims: readonly OwnershipClaim[]): OwnershipClaim[][] {
	const batches: OwnershipClaim[][] = [];
	for (const claim of claims) {
		const last = batches.at(-1);
		if (last && last.length < scriptAgentsMax && last[0]?.gateway === claim.gateway) last.push(claim);
		else batches.push([claim]);
	}
	return batches;
}

function parseOutcome(agentId: AgentId, answer: string): ClaimOutcome {
	if (answer === '') return { kind: 'acquired' };
	const entry = parseEntry(agentId, answer.slice(1));
	return answer.startsWith('<') ? { kind: 'stolen', from: entry } : { kind: 'lost', to: entry };
}

function parseEntry(agentId: AgentId, entry: string): OwnershipClaim {
	const bar = entry.indexOf('|');
	return { agentId, sessionEpoch: Number(entry.slice(0, bar)), gateway: entry.slice(bar + 1) as GatewayId };
}
