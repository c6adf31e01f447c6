import { BinaryWriter } from '@bufbuild/protobuf/wire';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
	type AgentReport,
	type ComponentHealth,
	decodeAgentToServer,
	decodePart,
	decodeParts,
} from './agent_message.js';
import type { AnyValue } from './any_value.js';
import { attributesJson } from './any_value.js';
import { messageOf } from './framing.js';
import { type InstanceUid, parseUid, uidBytes, uidText } from './instance_uid.js';
import { defaultMessageLimits as limits } from './limits.js';
import { scanAgentToServer } from './scan.js';
import { encodeAgentToServer, wire } from './testing/index.js';

const uid = '01890a5d-ac96-774b-bcce-b302099a8057' as InstanceUid;
const encode = (report: AgentReport = {}, sequenceNum = 1n): Uint8Array =>
	messageOf(encodeAgentToServer({ instanceUid: uid, sequenceNum, capabilities: 0x3847n, report }));

const healthy: ComponentHealth = {
	healthy: true,
	startTimeUnixNano: 0n,
	lastError: '',
	status: '',
	statusTimeUnixNano: 0n,
	components: new Map(),
	attributes: [],
};

const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const anyText = fc.string({ unit: 'grapheme' });
const { value: anyValue } = fc.letrec<{ value: AnyValue }>((tie) => ({
	value: fc.oneof(
		{ depthSize: 'small', withCrossShrink: true },
		fc.constant<AnyValue>({ kind: 'null' }),
		fc.record({ kind: fc.constant('string' as const), value: anyText }),
		fc.record({ kind: fc.constant('bool' as const), value: fc.boolean() }),
		fc.record({ kind: fc.constant('int' as const), value: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }) }),
		fc.record({ kind: fc.constant('double' as const), value: fc.double() }),
		fc.record({ kind: fc.constant('bytes' as const), value: fc.uint8Array() }),
		fc.record({ kind: fc.constant('list' as const), value: fc.array(tie('value'), { maxLength: 3 }) }),
		fc.record({
			kind: fc.constant('map' as const),
			value: fc.array(fc.record({ key: anyText, value: tie('value') }), { maxLength: 3 }),
		}),
	),
}));
const attributes = fc.array(fc.record({ key: anyText, value: anyValue }), { maxLength: 3 });
const mapOf = <T>(value: fc.Arbitrary<T>) =>
	fc.array(fc.tuple(fc.oneof(anyText, fc.constant('__proto__')), value), { maxLength: 3 }).map((list) => new Map(list));
const { health: anyHealth } = fc.letrec<{ health: ComponentHealth }>((tie) => ({
	health: fc.record({
		healthy: fc.boolean(),
		startTimeUnixNano: uint64,
		lastError: anyText,
		status: anyText,
		statusTimeUnixNano: uint64,
		components: fc.oneof({ depthSize: 'small' }, fc.constant(new Map<string, ComponentHealth>()), mapOf(tie('health'))),
		attributes,
	}),
}));
const status = fc.constantFrom('unset' as const, 'applied' as const, 'applying' as const, 'failed' as const);
const anyReport = fc.record(
	{
		agentDescription: fc.record({ identifying: attributes, nonIdentifying: attributes }),
		health: anyHealth,
		effectiveConfig: fc.record({ files: mapOf(fc.record({ body: fc.uint8Array(), contentType: anyText })) }),
		remoteConfigStatus: fc.record({ lastRemoteConfigHash: fc.uint8Array(), status, errorMessage: anyText }),
		customCapabilities: fc.array(anyText, { maxLength: 3 }),
		customMessage: fc.record({ capability: anyText, type: anyText, data: fc.uint8Array() }),
		connectionSettingsStatus: fc.record({ lastConnectionSettingsHash: fc.uint8Array(), status, errorMessage: anyText }),
	},
	{ requiredKeys: [] },
);

