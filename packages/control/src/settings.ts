import type { InputOf, Settings } from '@ampora/api-contract';
import { defaultGates, type GateName, gateNames, type RolloutSpec, resolveSpec, validateSpec } from '@ampora/rollout';
import { formatDuration, ok } from '@ampora/runtime';
import type { Repositories } from '@ampora/store';
import { audit } from './audit.js';
import type { Caller } from './caller.js';
import type { Outcome } from './errors.js';
import { refuseSpec, toGates } from './new_rollout.js';
import type { ControlDeps } from './ports.js';
import { unitOfWork } from './unit_of_work.js';

/** Holds what was changed and nothing else, so that the product's defaults may still move. */
const gateDefaultsName = 'rollouts.gateDefaults';
type ChangedGates = ReturnType<typeof toGates>;
type Gates = RolloutSpec['gates'];

const seed = 'defaults';
const withDefaults = (changed: ChangedGates): Gates => resolveSpec({ seed, gates: changed }, defaultGates).gates;
/** Only `updateSettings` writes it, after validation. */
const asChanged = (stored: unknown): ChangedGates => (stored ?? {}) as ChangedGates;

/** What a new rollout's gates are where it does not say. */
export const gateDefaults = async ({ settings }: Pick<Repositories, 'settings'>): Promise<Gates> =>
	withDefaults(asChanged(await settings.read(gateDefaultsName)));

function toSettings(changed: ChangedGates): Settings {
	const gates = withDefaults(changed);
	const view = (gate: GateName) => {
		const { thresholdPercent, windowMs, minSample = 0 } = gates[gate];
		const window = formatDuration(windowMs);
		return { gate, thresholdPercent, window, windowMs, minSample, changed: changed[gate] !== undefined };
	};
	return { gateDefaults: gateNames.map(view) };
}

function changedBy(before: ChangedGates, { gateDefaults, resetGates = [] }: InputOf<'updateSettings'>): ChangedGates {
	const kept = Object.fromEntries(Object.entries(before).filter(([gate]) => !resetGates.includes(gate as GateName)));
	const given = toGates(gateDefaults);
	const merged = gateNames.map((gate) => [gate, { ...asChanged(kept)[gate], ...given[gate] }] as const);
	return Object.fromEntries(merged.filter(([, fields]) => Object.keys(fields).length > 0));
}

export const settingsUseCases = ({ store }: ControlDeps) => ({
	async getSettings(_caller: Caller, _input: InputOf<'getSettings'>): Outcome<Settings> {
		return ok(toSettings(asChanged(await store.settings.read(gateDefaultsName))));
	},

	updateSettings: (caller: Caller, input: InputOf<'updateSettings'>): Outcome<Settings> =>
		unitOfWork(store, async (repositories) => {
			const before = asChanged(await repositories.settings.readForChange(gateDefaultsName, {}));
			const after = changedBy(before, input);
			const problems = validateSpec(resolveSpec({ seed, gates: after }));
			if (problems.length > 0) return refuseSpec(problems);
			await repositories.settings.write(gateDefaultsName, after);
			await audit(repositories, caller, {
				action: 'Settings.Changed',
				entity: ['setting', gateDefaultsName],
				before,
				after,
			});
			return ok(toSettings(after));
		}),
});
