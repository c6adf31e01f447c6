import type { ServerCapabilities } from './capabilities.js';
import type { ConfigFiles } from './config_hash.js';
import type { Frame } from './framing.js';
import * as wire from './gen/opamp/v1/opamp.js';
import { type InstanceUid, uidBytes } from './instance_uid.js';
import { instanceUidBytes } from './limits.js';

export type ServerErrorType = 'unknown' | 'bad-request' | 'unavailable';

export interface ServerError {
	readonly type: ServerErrorType;
	/** For people. */
	readonly message: string;
	/** How long to stay away, ms; sent only with `unavailable` (C-109). */
	readonly retryAfterMs?: number;
}

/** A configuration under the hash the agent will report back. Without any file most agents stop their collector. */
export interface RemoteConfigOffer {
	readonly files: ConfigFiles;
	/** Never empty (C-66). */
	readonly configHash: Uint8Array;
}

/** Part of a ServerToAgent that is the same for every agent it goes to; encoded once. */
export type SharedOffer = Uint8Array;

/** Connection settings of the OpAMP server itself. Agents take them whole, so they are complete in every offer (C-80). */
export interface OpampSettingsOffer {
	/** Identifies these settings; never empty. */
	readonly hash: Uint8Array;
	/** ws, wss, http or https URL the agents reach the server at. */
	readonly destinationEndpoint: string;
	/** Whole seconds, at least 1: 0 would silence the agent for good. */
	readonly heartbeatIntervalSeconds: number;
	/** Every header the agent has to send, its credential included. */
	readonly headers: readonly { readonly key: string; readonly value: string }[];
}

/** What a message may say beside the uid; all absent is the plain acknowledgement (C-30). */
export interface ServerContent {
	/** In the first message to an agent, and on plain HTTP always (C-32). */
	readonly capabilities?: ServerCapabilities;
	readonly reportFullState?: boolean;
	readonly reportAvailableComponents?: boolean;
	/** Made by `encodeSharedOffer` or `encodeSharedSettings`. */
	readonly shared?: readonly SharedOffer[];
	/** The name the agent is to use from now on (C-40). */
	readonly newInstanceUid?: InstanceUid;
	readonly customCapabilities?: readonly string[];
}

const errorTypes: Readonly<Record<ServerErrorType, wire.ServerErrorResponseType>> = {
	unknown: wire.ServerErrorResponseType.ServerErrorResponseType_Unknown,
	'bad-request': wire.ServerErrorResponseType.ServerErrorResponseType_BadRequest,
	unavailable: wire.ServerErrorResponseType.ServerErrorResponseType_Unavailable,
};

/** Header `00`, then the tag of instance_uid (field 1, length-delimited) and its length. */
const framePrefix = Uint8Array.of(0, 0x0a, instanceUidBytes);
const uidEnd = framePrefix.length + instanceUidBytes;
const nothing = new Uint8Array(0);

/** A frame for one agent from parts that are the same for many: protobuf fields may stand in any order. */
export function withUid(uid: InstanceUid, ...shared: readonly Uint8Array[]): Frame {
	const frame = new Uint8Array(shared.reduce((length, part) => length + part.length, uidEnd));
	frame.set(framePrefix);
	frame.set(uidBytes(uid), framePrefix.length);
	let at = uidEnd;
	for (const part of shared) {
		frame.set(part, at);
		at += part.length;
	}
	return frame;
}

/** One answer to one agent. `messageOf` gives the body for plain HTTP. */
export function encodeServerToAgent(uid: InstanceUid, content: ServerContent = {}): Frame {
	const { shared = [], capabilities, reportFullState, reportAvailableComponents, newInstanceUid } = content;
	const flags =
		(reportFullState ? wire.ServerToAgentFlags.ServerToAgentFlags_ReportFullState : 0) |
		(reportAvailableComponents ? wire.ServerToAgentFlags.ServerToAgentFlags_ReportAvailableComponents : 0);
	const plain = flags === 0 && !capabilities && !newInstanceUid && !content.customCapabilities;
	const own = plain
		? nothing
		: encodeFields({
				flags: BigInt(flags),
				capabilities: capabilities?.word ?? 0n,
				agentIdentification: newInstanceUid && { newInstanceUid: uidBytes(newInstanceUid) },
				customCapabilities: content.customCapabilities && { capabilities: [...content.customCapabilities] },
			});
	return withUid(uid, own, ...shared);
}

/** A refusal: nothing but the uid and the error, as the agent ignores all else (C-36). */
export function encodeServerError(uid: InstanceUid, error: ServerError): Frame {
	const retryAfterMs = error.type === 'unavailable' ? error.retryAfterMs : undefined;
	return withUid(
		uid,
		encodeFields({
			errorResponse: {
				type: errorTypes[error.type],
				errorMessage: error.message,
				Details:
					retryAfterMs === undefined
						? undefined
						: { $case: 'retryInfo', value: { retryAfterNanoseconds: BigInt(Math.ceil(retryAfterMs)) * 1_000_000n } },
			},
		}),
	);
}

/** Encodes an offer once for all the agents it goes to; `withUid` and `ServerContent.shared` take the result. */
export function encodeSharedOffer({ files, configHash }: RemoteConfigOffer): SharedOffer {
	if (configHash.length === 0) throw new Error('an offer without a hash could never be reported back');
	return encodeFields({ remoteConfig: { config: { configMap: new Map(files) }, configHash } });
}

/** Encodes connection settings once for all the agents they go to. */
export function encodeSharedSettings(settings: OpampSettingsOffer): SharedOffer {
	const { hash, destinationEndpoint, heartbeatIntervalSeconds, headers } = settings;
	if (hash.length === 0) throw new Error('connection settings without a hash would be processed again and again');
	if (destinationEndpoint === '') throw new Error('connection settings without a URL would be rejected whole');
	if (!Number.isInteger(heartbeatIntervalSeconds) || heartbeatIntervalSeconds < 1)
		throw new Error(`a heartbeat interval is at least 1 second, not ${heartbeatIntervalSeconds}`);
	return encodeFields({
		connectionSettings: {
			hash,
			opamp: {
				destinationEndpoint,
				headers: headers.length === 0 ? undefined : { headers: headers.map(({ key, value }) => ({ key, value })) },
				heartbeatIntervalSeconds: BigInt(heartbeatIntervalSeconds),
			},
		},
	});
}

const encodeFields = (fields: Parameters<typeof wire.ServerToAgent.fromPartial>[0]): Uint8Array =>
	wire.ServerToAgent.encode(wire.ServerToAgent.fromPartial(fields)).finish();
