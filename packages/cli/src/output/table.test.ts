import { targetState } from '@ampora/api-contract';
import { expect, test } from 'vitest';
import { parseSteps } from '../commands/rollout_options.js';
import { bar } from './rollout_text.js';
import { facts, table, when } from './table.js';

const none = Object.fromEntries(targetState.options.map((state) => [state, 0])) as Record<
	(typeof targetState.options)[number],
	number
>;

test('columns are as wide as their widest value', () => {
	const rows = [
		{ name: 'edge', agents: 5, on: true, note: null },
		{ name: 'a-longer-name', agents: 1200, on: false, note: 'x' },
	];
	const text = table(rows, [
		{ title: 'NAME', value: ({ name }) => name },
		{ title: 'AGENTS', value: ({ agents }) => agents, align: 'right' },
		{ title: 'ON', value: ({ on }) => on },
		{ title: 'NOTE', value: ({ note }) => note },
	]);
	expect(text).toBe('NAME           AGENTS  ON   NOTE\nedge                5  yes  -\na-longer-name    1200  no   x\n');
	expect(
		facts([
			['id', 'x'],
			['time left', null],
		]),
	).toBe('id:        x\ntime left: -\n');
	expect(when('2026-11-20T23:07:01.123Z')).toBe('2026-11-20 23:07:01');
});

test('a bar is always as wide as it should be, and shows every failure', () => {
	const states = { ...none, Pending: 10, Applying: 1, Applied: 88, Failed: 1 };
	expect(bar({ states, agents: 100 }, 10)).toBe('████████×▒');
	expect(bar({ states: null, agents: null }, 10)).toBe('··········');
	for (let failed = 0; failed <= 7; failed += 1) {
		const shown = bar(
			{
				states: { ...none, Applied: 7 - failed, Failed: failed },
				agents: 7,
			},
			30,
		);
		expect([...shown]).toHaveLength(30);
		expect(shown.includes('×')).toBe(failed > 0);
	}
});

test('steps are written name=size:dwell', () => {
	expect(parseSteps('canary=2%:5m, 10 %,100%')).toEqual([
		{ name: 'canary', size: '2%', dwell: '5m' },
		{ size: '10 %' },
		{ size: '100%' },
	]);
});