describe('round trip', () => {
	test('what an agent says is what is read', () => {
		fc.assert(
			fc.property(
				fc.uint8Array({ minLength: 16, maxLength: 16 }),
				uint64,
				uint64,
				fc.boolean(),
				fc.boolean(),
				anyReport,
				(id, sequenceNum, capabilities, requestsInstanceUid, disconnect, report) => {
					const input = {
						instanceUid: uidText(id),
						sequenceNum,
						capabilities,
						requestsInstanceUid,
						disconnect,
						report,
					};
					const decoded = decodeAgentToServer(messageOf(encodeAgentToServer(input)), limits);
					if (!decoded.ok) throw new Error(decoded.error.message);
					expect({ ...decoded.value, capabilities: decoded.value.capabilities.word }).toEqual(input);
				},
			),
			{ numRuns: 200 },
		);
	});

	test('an integer beyond 2^53 and fixed64 nanoseconds stay exact', () => {
		const nanos = 1_795_000_000_123_456_789n;
		const decoded = decodeAgentToServer(
			encode({
				agentDescription: {
					identifying: [{ key: 'n', value: { kind: 'int', value: 2n ** 53n + 1n } }],
					nonIdentifying: [],
				},
				health: { ...healthy, startTimeUnixNano: nanos, statusTimeUnixNano: 2n ** 64n - 1n },
			}),
			limits,
		);
		if (!decoded.ok) throw new Error(decoded.error.message);
		const { agentDescription, health } = decoded.value.report;
		expect(agentDescription?.identifying[0]?.value).toEqual({ kind: 'int', value: 9_007_199_254_740_993n });
		expect(attributesJson(agentDescription?.identifying ?? [])).toEqual({ n: '9007199254740993' });
		expect(health?.startTimeUnixNano).toBe(nanos);
		expect(health?.statusTimeUnixNano).toBe(18_446_744_073_709_551_615n);
	});

	test('kept values own their bytes', () => {
		const message = encode({
			effectiveConfig: { files: new Map([['', { body: Buffer.from('abc'), contentType: '' }]]) },
		});
		const decoded = decodeAgentToServer(Buffer.from(message), limits);
		if (!decoded.ok) throw new Error(decoded.error.message);
		const body = decoded.value.report.effectiveConfig?.files.get('')?.body;
		expect(body?.buffer.byteLength).toBe(3);
	});
});

describe('absent, empty and unknown', () => {
	test('an empty sub-message is not an absent one', () => {
		const without = decodeAgentToServer(encode(), limits);
		const withEmpty = decodeAgentToServer(encode({ effectiveConfig: { files: new Map() } }), limits);
		expect(without.ok && 'effectiveConfig' in without.value.report).toBe(false);
		expect(withEmpty.ok && withEmpty.value.report.effectiveConfig).toEqual({ files: new Map() });
	});

	test('unknown bits, fields and enum numbers are ignored', () => {
		const status = new BinaryWriter().uint32(16).int32(77).finish();
		const message = new BinaryWriter()
			.uint32(10)
			.bytes(uidBytes(uid))
			.uint32(32)
			.uint64(0xffff_ffff_ffffn)
			.uint32(58)
			.bytes(status)
			.uint32(200 * 8 + 2)
			.string('from the future')
			.finish();
		const decoded = decodeAgentToServer(message, limits);
		if (!decoded.ok) throw new Error(decoded.error.message);
		expect(decoded.value.capabilities.word).toBe(0xffff_ffff_ffffn);
		expect(decoded.value.capabilities.names()).toHaveLength(16);
		expect(decoded.value.report.remoteConfigStatus?.status).toBe('unset');
	});

	test('a goodbye is seen', () => {
		const message = messageOf(
			encodeAgentToServer({ instanceUid: uid, sequenceNum: 3n, capabilities: 1n, disconnect: true }),
		);
		expect(scanAgentToServer(message, limits)).toMatchObject({
			ok: true,
			value: { disconnect: true, sequenceNum: 3n },
		});
	});
});

