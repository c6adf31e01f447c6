import { err, ok, type Result } from '@ampora/runtime';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { type AgentCapabilities, agentCapabilities } from './capabilities.js';
import { type DecodeError, Undecodable } from './errors.js';
import { AgentToServerFlags } from './gen/opamp/v1/opamp.js';
import { type InstanceUid, uidText } from './instance_uid.js';
import { instanceUidBytes, type MessageLimits } from './limits.js';
import { skipField } from './shape.js';

/** Which field of AgentToServer holds which sub-message. */
const partOfField = {
	3: 'agentDescription',
	5: 'health',
	6: 'effectiveConfig',
	7: 'remoteConfigStatus',
	8: 'packageStatuses',
	11: 'connectionSettingsRequest',
	12: 'customCapabilities',
	13: 'customMessage',
	14: 'availableComponents',
	15: 'connectionSettingsStatus',
} as const;

export type PartName = (typeof partOfField)[keyof typeof partOfField];
const parts: Readonly<Record<number, PartName>> = partOfField;

/** The undecoded sub-messages of one message: views of its bytes, absent where the agent sent none (C-48, C-50). Copy what outlives the frame. */
export type AgentParts = { readonly [Name in PartName]?: Uint8Array };

/** What every message says, read without touching its sub-messages. */
export interface ScannedMessage {
	readonly instanceUid: InstanceUid;
	/** Wraps nowhere: a uint64. */
	readonly sequenceNum: bigint;
	/** `word` 0 in a later message means "as before" (C-57). */
	readonly capabilities: AgentCapabilities;
	/** The agent asks to be named by the server (C-40). */
	readonly requestsInstanceUid: boolean;
	/** The agent says goodbye (C-46). */
	readonly disconnect: boolean;
	readonly parts: AgentParts;
}

const requestInstanceUid = BigInt(AgentToServerFlags.AgentToServerFlags_RequestInstanceUid);

/** Reads the top level of an AgentToServer. Fields nobody knows are ignored (C-35), of a repeated field the last counts. */
export function scanAgentToServer(message: Uint8Array, limits: MessageLimits): Result<ScannedMessage, DecodeError> {
	if (message.length > limits.inboundBytesMax)
		return err({
			code: 'too-large',
			message: `a message may have ${limits.inboundBytesMax} bytes, not ${message.length}`,
		});
	return attempt(() => scan(message, limits));
}

/** Turns whatever a decoder throws into the error it stands for: bytes from outside never throw. */
export function attempt<T>(decode: () => T): Result<T, DecodeError> {
	try {
		return ok(decode());
	} catch (error) {
		if (error instanceof Undecodable) return err({ code: error.code, message: error.message });
		const reason = error instanceof Error ? error.message : String(error);
		return err({ code: 'malformed-message', message: `not a protobuf message: ${reason}` });
	}
}

function scan(message: Uint8Array, limits: MessageLimits): ScannedMessage {
	const reader = new BinaryReader(message);
	const found: { [Name in PartName]?: Uint8Array } = {};
	let uid: Uint8Array | undefined;
	let sequenceNum = 0n;
	let capabilities = 0n;
	let flags = 0n;
	let disconnect = false;
	for (let fields = 1; reader.pos < reader.len; fields++) {
		if (fields > limits.fieldsMax)
			throw new Undecodable('too-many-fields', 'the message holds more fields than are accepted');
		const [field, wireType] = reader.tag();
		const part = parts[field];
		if (wireType === WireType.LengthDelimited) {
			const bytes = reader.bytes();
			if (part) found[part] = bytes;
			else if (field === 1) uid = bytes;
			else if (field === 9) disconnect = true;
		} else if (wireType === WireType.Varint && field === 2) sequenceNum = uint64(reader);
		else if (wireType === WireType.Varint && field === 4) capabilities = uint64(reader);
		else if (wireType === WireType.Varint && field === 10) flags = uint64(reader);
		else skipField(reader, field, wireType);
	}
	return {
		instanceUid: readUid(uid),
		sequenceNum,
		capabilities: agentCapabilities(capabilities),
		requestsInstanceUid: (flags & requestInstanceUid) !== 0n,
		disconnect,
		parts: found,
	};
}

const uint64 = (reader: BinaryReader): bigint => BigInt(reader.uint64());

function readUid(bytes: Uint8Array | undefined): InstanceUid {
	const length = bytes?.length ?? 0;
	if (!bytes || length !== instanceUidBytes)
		throw new Undecodable('malformed-uid', `instance_uid must have ${instanceUidBytes} bytes, not ${length}`);
	return uidText(bytes);
}
