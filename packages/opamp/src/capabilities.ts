import { AgentCapabilities as AgentBit, ServerCapabilities as ServerBit } from './gen/opamp/v1/opamp.js';

type Numbered<Bit> = Exclude<keyof Bit, `${string}_Unspecified` | 'UNRECOGNIZED'>;
type Named<Bit, Prefix extends string> = Numbered<Bit> extends `${Prefix}_${infer Name}` ? Name : never;

/** What an agent may declare, named as in the protocol. */
export type AgentCapability = Named<typeof AgentBit, 'AgentCapabilities'>;
/** What a server may declare, named as in the protocol. */
export type ServerCapability = Named<typeof ServerBit, 'ServerCapabilities'>;

/** Records, not lookups: a bit added to the protocol does not compile until it stands here. */
const agentBits: Readonly<Record<AgentCapability, number>> = {
	ReportsStatus: AgentBit.AgentCapabilities_ReportsStatus,
	AcceptsRemoteConfig: AgentBit.AgentCapabilities_AcceptsRemoteConfig,
	ReportsEffectiveConfig: AgentBit.AgentCapabilities_ReportsEffectiveConfig,
	AcceptsPackages: AgentBit.AgentCapabilities_AcceptsPackages,
	ReportsPackageStatuses: AgentBit.AgentCapabilities_ReportsPackageStatuses,
	ReportsOwnTraces: AgentBit.AgentCapabilities_ReportsOwnTraces,
	ReportsOwnMetrics: AgentBit.AgentCapabilities_ReportsOwnMetrics,
	ReportsOwnLogs: AgentBit.AgentCapabilities_ReportsOwnLogs,
	AcceptsOpAMPConnectionSettings: AgentBit.AgentCapabilities_AcceptsOpAMPConnectionSettings,
	AcceptsOtherConnectionSettings: AgentBit.AgentCapabilities_AcceptsOtherConnectionSettings,
	AcceptsRestartCommand: AgentBit.AgentCapabilities_AcceptsRestartCommand,
	ReportsHealth: AgentBit.AgentCapabilities_ReportsHealth,
	ReportsRemoteConfig: AgentBit.AgentCapabilities_ReportsRemoteConfig,
	ReportsHeartbeat: AgentBit.AgentCapabilities_ReportsHeartbeat,
	ReportsAvailableComponents: AgentBit.AgentCapabilities_ReportsAvailableComponents,
	ReportsConnectionSettingsStatus: AgentBit.AgentCapabilities_ReportsConnectionSettingsStatus,
};
const serverBits: Readonly<Record<ServerCapability, number>> = {
	AcceptsStatus: ServerBit.ServerCapabilities_AcceptsStatus,
	OffersRemoteConfig: ServerBit.ServerCapabilities_OffersRemoteConfig,
	AcceptsEffectiveConfig: ServerBit.ServerCapabilities_AcceptsEffectiveConfig,
	OffersPackages: ServerBit.ServerCapabilities_OffersPackages,
	AcceptsPackagesStatus: ServerBit.ServerCapabilities_AcceptsPackagesStatus,
	OffersConnectionSettings: ServerBit.ServerCapabilities_OffersConnectionSettings,
	AcceptsConnectionSettingsRequest: ServerBit.ServerCapabilities_AcceptsConnectionSettingsRequest,
};

const uint64Mask = (1n << 64n) - 1n;
/** Every bit the protocol names fits here; the others are kept in `word` and mean nothing yet (C-35). */
const knownBits = 0xffffn;

/** A set of capabilities; immutable. */
export class CapabilitySet<Name extends string> {
	readonly #known: number;
	readonly #bits: Readonly<Record<Name, number>>;

	constructor(
		/** The word as it is on the wire, bits nobody named yet included. */
		readonly word: bigint,
		bits: Readonly<Record<Name, number>>,
	) {
		this.#known = Number(word & knownBits);
		this.#bits = bits;
	}

	has(name: Name): boolean {
		return (this.#known & this.#bits[name]) !== 0;
	}

	names(): Name[] {
		return (Object.keys(this.#bits) as Name[]).filter((name) => this.has(name));
	}
}

export type AgentCapabilities = CapabilitySet<AgentCapability>;
export type ServerCapabilities = CapabilitySet<ServerCapability>;

/** Fleets declare a handful of different words, so the sets are shared; bounded, because agents choose the words. */
const interned = new Map<bigint, AgentCapabilities>();
const internedMax = 1024;

export function agentCapabilities(word: bigint): AgentCapabilities {
	const known = interned.get(word);
	if (known) return known;
	const made = new CapabilitySet(word & uint64Mask, agentBits);
	if (interned.size < internedMax) interned.set(word, made);
	return made;
}

const wordOf = <Name extends string>(names: readonly Name[], bits: Readonly<Record<Name, number>>): bigint =>
	BigInt(names.reduce((word, name) => word | bits[name], 0));

export const agentCapabilitiesOf = (...names: AgentCapability[]): AgentCapabilities =>
	agentCapabilities(wordOf(names, agentBits));

export const serverCapabilities = (word: bigint): ServerCapabilities =>
	new CapabilitySet(word & uint64Mask, serverBits);

export const serverCapabilitiesOf = (...names: ServerCapability[]): ServerCapabilities =>
	serverCapabilities(wordOf(names, serverBits));
