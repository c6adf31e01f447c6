import { describe, expect, test } from 'vitest';
import { serverCapabilitiesOf } from './capabilities.js';
import { type ConfigFiles, configHash } from './config_hash.js';
import { messageOf, unframe } from './framing.js';
import type { InstanceUid } from './instance_uid.js';
import {
	encodeServerError,
	encodeServerToAgent,
	encodeSharedOffer,
	encodeSharedSettings,
	type ServerError,
	withUid,
} from './server_message.js';
import { decodeServerToAgent, wire } from './testing/index.js';

const uid = '01890a5d-ac96-774b-bcce-b302099a8057' as InstanceUid;
const otherUid = 'ffffffff-ffff-4fff-bfff-ffffffffffff' as InstanceUid;
const read = (frame: Uint8Array) => decodeServerToAgent(messageOf(frame));
const binary = Uint8Array.from({ length: 256 }, (_, byte) => byte);
const files: ConfigFiles = new Map([
	['', { body: Buffer.from('receivers: {}'), contentType: 'text/yaml' }],
	['blob', { body: binary, contentType: '' }],
]);

test('an acknowledgement is the uid and nothing else, in at most 40 bytes', () => {
	const frame = encodeServerToAgent(uid);
	expect(frame[0]).toBe(0);
	expect(frame).toHaveLength(19);
	expect(read(frame)).toMatchObject({ instanceUid: uid, extraFields: 0 });
	expect(unframe(frame)).toEqual({ ok: true, value: messageOf(frame) });
});

test('one encoded offer serves many agents, byte for byte', () => {
	const hash = configHash(files);
	const shared = encodeSharedOffer({ files, configHash: hash });
	for (const agent of [uid, otherUid]) {
		const message = read(withUid(agent, shared));
		expect(message.instanceUid).toBe(agent);
		expect(message.extraFields).toBe(1);
		expect(Buffer.from(message.remoteConfig?.configHash ?? []).equals(hash)).toBe(true);
		expect(message.remoteConfig?.files.get('blob')?.body).toEqual(binary);
		expect(message.remoteConfig?.files.get('')?.contentType).toBe('text/yaml');
	}
});

test('the first reply carries capabilities, flags, a new uid and offers together', () => {
	const capabilities = serverCapabilitiesOf('AcceptsStatus', 'OffersRemoteConfig', 'AcceptsEffectiveConfig');
	const settings = encodeSharedSettings({
		hash: Uint8Array.of(1),
		destinationEndpoint: 'ws://127.0.0.1:4320/v1/opamp',
		heartbeatIntervalSeconds: 30,
		headers: [{ key: 'Authorization', value: 'Bearer x' }],
	});
	const offer = encodeSharedOffer({ files, configHash: Uint8Array.of(9) });
	const message = read(
		encodeServerToAgent(uid, {
			capabilities,
			reportFullState: true,
			reportAvailableComponents: true,
			newInstanceUid: otherUid,
			customCapabilities: ['org.example/1'],
			shared: [offer, settings],
		}),
	);
	expect(message).toMatchObject({
		instanceUid: uid,
		reportFullState: true,
		reportAvailableComponents: true,
		newInstanceUid: otherUid,
		customCapabilities: ['org.example/1'],
		settings: { destinationEndpoint: 'ws://127.0.0.1:4320/v1/opamp', heartbeatIntervalSeconds: 30 },
	});
	expect(message.capabilities.word).toBe(7n);
	expect(message.remoteConfig?.configHash).toEqual(Uint8Array.of(9));
});

describe('refusals', () => {
	test.each([
		{ type: 'bad-request', message: 'instance_uid must have 16 bytes' },
		{ type: 'unknown', message: 'the store is away' },
		{ type: 'unavailable', message: 'too many agents', retryAfterMs: 30_000 },
	] satisfies ServerError[])('$type carries nothing but itself', (error) => {
		expect(read(encodeServerError(uid, error))).toMatchObject({ instanceUid: uid, error, extraFields: 1 });
	});

	test('a wait is told only with unavailable, in nanoseconds beyond 2^53', () => {
		const told = wire.ServerToAgent.decode(
			messageOf(encodeServerError(uid, { type: 'unavailable', message: '', retryAfterMs: 10_000_000_000 })),
		);
		expect(told.errorResponse?.Details?.value.retryAfterNanoseconds).toBe(10_000_000_000_000_000n);
		expect(read(encodeServerError(uid, { type: 'unknown', message: '', retryAfterMs: 1 })).error).toEqual({
			type: 'unknown',
			message: '',
		});
	});
});

describe('offers that would harm an agent are not encoded', () => {
	const settings = {
		hash: Uint8Array.of(1),
		destinationEndpoint: 'ws://h/',
		heartbeatIntervalSeconds: 30,
		headers: [],
	};
	test.each([
		['an interval of 0', { ...settings, heartbeatIntervalSeconds: 0 }],
		['a fraction of a second', { ...settings, heartbeatIntervalSeconds: 0.5 }],
		['no URL', { ...settings, destinationEndpoint: '' }],
		['no hash', { ...settings, hash: new Uint8Array(0) }],
	])('connection settings with %s', (_, broken) => {
		expect(() => encodeSharedSettings(broken)).toThrow();
	});

	test('a config without a hash', () => {
		expect(() => encodeSharedOffer({ files, configHash: new Uint8Array(0) })).toThrow();
	});
});
