import { readSettings } from '@ampora/runtime';
import { expect, test } from 'vitest';
import { gatewayConfigOf, settings } from './config.js';

const needed = {
	AMPORA_GATEWAY_NAME: 'gw-1',
	AMPORA_DATABASE_URL: 'postgres://h/d',
	AMPORA_REDIS_URL: 'redis://h',
	AMPORA_NATS_URL: 'nats://h',
};
const read = (environment: Record<string, string> = {}) => readSettings(settings, { ...needed, ...environment });
const configOf = (environment: Record<string, string> = {}) => {
	const values = read(environment);
	if (!values.ok) throw new Error(values.error.join('\n'));
	return gatewayConfigOf(values.value);
};

test('C-02 the defaults are what the product promises', () => {
	const config = configOf();
	expect(config).toMatchObject({ port: 4320, path: '/v1/opamp', enrollment: 'token', leaseTtlMs: 10_000 });
	expect(config.limits.message.inboundBytesMax).toBe(64 * 1024 * 1024);
	expect(config.heartbeat).toBe(null);
	expect(Object.isFrozen(config)).toBe(true);
});

test('unknown and unreadable settings are refused, each with what would be right', () => {
	const bad = {
		...{ AMPORA_OPAMP_PROT: '1', AMPORA_GATEWAY_NAME: 'a b', AMPORA_GATEWAY_TTL: '10ms' },
		...{ AMPORA_OPAMP_PATH: 'x', AMPORA_HEARTBEAT_INTERVAL: '0s' },
	};
	const values = read(bad);
	expect(values.ok ? [] : values.error).toHaveLength(5);
});

test('a heartbeat interval needs the URL that agents are told with it', () => {
	expect(() => configOf({ AMPORA_HEARTBEAT_INTERVAL: '30s' })).toThrow('AMPORA_PUBLIC_URL');
	const both = { AMPORA_HEARTBEAT_INTERVAL: '30s', AMPORA_PUBLIC_URL: 'wss://opamp.example.com/v1/opamp' };
	expect(configOf(both).heartbeat).toEqual({ intervalSeconds: 30, publicUrl: both.AMPORA_PUBLIC_URL });
});
