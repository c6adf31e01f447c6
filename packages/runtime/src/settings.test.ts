import { describe, expect, test } from 'vitest';
import { asDuration, asInteger, asOneOf, asPort, asText, asUrl, describeSettings, readSettings } from './settings.js';

const settings = {
	port: { name: 'AMPORA_PORT', help: 'where to listen', parse: asPort, fallback: 4320 },
	database: { name: 'AMPORA_DATABASE_URL', help: 'the database', parse: asUrl('postgres', 'postgresql'), secret: true },
	level: {
		name: 'AMPORA_LOG_LEVEL',
		help: 'how much is logged',
		parse: asOneOf('info', 'debug'),
		fallback: 'info' as 'info' | 'debug',
	},
};

describe('readSettings', () => {
	test('fills in fallbacks and freezes', () => {
		const read = readSettings(settings, { AMPORA_DATABASE_URL: 'postgres://h/d', PATH: '/bin' });
		expect(read).toEqual({ ok: true, value: { port: 4320, database: 'postgres://h/d', level: 'info' } });
		expect(read.ok && Object.isFrozen(read.value)).toBe(true);
	});

	test('names every fault at once, and what would be right', () => {
		const read = readSettings(settings, { AMPORA_PORT: '70000', AMPORA_LOG_LEVEL: 'loud', AMPORA_DATABASE: 'x' });
		expect(read.ok ? [] : read.error).toEqual([
			'AMPORA_PORT is "70000", but it has to be a whole number from 0 to 65535 (where to listen)',
			'AMPORA_DATABASE_URL is missing: the database',
			'AMPORA_LOG_LEVEL is "loud", but it has to be one of info, debug (how much is logged)',
			'AMPORA_DATABASE is not a setting of this service: did you mean AMPORA_DATABASE_URL?',
		]);
	});

	test('a secret is in no message and in no description', () => {
		const read = readSettings(settings, { AMPORA_DATABASE_URL: 'mysql://user:hunter2@h/d' });
		expect(JSON.stringify(read)).not.toContain('hunter2');
		const good = readSettings(settings, { AMPORA_DATABASE_URL: 'postgres://user:hunter2@h/d' });
		expect(good.ok && describeSettings(settings, good.value)).toContain('AMPORA_DATABASE_URL=***');
	});

	test('a variable of another service may be named as shared', () => {
		const own = { name: { name: 'AMPORA_NAME', help: 'the name', parse: asText, fallback: 'gw-1' } };
		expect(readSettings(own, { AMPORA_PORT: '1' }).ok).toBe(false);
		expect(readSettings(own, { AMPORA_PORT: '1' }, ['AMPORA_PORT']).ok).toBe(true);
	});
});

test('durations', () => {
	expect(asDuration('1h30m')).toBe(5_400_000);
	expect(asDuration('250ms')).toBe(250);
	for (const text of ['', '5', 'm5', '-5s', '1.5h', '5mm']) expect(() => asDuration(text), text).toThrow('like 250ms');
});

test('integers outside their bounds are refused', () => {
	expect(() => asInteger(1, 3)('4')).toThrow('from 1 to 3');
	expect(() => asInteger(1, 3)('2.5')).toThrow('whole number');
});
