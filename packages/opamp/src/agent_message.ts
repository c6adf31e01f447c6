import { err, ok, type Result } from '@ampora/runtime';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { type Attribute, fromWireAttribute } from './any_value.js';
import type { ConfigFile, ConfigFiles } from './config_hash.js';
import { type DecodeError, Undecodable } from './errors.js';
import * as wire from './gen/opamp/v1/opamp.js';
import type { MessageLimits } from './limits.js';
import { type AgentParts, attempt, type PartName, type ScannedMessage, scanAgentToServer } from './scan.js';
import { checkShape, shapes } from './shape.js';

export interface AgentDescription {
	readonly identifying: readonly Attribute[];
	readonly nonIdentifying: readonly Attribute[];
}

export interface ComponentHealth {
	readonly healthy: boolean;
	/** Nanoseconds since 1970; 0 when never started. */
	readonly startTimeUnixNano: bigint;
	readonly lastError: string;
	/** Free text. */
	readonly status: string;
	/** Nanoseconds since 1970. */
	readonly statusTimeUnixNano: bigint;
	readonly components: ReadonlyMap<string, ComponentHealth>;
	readonly attributes: readonly Attribute[];
}

/** No files at all when the agent says it runs nothing, or only that it has a config. */
export interface EffectiveConfig {
	readonly files: ConfigFiles;
}

export type ApplyStatus = 'unset' | 'applied' | 'applying' | 'failed';

export interface RemoteConfigStatus {
	/** Empty when the agent never received one. */
	readonly lastRemoteConfigHash: Uint8Array;
	readonly status: ApplyStatus;
	readonly errorMessage: string;
}

export interface ConnectionSettingsStatus {
	readonly lastConnectionSettingsHash: Uint8Array;
	readonly status: ApplyStatus;
	readonly errorMessage: string;
}

export type PackageInstallStatus = 'installed' | 'install-pending' | 'installing' | 'install-failed' | 'downloading';

export interface PackageStatus {
	readonly name: string;
	readonly agentHasVersion: string;
	readonly agentHasHash: Uint8Array;
	readonly serverOfferedVersion: string;
	readonly serverOfferedHash: Uint8Array;
	/** `undefined` for a number nobody has named yet. */
	readonly status: PackageInstallStatus | undefined;
	readonly errorMessage: string;
}

export interface PackageStatuses {
	readonly packages: ReadonlyMap<string, PackageStatus>;
	readonly serverProvidedAllPackagesHash: Uint8Array;
	readonly errorMessage: string;
}

export interface ConnectionSettingsRequest {
	/** PEM certificate signing request; absent when none is asked for. */
	readonly csr?: Uint8Array;
}

export interface CustomMessage {
	readonly capability: string;
	readonly type: string;
	readonly data: Uint8Array;
}

export interface ComponentDetails {
	readonly metadata: readonly Attribute[];
	readonly components: ReadonlyMap<string, ComponentDetails>;
}

export interface AvailableComponents {
	readonly hash: Uint8Array;
	/** Empty in a first report, which carries the hash alone. */
	readonly components: ReadonlyMap<string, ComponentDetails>;
}

/** The sub-messages of one message, decoded; own their bytes. Absent means "as last reported" (C-48). */
export interface AgentReport {
	readonly agentDescription?: AgentDescription;
	readonly health?: ComponentHealth;
	readonly effectiveConfig?: EffectiveConfig;
	readonly remoteConfigStatus?: RemoteConfigStatus;
	readonly packageStatuses?: PackageStatuses;
	readonly connectionSettingsRequest?: ConnectionSettingsRequest;
	readonly customCapabilities?: readonly string[];
	readonly customMessage?: CustomMessage;
	readonly availableComponents?: AvailableComponents;
	readonly connectionSettingsStatus?: ConnectionSettingsStatus;
}

/** A whole AgentToServer. */
export interface AgentMessage extends Omit<ScannedMessage, 'parts'> {
	readonly report: AgentReport;
}

