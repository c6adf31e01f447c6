import { configFiles } from '../agent_message.js';
import { type ServerCapabilities, serverCapabilities } from '../capabilities.js';
import * as wire from '../gen/opamp/v1/opamp.js';
import { type InstanceUid, uidText } from '../instance_uid.js';
import type { OpampSettingsOffer, RemoteConfigOffer, ServerError, ServerErrorType } from '../server_message.js';

/** What an agent reads in a ServerToAgent. */
export interface ReceivedMessage {
	readonly instanceUid: InstanceUid;
	readonly error?: ServerError;
	readonly remoteConfig?: RemoteConfigOffer;
	readonly settings?: OpampSettingsOffer;
	readonly reportFullState: boolean;
	readonly reportAvailableComponents: boolean;
	/** `word` 0 when the server did not say. */
	readonly capabilities: ServerCapabilities;
	readonly newInstanceUid?: InstanceUid;
	readonly customCapabilities?: readonly string[];
	/** Number of top-level fields set beside the uid: 0 is the plain acknowledgement. */
	readonly extraFields: number;
}

const errorTypes: readonly ServerErrorType[] = ['unknown', 'bad-request', 'unavailable'];

function readError({ type, errorMessage, Details }: wire.ServerErrorResponse): ServerError {
	const error = { type: errorTypes[type] ?? 'unknown', message: errorMessage };
	return Details ? { ...error, retryAfterMs: Number(Details.value.retryAfterNanoseconds / 1_000_000n) } : error;
}

function readSettings({ hash, opamp }: wire.ConnectionSettingsOffers): OpampSettingsOffer {
	return {
		hash,
		destinationEndpoint: opamp?.destinationEndpoint ?? '',
		heartbeatIntervalSeconds: Number(opamp?.heartbeatIntervalSeconds ?? 0n),
		headers: opamp?.headers?.headers ?? [],
	};
}

const isSet = (value: unknown): boolean => value !== undefined && value !== 0n;

/** Reads what a server sent; throws on bytes that are none, as a server of ours never sends such. */
export function decodeServerToAgent(message: Uint8Array): ReceivedMessage {
	const { instanceUid, ...rest } = wire.ServerToAgent.decode(message);
	return {
		instanceUid: uidText(instanceUid),
		reportFullState: (rest.flags & 1n) !== 0n,
		reportAvailableComponents: (rest.flags & 2n) !== 0n,
		capabilities: serverCapabilities(rest.capabilities),
		extraFields: Object.values(rest).filter(isSet).length,
		...(rest.errorResponse && { error: readError(rest.errorResponse) }),
		...(rest.remoteConfig && {
			remoteConfig: {
				files: configFiles(rest.remoteConfig.config),
				configHash: new Uint8Array(rest.remoteConfig.configHash),
			},
		}),
		...(rest.connectionSettings && { settings: readSettings(rest.connectionSettings) }),
		...(rest.agentIdentification && { newInstanceUid: uidText(rest.agentIdentification.newInstanceUid) }),
		...(rest.customCapabilities && { customCapabilities: rest.customCapabilities.capabilities }),
	};
}
