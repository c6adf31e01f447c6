import { silentLogger } from '@ampora/telemetry';
import { createTestLogger } from '@ampora/telemetry/testing';
import { afterEach, describe, expect, test } from 'vitest';
import { yamlFile } from '../testing/index.js';
import { createMatcher, type Matcher } from './matcher.js';

const matchers: Matcher[] = [];
const matcher = (queueBytesMax = 1_000_000, log = silentLogger) => {
	const made = createMatcher({ queueBytesMax, log });
	matchers.push(made);
	return made;
};
afterEach(async () => {
	for (const made of matchers.splice(0)) await made.stop();
});

describe('matcher', () => {
	test('compares by meaning in a worker of its own', async () => {
		const { logger, lines } = createTestLogger();
		const { match } = matcher(1_000_000, logger);
		const assigned = [yamlFile('receivers: {otlp: {}}')];
		const question = { versionId: 'v1', assigned };
		const more = [yamlFile('receivers: {otlp: {}, nop: {}}\nextensions: {opamp: {}}')];
		const verdict = await match({ ...question, effective: more });
		expect(lines).toEqual([]);
		expect(verdict).toEqual({ verdict: 'match', detail: null });
		expect(await match({ ...question, effective: [yamlFile('receivers: {nop: {}}')] })).toEqual({
			verdict: 'mismatch',
			detail: 'receivers.otlp missing',
		});
		expect((await match({ ...question, effective: [yamlFile('a: [')] }))?.detail).toMatch(/cannot be read/);
		expect(await match({ versionId: 'v2', assigned: [yamlFile('a: [')], effective: more })).toBe(null);
	});
});
