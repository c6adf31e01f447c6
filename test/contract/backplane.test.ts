// What every Backplane promises, on memory and on NATS.
import {
	type Backplane,
	createMemoryBackplane,
	createNatsBackplane,
	type DispatchEnvelope,
	type Eviction,
	type Hint,
} from '@ampora/dispatch';
import { type AgentId, type GatewayId, newId, type RolloutId } from '@ampora/runtime';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { testNatsUrl, uniquePrefix } from '../support/databases.js';

const natsOptions = (prefix: string) => ({ url: testNatsUrl(), prefix, name: 'contract', onError: () => {} });

/** Two ends of one backplane: as two processes see it. */
function memoryEnds(): [Backplane, Backplane] {
	const backplane = createMemoryBackplane();
	return [backplane, backplane];
}

function natsEnds(): [Backplane, Backplane] {
	const prefix = uniquePrefix();
	return [createNatsBackplane(natsOptions(prefix)), createNatsBackplane(natsOptions(prefix))];
}

const gateway = (name: string) => name as GatewayId;

const envelope = (agentIds: AgentId[]): DispatchEnvelope => ({
	agentIds,
	cause: 'rollout',
	publishedAtMs: 1_700_000_000_000,
	traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
});

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

/** A subscription on one connection is not yet known to a publisher on another: ask until it answers (the test's timeout bounds it). */
async function untilAnswered(ask: () => Promise<boolean>): Promise<void> {
	while (!(await ask())) await nextTurn();
}

describe.each([
	['memory', memoryEnds],
	['nats', natsEnds],
] as const)('backplane: %s', (_, open) => {
	let engine: Backplane;
	let gatewayEnd: Backplane;
	beforeAll(() => {
		[engine, gatewayEnd] = open();
	});
	afterAll(async () => {
		await engine.close();
		await gatewayEnd.close();
	});

	test('a dispatch reaches the gateway as it was sent, and the outcomes come back in order', async () => {
		const agents = [newId<AgentId>(), newId<AgentId>(), newId<AgentId>()];
		const sent = envelope(agents);
		const seen: DispatchEnvelope[] = [];
		await gatewayEnd.serveDispatch(gateway('gw.with *odd> name'), async (received) => {
			seen.push(received);
			return ['offered', 'not-mine', 'queue-full'];
		});
		await untilAnswered(async () => {
			const reply = await engine.dispatch(gateway('gw.with *odd> name'), sent, 500);
			if (reply.kind === 'lost') return false;
			expect(reply.outcomes).toEqual(['offered', 'not-mine', 'queue-full']);
			return true;
		});
		expect(seen[0]).toEqual(sent);
	});

	test('nobody there, and no answer in time, are both lost', async () => {
		expect(await engine.dispatch(gateway('nobody'), envelope([newId<AgentId>()]), 200)).toEqual({ kind: 'lost' });
		await gatewayEnd.serveDispatch(gateway('silent'), () => new Promise(() => {}));
		expect(await engine.dispatch(gateway('silent'), envelope([newId<AgentId>()]), 200)).toEqual({ kind: 'lost' });
	});

	test('a handler that throws loses the message, not the gateway', async () => {
		let calls = 0;
		await gatewayEnd.serveDispatch(gateway('fragile'), async () => {
			calls += 1;
			if (calls === 1) throw new Error('once');
			return ['offered'];
		});
		await untilAnswered(
			async () => (await engine.dispatch(gateway('fragile'), envelope([newId<AgentId>()]), 300)).kind === 'answered',
		);
		expect(calls).toBeGreaterThanOrEqual(2);
	});

	test('a stopped subscription hears nothing more', async () => {
		const subscription = await gatewayEnd.serveDispatch(gateway('leaving'), async () => ['offered']);
		await untilAnswered(
			async () => (await engine.dispatch(gateway('leaving'), envelope([newId<AgentId>()]), 300)).kind === 'answered',
		);
		await subscription.stop();
		expect((await engine.dispatch(gateway('leaving'), envelope([newId<AgentId>()]), 300)).kind).toBe('lost');
	});

	test('evictions name agent and epoch', async () => {
		const eviction: Eviction = { agentId: newId<AgentId>(), sessionEpoch: 41 };
		const received = new Promise<readonly Eviction[]>((resolve) => {
			void gatewayEnd.serveEvictions(gateway('old'), resolve);
		});
		const arrived = await repeatUntil(received, () => engine.evict(gateway('old'), [eviction]));
		expect(arrived).toEqual([eviction]);
	});

	test('a hint reaches everybody who listens', async () => {
		const hint: Hint = { rolloutIds: [newId<RolloutId>(), newId<RolloutId>()] };
		const heard = Promise.all(
			[engine, gatewayEnd].map((end) => new Promise<Hint>((resolve) => void end.serveHints(resolve))),
		);
		expect(await repeatUntil(heard, () => engine.publishHint(hint))).toEqual([hint, hint]);
	});
});

/** Sends again until it arrived: a message before the subscription is lost, as it may be. */
async function repeatUntil<T>(arrival: Promise<T>, send: () => Promise<void>): Promise<T> {
	let arrived = false;
	void arrival.then(() => {
		arrived = true;
	});
	while (!arrived) {
		await send();
		await nextTurn();
	}
	return arrival;
}

test('a NATS that is away loses dispatches at once and is not healthy', async () => {
	const backplane = createNatsBackplane({ ...natsOptions(uniquePrefix()), url: 'nats://127.0.0.1:1' });
	expect(backplane.healthy()).toBe(false);
	expect(await backplane.dispatch(gateway('gw-1'), envelope([newId<AgentId>()]), 200)).toEqual({ kind: 'lost' });
	await backplane.publishHint({ rolloutIds: [] });
});