/** Total records: an enum value added to the protocol does not compile until it is mapped. */
const applyStatus: Readonly<Record<wire.RemoteConfigStatuses, ApplyStatus>> = {
	[wire.RemoteConfigStatuses.RemoteConfigStatuses_UNSET]: 'unset',
	[wire.RemoteConfigStatuses.RemoteConfigStatuses_APPLIED]: 'applied',
	[wire.RemoteConfigStatuses.RemoteConfigStatuses_APPLYING]: 'applying',
	[wire.RemoteConfigStatuses.RemoteConfigStatuses_FAILED]: 'failed',
	[wire.RemoteConfigStatuses.UNRECOGNIZED]: 'unset',
};
const settingsStatus: Readonly<Record<wire.ConnectionSettingsStatuses, ApplyStatus>> = {
	[wire.ConnectionSettingsStatuses.ConnectionSettingsStatuses_UNSET]: 'unset',
	[wire.ConnectionSettingsStatuses.ConnectionSettingsStatuses_APPLIED]: 'applied',
	[wire.ConnectionSettingsStatuses.ConnectionSettingsStatuses_APPLYING]: 'applying',
	[wire.ConnectionSettingsStatuses.ConnectionSettingsStatuses_FAILED]: 'failed',
	[wire.ConnectionSettingsStatuses.UNRECOGNIZED]: 'unset',
};
const packageStatus: Readonly<Record<wire.PackageStatusEnum, PackageInstallStatus | undefined>> = {
	[wire.PackageStatusEnum.PackageStatusEnum_Installed]: 'installed',
	[wire.PackageStatusEnum.PackageStatusEnum_InstallPending]: 'install-pending',
	[wire.PackageStatusEnum.PackageStatusEnum_Installing]: 'installing',
	[wire.PackageStatusEnum.PackageStatusEnum_InstallFailed]: 'install-failed',
	[wire.PackageStatusEnum.PackageStatusEnum_Downloading]: 'downloading',
	[wire.PackageStatusEnum.UNRECOGNIZED]: undefined,
};
/** A number that no enum names yet comes out of the decoder as it is; it says nothing we understand (C-35). */
const mapped = <T>(table: Readonly<Record<number, T>>, value: number, otherwise: T): T => table[value] ?? otherwise;

/** Copies, so that a kept value does not hold the whole frame, and for Buffer too, whose slice would not. */
const owned = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes);

const mapValues = <From, To>(map: ReadonlyMap<string, From>, convert: (value: From) => To): Map<string, To> =>
	new Map(Array.from(map, ([key, value]) => [key, convert(value)]));

const configFile = ({ body, contentType }: wire.AgentConfigFile): ConfigFile => ({ body: owned(body), contentType });

export const configFiles = (map: wire.AgentConfigMap | undefined): ConfigFiles =>
	mapValues(map?.configMap ?? new Map<string, wire.AgentConfigFile>(), configFile);

const componentHealth = (health: wire.ComponentHealth): ComponentHealth => ({
	healthy: health.healthy,
	startTimeUnixNano: health.startTimeUnixNano,
	lastError: health.lastError,
	status: health.status,
	statusTimeUnixNano: health.statusTimeUnixNano,
	components: mapValues(health.componentHealthMap, componentHealth),
	attributes: health.attributes.map(fromWireAttribute),
});

const componentDetails = (details: wire.ComponentDetails): ComponentDetails => ({
	metadata: details.metadata.map(fromWireAttribute),
	components: mapValues(details.subComponentMap, componentDetails),
});

const onePackage = (status: wire.PackageStatus): PackageStatus => ({
	name: status.name,
	agentHasVersion: status.agentHasVersion,
	agentHasHash: owned(status.agentHasHash),
	serverOfferedVersion: status.serverOfferedVersion,
	serverOfferedHash: owned(status.serverOfferedHash),
	status: mapped(packageStatus, status.status, undefined),
	errorMessage: status.errorMessage,
});

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The agent's text is somebody else's: it is refused when it is not UTF-8, never repaired. */
function readText(bytes: Uint8Array): string {
	try {
		return strictUtf8.decode(bytes);
	} catch {
		throw new Undecodable('malformed-text', 'a string is not valid UTF-8');
	}
}

