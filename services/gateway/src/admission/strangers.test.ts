import { agentCapabilities } from '@ampora/opamp';
import type { GatewayId } from '@ampora/runtime';
import { expect, test } from 'vitest';
import { newUid } from '../testing/index.js';
import { Strangers } from './strangers.js';

const [here, there] = ['gw-1', 'gw-2'] as GatewayId[] as [GatewayId, GatewayId];
const instanceUid = newUid();
const poll = (sequence: number) => ({
	...{ instanceUid, sequenceNum: BigInt(sequence), capabilities: agentCapabilities(1n) },
	...{ requestsInstanceUid: false, disconnect: false, parts: {} },
});

test('a session held by nobody, or by this gateway before it restarted, begins at once', () => {
	expect(new Strangers(here).isPassing(poll(7), null)).toBe(false);
	expect(new Strangers(here).isPassing(poll(7), here)).toBe(false);
});

test('two polls in a row move the session; with one elsewhere between them they do not', () => {
	const strangers = new Strangers(here);
	expect(strangers.isPassing(poll(7), there)).toBe(true);
	expect(strangers.isPassing(poll(9), there)).toBe(true);
	expect(strangers.isPassing(poll(9), there)).toBe(true);
	expect(strangers.isPassing(poll(10), there)).toBe(false);
});
