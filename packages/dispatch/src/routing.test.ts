import type { AgentId, GatewayId } from '@ampora/runtime';
import { describe, expect, test } from 'vitest';
import type { OwnershipClaim } from './ports.js';
import { planRoutes, type SessionFacts } from './routing.js';

const gw1 = 'gw-1' as GatewayId;
const gw2 = 'gw-2' as GatewayId;
const id = (n: number) => `00000000-0000-7000-8000-${String(n).padStart(12, '0')}` as AgentId;
const owner = (n: number, gateway: GatewayId, sessionEpoch: number): [AgentId, OwnershipClaim] => [
	id(n),
	{ agentId: id(n), gateway, sessionEpoch },
];
const session = (
	n: number,
	gateway: GatewayId | null,
	gatewayLive: boolean,
	sessionEpoch: number,
): [AgentId, SessionFacts] => [id(n), { agentId: id(n), gateway, gatewayLive, sessionEpoch }];

describe('planRoutes', () => {
	test('groups agents by the gateway that holds them', () => {
		const plan = planRoutes(
			[id(1), id(2), id(3)],
			new Map([owner(1, gw1, 1), owner(2, gw2, 1), owner(3, gw1, 1)]),
			new Map(),
		);
		expect(plan.envelopes).toEqual([
			{ gateway: gw1, agentIds: [id(1), id(3)] },
			{ gateway: gw2, agentIds: [id(2)] },
		]);
		expect(plan.unreachable).toEqual([]);
	});

	test('takes the route from Postgres when the directory was emptied (D5)', () => {
		const plan = planRoutes([id(1)], new Map(), new Map([session(1, gw2, true, 4)]));
		expect(plan.envelopes).toEqual([{ gateway: gw2, agentIds: [id(1)] }]);
	});

	test('a newer claim in the directory beats an older row, and a newer row an older claim (D1)', () => {
		const newerClaim = planRoutes([id(1)], new Map([owner(1, gw2, 5)]), new Map([session(1, gw1, true, 4)]));
		expect(newerClaim.envelopes[0]?.gateway).toBe(gw2);
		const newerRow = planRoutes([id(1)], new Map([owner(1, gw2, 3)]), new Map([session(1, gw1, true, 4)]));
		expect(newerRow.envelopes[0]?.gateway).toBe(gw1);
	});

	test('says why an agent has no session', () => {
		const plan = planRoutes(
			[id(1), id(2), id(3)],
			new Map(),
			new Map([session(1, null, false, 2), session(2, gw1, false, 2)]),
		);
		expect(plan.unreachable).toEqual([
			{ agentId: id(1), reason: 'offline' },
			{ agentId: id(2), reason: 'owner_dead' },
			{ agentId: id(3), reason: 'owner_unknown' },
		]);
	});

	test('cuts a large step into envelopes of at most 1,000 agents', () => {
		const agents = Array.from({ length: 2_500 }, (_, n) => id(n));
		const plan = planRoutes(agents, new Map(agents.map((_, n) => owner(n, gw1, 1))), new Map());
		expect(plan.envelopes.map((envelope) => envelope.agentIds.length)).toEqual([1_000, 1_000, 500]);
	});
});
