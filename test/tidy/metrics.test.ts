import { describeMetrics } from '@ampora/telemetry';
import { expect, test } from 'vitest';
import { files, textOf } from './tree.js';

test('every metric of the table is measured by a service: no dashboard waits for one that never comes', () => {
	const sources = files.filter((file) => /^services\/[^/]+\/src\/.*(?<!\.test)\.ts$/.test(file));
	const words = new Set(sources.flatMap((file) => textOf(file).match(/ampora_\w+/g) ?? []));
	const names = describeMetrics().map(({ name }) => name);
	expect(names.length).toBeGreaterThan(15);
	expect(names.filter((name) => !words.has(name))).toEqual([]);
});
