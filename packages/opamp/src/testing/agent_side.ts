import type {
	AgentReport,
	ApplyStatus,
	ComponentDetails,
	ComponentHealth,
	PackageInstallStatus,
	PackageStatus,
} from '../agent_message.js';
import { toWireAttribute } from '../any_value.js';
import type { ConfigFiles } from '../config_hash.js';
import type { Frame } from '../framing.js';
import * as wire from '../gen/opamp/v1/opamp.js';
import { type InstanceUid, uidBytes } from '../instance_uid.js';

/** What an agent says; the mirror of AgentMessage. */
export interface AgentMessageInput {
	/** Text for a proper uid, bytes to send one of any length. */
	readonly instanceUid: InstanceUid | Uint8Array;
	readonly sequenceNum: bigint;
	readonly capabilities: bigint;
	readonly requestsInstanceUid?: boolean;
	readonly disconnect?: boolean;
	readonly report?: AgentReport;
}

const statusNumber: Readonly<Record<ApplyStatus, 0 | 1 | 2 | 3>> = { unset: 0, applied: 1, applying: 2, failed: 3 };
const packageStatusNumber: Readonly<Record<PackageInstallStatus, wire.PackageStatusEnum>> = {
	installed: wire.PackageStatusEnum.PackageStatusEnum_Installed,
	'install-pending': wire.PackageStatusEnum.PackageStatusEnum_InstallPending,
	installing: wire.PackageStatusEnum.PackageStatusEnum_Installing,
	'install-failed': wire.PackageStatusEnum.PackageStatusEnum_InstallFailed,
	downloading: wire.PackageStatusEnum.PackageStatusEnum_Downloading,
};

const mapValues = <From, To>(map: ReadonlyMap<string, From>, convert: (value: From) => To): Map<string, To> =>
	new Map(Array.from(map, ([key, value]) => [key, convert(value)]));

const configMap = (files: ConfigFiles): wire.AgentConfigMap => ({
	configMap: mapValues(files, (file) => ({ ...file })),
});

const wireHealth = ({ components, attributes, ...rest }: ComponentHealth): wire.ComponentHealth => ({
	...rest,
	componentHealthMap: mapValues(components, wireHealth),
	attributes: attributes.map(toWireAttribute),
});

const wireDetails = ({ metadata, components }: ComponentDetails): wire.ComponentDetails => ({
	metadata: metadata.map(toWireAttribute),
	subComponentMap: mapValues(components, wireDetails),
});

const wirePackage = (status: PackageStatus): wire.PackageStatus => ({
	...status,
	status: status.status ? packageStatusNumber[status.status] : wire.PackageStatusEnum.UNRECOGNIZED,
	downloadDetails: undefined,
});

type WireReport = Partial<wire.AgentToServer>;
type Encoders = { readonly [Name in keyof AgentReport]-?: (part: NonNullable<AgentReport[Name]>) => WireReport };

const encoders: Encoders = {
	agentDescription: (part) => ({
		agentDescription: {
			identifyingAttributes: part.identifying.map(toWireAttribute),
			nonIdentifyingAttributes: part.nonIdentifying.map(toWireAttribute),
		},
	}),
	health: (part) => ({ health: wireHealth(part) }),
	effectiveConfig: (part) => ({ effectiveConfig: { configMap: configMap(part.files) } }),
	remoteConfigStatus: (part) => ({ remoteConfigStatus: { ...part, status: statusNumber[part.status] } }),
	packageStatuses: (part) => ({ packageStatuses: { ...part, packages: mapValues(part.packages, wirePackage) } }),
	connectionSettingsRequest: (part) => ({
		connectionSettingsRequest: { opamp: part.csr && { certificateRequest: { csr: part.csr } } },
	}),
	customCapabilities: (part) => ({ customCapabilities: { capabilities: [...part] } }),
	customMessage: (part) => ({ customMessage: { ...part } }),
	availableComponents: (part) => ({
		availableComponents: { hash: part.hash, components: mapValues(part.components, wireDetails) },
	}),
	connectionSettingsStatus: (part) => ({ connectionSettingsStatus: { ...part, status: statusNumber[part.status] } }),
};

function wireReport(report: AgentReport): WireReport {
	const merged: WireReport = {};
	for (const name of Object.keys(report) as (keyof AgentReport)[]) {
		const encode = encoders[name] as (part: unknown) => WireReport;
		if (report[name] !== undefined) Object.assign(merged, encode(report[name]));
	}
	return merged;
}

/** The frame an agent sends; `messageOf` gives the body for plain HTTP. */
export function encodeAgentToServer(input: AgentMessageInput): Frame {
	const { instanceUid, sequenceNum, capabilities, requestsInstanceUid, disconnect, report = {} } = input;
	const message: wire.AgentToServer = {
		instanceUid: typeof instanceUid === 'string' ? uidBytes(instanceUid) : instanceUid,
		sequenceNum,
		capabilities,
		flags: requestsInstanceUid ? 1n : 0n,
		agentDescription: undefined,
		health: undefined,
		effectiveConfig: undefined,
		remoteConfigStatus: undefined,
		packageStatuses: undefined,
		agentDisconnect: disconnect ? {} : undefined,
		connectionSettingsRequest: undefined,
		customCapabilities: undefined,
		customMessage: undefined,
		availableComponents: undefined,
		connectionSettingsStatus: undefined,
		...wireReport(report),
	};
	const bytes = wire.AgentToServer.encode(message).finish();
	const frame = new Uint8Array(bytes.length + 1);
	frame.set(bytes, 1);
	return frame;
}