describe('what is refused', () => {
	test.each([0, 15, 17, 26])('a uid of %i bytes', (length) => {
		const message = messageOf(
			encodeAgentToServer({ instanceUid: new Uint8Array(length).fill(65), sequenceNum: 1n, capabilities: 1n }),
		);
		expect(scanAgentToServer(message, limits)).toEqual({
			ok: false,
			error: { code: 'malformed-uid', message: `instance_uid must have 16 bytes, not ${length}` },
		});
	});

	test('text that is not UTF-8, with the part it is in', () => {
		const broken = new BinaryWriter().uint32(26).bytes(Uint8Array.of(0xc3, 0x28)).finish();
		expect(decodeParts({ remoteConfigStatus: broken }, limits)).toEqual({
			ok: false,
			error: { code: 'malformed-text', message: 'remoteConfigStatus: a string is not valid UTF-8' },
		});
	});

	const chain = (depth: number, wrap: (inner: Uint8Array) => Uint8Array): Uint8Array => {
		let bytes: Uint8Array = new Uint8Array(0);
		for (let level = 0; level < depth; level++) bytes = wrap(bytes);
		return bytes;
	};
	const healthLevel = (inner: Uint8Array): Uint8Array =>
		new BinaryWriter().uint32(50).bytes(new BinaryWriter().uint32(18).bytes(inner).finish()).finish();

	test('a component tree that is too deep, and none that is just deep enough', () => {
		expect(decodePart('health', chain(49, healthLevel), limits)).toMatchObject({ ok: true });
		expect(decodePart('health', chain(50, healthLevel), limits)).toMatchObject({ error: { code: 'too-deep' } });
		expect(decodePart('health', chain(5000, healthLevel), limits)).toMatchObject({ error: { code: 'too-deep' } });
	});

	test('attribute values that are too deep', () => {
		const listLevel = (inner: Uint8Array): Uint8Array =>
			new BinaryWriter().uint32(42).bytes(new BinaryWriter().uint32(10).bytes(inner).finish()).finish();
		const keyValue = new BinaryWriter().uint32(18).bytes(chain(200, listLevel)).finish();
		const description = new BinaryWriter().uint32(10).bytes(keyValue).finish();
		expect(decodePart('agentDescription', description, limits)).toMatchObject({ error: { code: 'too-deep' } });
	});

	test('more fields than are accepted, before anything is built of them', () => {
		const entries = Buffer.alloc(2 * 300_000, Uint8Array.of(0x32, 0x00));
		expect(decodePart('health', entries, limits)).toMatchObject({ error: { code: 'too-many-fields' } });
		const message = Buffer.concat([encode(), Buffer.alloc(2 * 300_000, Uint8Array.of(0x10, 0x01))]);
		expect(scanAgentToServer(message, limits)).toMatchObject({ error: { code: 'too-many-fields' } });
	});

	test('a part that runs over the end of what holds it', () => {
		const health = Uint8Array.of(0x32, 0x02, 0x0a, 0x05, 0x61, 0x61, 0x61, 0x61, 0x61);
		expect(decodePart('health', health, limits)).toMatchObject({ error: { code: 'malformed-message' } });
	});

	test('groups, however deep', () => {
		expect(scanAgentToServer(Buffer.alloc(100_000, 0x0b), limits)).toMatchObject({
			error: { code: 'malformed-message' },
		});
	});

	test('a message larger than the limit', () => {
		expect(scanAgentToServer(encode(), { ...limits, inboundBytesMax: 10 })).toMatchObject({
			error: { code: 'too-large' },
		});
	});
});

describe('bytes from outside never throw', () => {
	const parts = ['agentDescription', 'health', 'effectiveConfig', 'packageStatuses', 'availableComponents'] as const;

	test('random bytes', () => {
		fc.assert(
			fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
				decodeAgentToServer(bytes, limits);
				for (const part of parts) decodePart(part, bytes, limits);
			}),
			{ numRuns: 2000 },
		);
	});

	test('a good message with bytes changed or cut off', () => {
		const good = encode({
			health: { ...healthy, components: new Map([['a', healthy]]) },
			customCapabilities: ['a', 'b'],
		});
		fc.assert(
			fc.property(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), (at, value, end) => {
				const bytes = new Uint8Array(good.subarray(0, end));
				if (at < end) bytes[at] = value;
				decodeAgentToServer(bytes, limits);
			}),
			{ numRuns: 2000 },
		);
	});
});

describe('instance uids as text', () => {
	test('there and back', () => {
		fc.assert(
			fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (id) => {
				expect(new Uint8Array(uidBytes(uidText(id)))).toEqual(id);
			}),
		);
	});

	test('either case is read, other text is not', () => {
		expect(parseUid(uid.toUpperCase())).toBe(uid);
		expect(parseUid('01890a5d-ac96-774b-bcce-b302099a805')).toBeUndefined();
		expect(parseUid(`${uid}0`)).toBeUndefined();
	});
});

test('an empty generated message agrees with ours', () => {
	const message = wire.AgentToServer.encode(wire.AgentToServer.fromPartial({ instanceUid: uidBytes(uid) })).finish();
	expect(decodeAgentToServer(message, limits)).toMatchObject({
		ok: true,
		value: { sequenceNum: 0n, report: {}, disconnect: false },
	});
});
