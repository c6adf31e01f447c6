import { describe, expect, it } from 'vitest';
import { createLogger } from './log.js';
import { redactText } from './redact.js';
import { createTestLogger, createTestTracer } from './testing/index.js';

describe('a log line', () => {
	it('has level, time, service, message and ids', () => {
		const { logger, lines } = createTestLogger('gateway');
		logger.child({ gateway: 'gw-1' }).info('config offered', { agent_id: 'a-1', rollout_id: 'r-1', session_epoch: 7n });
		expect(lines).toEqual([
			{
				level: 'info',
				time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
				service: 'gateway',
				gateway: 'gw-1',
				agent_id: 'a-1',
				rollout_id: 'r-1',
				session_epoch: '7',
				msg: 'config offered',
			},
		]);
	});

	it('has the ids of the span it is written in, and of no other', async () => {
		const { logger, lines } = createTestLogger();
		const span = await createTestTracer().inSpan('dispatch.consume', {}, async (inner) => {
			await Promise.resolve();
			logger.info('inside');
			return inner;
		});
		logger.info('outside');
		expect(lines[0]).toMatchObject({ trace_id: span.traceId, span_id: span.spanId });
		expect(lines[1]).not.toHaveProperty('trace_id');
	});

	it('names the actor, whose name is no secret', () => {
		const { logger, lines } = createTestLogger();
		logger.info('command', { actor: 'token:first-admin', token: 'ampora_api_secretsecret' });
		expect(lines[0]).toMatchObject({ actor: 'token:first-admin', token: '[REDACTED]' });
	});

	it('is not written below the level', () => {
		const written: string[] = [];
		const logger = createLogger({ service: 's', level: 'warn', destination: { write: (line) => written.push(line) } });
		logger.info('quiet');
		logger.error('loud');
		expect(written).toHaveLength(1);
	});
});

describe('redaction', () => {
	const secret = 'hunter2-and-more';
	it.each<[string, Record<string, unknown>]>([
		['a token', { token: secret }],
		['a token of another name', { enrollmentToken: secret }],
		['headers', { headers: { 'x-key': secret } }],
		['a header deep down', { request: { options: [{ Authorization: `Bearer ${secret}` }] } }],
		['a config body', { body: Buffer.from(secret) }],
		['a config as text', { yaml: `exporters: {otlp: {headers: {k: ${secret}}}}` }],
		['an effective config', { effective_config: { '': secret } }],
		['files', { files: [{ name: '', body: secret }] }],
		['bytes under any name', { anything: new TextEncoder().encode(secret) }],
		['a map', { settings: new Map([['password', secret]]) }],
		['a connection string', { target: `postgres://ampora:${secret}@db:5432/ampora` }],
		['an error about a header', { error: new Error(`refused: Authorization: Bearer ${secret}`) }],
		['the cause of an error', { error: new Error('failed', { cause: new Error(`redis://:${secret}@cache`) }) }],
		['what a driver hangs on errors', { error: Object.assign(new Error('failed'), { detail: secret, code: '23505' }) }],
		['a key', { note: `-----BEGIN PRIVATE KEY-----\n${secret}\n-----END PRIVATE KEY-----` }],
	])('hides %s', (_name, fields) => {
		const { logger, lines } = createTestLogger();
		logger.info('it happened', fields);
		logger.child(fields).info('it happened');
		expect(lines).toHaveLength(2);
		expect(JSON.stringify(lines)).not.toContain(secret);
		expect(JSON.stringify(lines)).not.toContain([...Buffer.from(secret)].join(','));
	});

	it('hides secrets in messages', () => {
		const { logger, lines } = createTestLogger();
		logger.warn(`dialling http://u:${secret}@peer failed`);
		expect(lines[0]?.msg).toBe('dialling http://[REDACTED]@peer failed');
	});

	it('keeps what is no secret', () => {
		const { logger, lines } = createTestLogger();
		const error = Object.assign(new Error('connection refused'), { code: 'ECONNREFUSED' });
		logger.error('store away', { error, tokens: 3, configuration_id: 'c-1', token_id: 't-1', at: new Date(0) });
		expect(lines[0]).toMatchObject({
			error: { name: 'Error', message: 'connection refused', code: 'ECONNREFUSED' },
			tokens: 3,
			configuration_id: 'c-1',
			token_id: 't-1',
			at: '1970-01-01T00:00:00.000Z',
		});
		expect(redactText('the basic idea of a bearer token: none')).toBe('the basic idea of a bearer token: none');
	});

	it('ends, whatever it is given', () => {
		const loop: Record<string, unknown> = { list: Array.from({ length: 5000 }, (_, i) => i) };
		loop.self = loop;
		const { logger, lines } = createTestLogger();
		logger.info('x'.repeat(100_000), { loop });
		expect(JSON.stringify(lines).length).toBeLessThan(20_000);
	});
});
