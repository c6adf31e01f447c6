import type { Clock } from '@ampora/runtime';
import type { EngineStore, EnrolmentStore, GatewayStore, SelectorStore } from '../ports.js';
import { engineMoves } from './engine_moves.js';
import { enrolmentMoves } from './enrolment_moves.js';
import { gatewayMoves } from './gateway_moves.js';
import { selectorMoves } from './selector_moves.js';
import { type Faults, type Flaws, MemoryState } from './state.js';

/** The ports on plain maps, for tests and for the simulated world: every move happens at one moment of `clock`. */
export interface MemoryStore {
	readonly gateway: GatewayStore;
	readonly engine: EngineStore;
	readonly selectors: SelectorStore;
	readonly enrolments: EnrolmentStore;
	/** All rows, to prepare a world and to check it. */
	readonly state: MemoryState;
}

export interface MemoryOptions {
	readonly faults?: Faults;
	readonly flaws?: Flaws;
}

type Asynchronous<Moves> = {
	[Name in keyof Moves]: Moves[Name] extends (...args: infer Args) => infer Result
		? (...args: Args) => Promise<Result>
		: never;
};

/** Each move between the two hooks: what happens before the first await of `before` is not part of it. */
function withFaults<Moves extends object>(moves: Moves, faults: Faults): Asynchronous<Moves> {
	const wrapped = Object.entries(moves).map(([name, move]) => [
		name,
		async (...args: readonly unknown[]) => {
			await faults.before?.(name);
			const result: unknown = (move as (...args: readonly unknown[]) => unknown)(...args);
			await faults.after?.(name);
			return result;
		},
	]);
	return Object.fromEntries(wrapped) as Asynchronous<Moves>;
}

export function createMemoryStore(clock: Pick<Clock, 'nowMs'>, options: MemoryOptions = {}): MemoryStore {
	const state = new MemoryState(clock, options.flaws ?? {});
	const faults = options.faults ?? {};
	return {
		gateway: withFaults(gatewayMoves(state), faults) as GatewayStore,
		selectors: withFaults(selectorMoves(state), faults) as SelectorStore,
		enrolments: withFaults(enrolmentMoves(state), faults) as EnrolmentStore,
		engine: withFaults(engineMoves(state), faults) as EngineStore,
		state,
	};
}
