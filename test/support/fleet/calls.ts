import type { TelemetryRule } from './exporter.js';
import type { Cohort, FleetOptions, Selection } from './fleet.js';
import type { FleetEvent, FleetStats, OfferRecord } from './ledger.js';
import type { BehaviourRule } from './outcome.js';

/** One agent as it stands. */
export interface AgentState {
	readonly index: number;
	readonly instanceUid: string;
	readonly connected: boolean;
	readonly healthy: boolean;
	/** Hash of the configuration its collector runs, hex; null for the local one. */
	readonly running: string | null;
	readonly framesReceived: number;
	readonly bytesReceived: number;
}

export interface OfferedText {
	readonly hash: string;
	readonly text: string;
}

/** What a fleet process can be asked, one line of JSON each way. */
export interface FleetCalls {
	/** First call: which server, which seed. */
	open: { input: FleetOptions; output: null };
	add: { input: Cohort; output: { from: number; to: number } };
	/** `perSecond` null launches all at once. */
	launch: { input: { perSecond: number | null }; output: null };
	rules: { input: readonly BehaviourRule[]; output: null };
	/** From the first call on the agents' own metrics are at `url`. */
	telemetry: { input: readonly TelemetryRule[]; output: { url: string } };
	wake: { input: Selection; output: null };
	sleep: { input: Selection; output: null };
	kill: { input: { select: Selection; backAfterMs: number | null }; output: null };
	restart: { input: { select: Selection; backAfterMs: number; newUids: boolean }; output: null };
	stats: { input: null; output: FleetStats };
	/** Offers number `from` and on, in the order they came. */
	offers: { input: { from: number }; output: readonly OfferRecord[] };
	configs: { input: null; output: readonly OfferedText[] };
	agents: { input: Selection; output: readonly AgentState[] };
	/** Resident memory, and CPU time since the process began. */
	usage: { input: null; output: { rssBytes: number; cpuMs: number } };
	/** Push every event from now on. */
	events: { input: null; output: null };
	stop: { input: { goodbye: boolean }; output: null };
}

export type FleetOp = keyof FleetCalls;

export interface FleetRequest<Op extends FleetOp = FleetOp> {
	readonly id: number;
	readonly op: Op;
	readonly input: FleetCalls[Op]['input'];
}

export type FleetLine =
	| { readonly id: number; readonly value: unknown }
	| { readonly id: number; readonly error: string }
	| { readonly stats: FleetStats }
	| { readonly event: FleetEvent };
