import { createMemoryBackplane } from '@ampora/dispatch';
import { type GatewayId, systemClock } from '@ampora/runtime';
import type { LeaderLease } from '@ampora/store';
import { expect, test } from 'vitest';
import { CutOffGateways } from './cut_off_gateways.js';

const alive = 'gw-alive' as GatewayId;
const dead = 'gw-dead' as GatewayId;
const lease: LeaderLease = { name: 'rollout-engine', holder: 'here', epoch: 3 };

test('a lapsed gateway that answers is cut off, one that is silent is dead; asked again only after a while', async () => {
	const backplane = createMemoryBackplane();
	await backplane.serveDispatch(alive, async () => []);
	const kept: (readonly GatewayId[])[] = [];
	const told: unknown[] = [];
	const cutOff = new CutOffGateways({
		backplane,
		clock: systemClock,
		store: {
			lapsedGateways: async () => [alive, dead],
			keepUnheard: async (given, gateways) => {
				expect(given).toBe(lease);
				kept.push(gateways);
				return 7;
			},
		},
		events: {
			gatewaysCutOff: (...what) => told.push(what),
			storeFailed: (error) => {
				throw error;
			},
		},
	});
	cutOff.look(lease);
	await cutOff.idle();
	cutOff.look(lease);
	await cutOff.idle();
	expect(kept).toEqual([[alive]]);
	expect(told).toEqual([[[alive], 7]]);
});