type Decoders = { readonly [Name in PartName]: (reader: BinaryReader) => NonNullable<AgentReport[Name]> };

const decoders: Decoders = {
	agentDescription(reader) {
		const description = wire.AgentDescription.decode(reader);
		return {
			identifying: description.identifyingAttributes.map(fromWireAttribute),
			nonIdentifying: description.nonIdentifyingAttributes.map(fromWireAttribute),
		};
	},
	health: (reader) => componentHealth(wire.ComponentHealth.decode(reader)),
	effectiveConfig: (reader) => ({ files: configFiles(wire.EffectiveConfig.decode(reader).configMap) }),
	remoteConfigStatus(reader) {
		const status = wire.RemoteConfigStatus.decode(reader);
		return {
			lastRemoteConfigHash: owned(status.lastRemoteConfigHash),
			status: mapped(applyStatus, status.status, 'unset'),
			errorMessage: status.errorMessage,
		};
	},
	packageStatuses(reader) {
		const statuses = wire.PackageStatuses.decode(reader);
		return {
			packages: mapValues(statuses.packages, onePackage),
			serverProvidedAllPackagesHash: owned(statuses.serverProvidedAllPackagesHash),
			errorMessage: statuses.errorMessage,
		};
	},
	connectionSettingsRequest(reader) {
		const csr = wire.ConnectionSettingsRequest.decode(reader).opamp?.certificateRequest?.csr;
		return csr ? { csr: owned(csr) } : {};
	},
	customCapabilities: (reader) => wire.CustomCapabilities.decode(reader).capabilities,
	customMessage(reader) {
		const { capability, type, data } = wire.CustomMessage.decode(reader);
		return { capability, type, data: owned(data) };
	},
	availableComponents(reader) {
		const available = wire.AvailableComponents.decode(reader);
		return { hash: owned(available.hash), components: mapValues(available.components, componentDetails) };
	},
	connectionSettingsStatus(reader) {
		const status = wire.ConnectionSettingsStatus.decode(reader);
		return {
			lastConnectionSettingsHash: owned(status.lastConnectionSettingsHash),
			status: mapped(settingsStatus, status.status, 'unset'),
			errorMessage: status.errorMessage,
		};
	},
};

/**
 * Decodes one sub-message that `scanAgentToServer` found, within the limits. Decode only what changed: comparing the bytes with
 * those of the last report costs a fraction of this.
 */
export function decodePart<Name extends PartName>(
	name: Name,
	bytes: Uint8Array,
	limits: MessageLimits,
): Result<NonNullable<AgentReport[Name]>, DecodeError> {
	return attempt(() => {
		checkShape(bytes, shapes[name], limits);
		return decoders[name](new BinaryReader(bytes, readText));
	});
}

/** Decodes every sub-message; the first that cannot be read is the error. */
export function decodeParts(parts: AgentParts, limits: MessageLimits): Result<AgentReport, DecodeError> {
	const report: Partial<Record<PartName, unknown>> = {};
	for (const name of Object.keys(parts) as PartName[]) {
		const bytes = parts[name];
		if (bytes === undefined) continue;
		const part = decodePart(name, bytes, limits);
		if (!part.ok) return err({ ...part.error, message: `${name}: ${part.error.message}` });
		report[name] = part.value;
	}
	return ok(report as AgentReport);
}

/** The whole of a message at once, for whoever has no last report to compare with. */
export function decodeAgentToServer(message: Uint8Array, limits: MessageLimits): Result<AgentMessage, DecodeError> {
	const scanned = scanAgentToServer(message, limits);
	if (!scanned.ok) return scanned;
	const { parts, ...envelope } = scanned.value;
	const report = decodeParts(parts, limits);
	return report.ok ? ok({ ...envelope, report: report.value }) : report;
}
