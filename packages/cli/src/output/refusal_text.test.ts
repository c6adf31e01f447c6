import { errorCatalogue } from '@ampora/api-contract';
import { expect, test } from 'vitest';
import { actionOf, messageOf, optionOf } from './refusal_text.js';

const options = ['--bake', '--gate', '--min-sample', '--steps', '--dwell', '--strategy', '--metric-gate', '--default'];

test('fields are called as the options that set them', () => {
	const named = (field: string) => optionOf(field, options);
	expect(named('bake')).toBe('--bake');
	expect(named('gates.unhealthy-ratio.threshold')).toBe('--gate');
	expect(named('gates.unhealthy-ratio.minSample')).toBe('--min-sample');
	expect(named('strategy.steps[0].dwell')).toBe('--steps');
	expect(named('strategy.dwell')).toBe('--dwell');
	expect(named('strategy.kind')).toBe('--strategy');
	expect(named('metricGates[0].interval')).toBe('--metric-gate');
	expect(named('defaultVersion')).toBe('--default');
	expect(named('group')).toBe('group');
});

test('a refusal says each thing in a line, and what to do at a command line', () => {
	const issues = [
		{ field: 'bake', message: '"x" is no duration' },
		{ field: '', message: 'give either' },
	];
	const { action } = errorCatalogue['invalid-argument'];
	const body = { code: 'invalid-argument', message: 'bake: …', details: { issues }, action } as const;
	expect(messageOf(body, options)).toBe('--bake: "x" is no duration\n  give either');
	expect(actionOf(body)).toContain('--help');
	expect(actionOf({ ...body, action: 'Write it otherwise.' })).toBe('Write it otherwise.');
	const one = { ...body, message: 'bake: too long', details: { field: 'bake' } };
	expect(messageOf(one, options)).toBe('--bake: too long');
});
