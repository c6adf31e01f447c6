import type { InputOf, Settings } from '@ampora/api-contract';
import { defaultGates, type GateName, gateNames, type RolloutSpec, resolveSpec, validateSpec } from '@ampora/rollout';
import { formatDuration, ok } from '@ampora/runtime';
import { identitySetting, type Repositories } from '@ampora/store';
import { audit } from './audit.js';
import type { Caller } from './caller.js';
import type { Outcome } from './errors.js';
import { refuseSpec, toGates } from './new_rollout.js';
import type { ControlDeps } from './ports.js';
import { changeRetention, retentionView } from './retention.js';
import { unitOfWork } from './unit_of_work.js';

/** Holds what was changed and nothing else, so that the product's defaults may still move. */
const gateDefaultsName = 'rollouts.gateDefaults';
type ChangedGates = ReturnType<typeof toGates>;
type Gates = RolloutSpec['gates'];
type Change = InputOf<'updateSettings'>;

const seed = 'defaults';
const withDefaults = (changed: ChangedGates): Gates => resolveSpec({ seed, gates: changed }, defaultGates).gates;
/** Only `updateSettings` writes it, after validation. */
const asChanged = (stored: unknown): ChangedGates => (stored ?? {}) as ChangedGates;

/** What a new rollout's gates are where it does not say. */
export const gateDefaults = async ({ settings }: Pick<Repositories, 'settings'>): Promise<Gates> =>
	withDefaults(asChanged(await settings.read(gateDefaultsName)));

/** As it is stored: `sweep` has the gateways look at all agents anew. */
interface StoredIdentity {
	readonly attributes: readonly string[];
	readonly sweep: object | null;
}
const byUid: StoredIdentity = { attributes: [], sweep: null };
const asIdentity = (stored: unknown): StoredIdentity => (stored ?? byUid) as StoredIdentity;

function gateView(changed: ChangedGates): Settings['gateDefaults'] {
	const gates = withDefaults(changed);
	const view = (gate: GateName) => {
		const { thresholdPercent, windowMs, minSample = 0 } = gates[gate];
		const window = formatDuration(windowMs);
		return { gate, thresholdPercent, window, windowMs, minSample, changed: changed[gate] !== undefined };
	};
	return gateNames.map(view);
}

async function readSettings(repositories: Pick<Repositories, 'settings'>): Promise<Settings> {
	const { settings } = repositories;
	const { attributes, sweep } = asIdentity(await settings.read(identitySetting));
	return {
		gateDefaults: gateView(asChanged(await settings.read(gateDefaultsName))),
		agentIdentity: { attributes: [...attributes], settling: sweep !== null },
		fleetRetention: await retentionView(repositories),
	};
}

function changedBy(before: ChangedGates, { gateDefaults, resetGates = [] }: Change): ChangedGates {
	const kept = Object.fromEntries(Object.entries(before).filter(([gate]) => !resetGates.includes(gate as GateName)));
	const given = toGates(gateDefaults);
	const merged = gateNames.map((gate) => [gate, { ...asChanged(kept)[gate], ...given[gate] }] as const);
	return Object.fromEntries(merged.filter(([, fields]) => Object.keys(fields).length > 0));
}

async function changeGates(repositories: Repositories, caller: Caller, change: Change): Outcome<null> {
	if (!change.gateDefaults && !change.resetGates) return ok(null);
	const before = asChanged(await repositories.settings.readForChange(gateDefaultsName, {}));
	const after = changedBy(before, change);
	const problems = validateSpec(resolveSpec({ seed, gates: after }));
	if (problems.length > 0) return refuseSpec(problems);
	await repositories.settings.write(gateDefaultsName, after);
	await note(repositories, caller, { name: gateDefaultsName, before, after });
	return ok(null);
}

/** Agents are looked at anew only when it means something else than before. */
async function changeIdentity(repositories: Repositories, caller: Caller, change: Change): Outcome<null> {
	const attributes = change.agentIdentity?.attributes;
	if (!attributes) return ok(null);
	const before = asIdentity(await repositories.settings.readForChange(identitySetting, byUid));
	if (attributes.join() === before.attributes.join()) return ok(null);
	const after: StoredIdentity = { attributes, sweep: { after: null } };
	await repositories.settings.write(identitySetting, after);
	const names = { before: before.attributes, after: attributes };
	await note(repositories, caller, { name: identitySetting, ...names });
	return ok(null);
}

const note = (
	repositories: Repositories,
	caller: Caller,
	{ name, before, after }: { name: string; before: unknown; after: unknown },
) => audit(repositories, caller, { action: 'Settings.Changed', entity: ['setting', name], before, after });

export const settingsUseCases = ({ store }: ControlDeps) => ({
	async getSettings(_caller: Caller, _input: InputOf<'getSettings'>): Outcome<Settings> {
		return ok(await readSettings(store));
	},

	updateSettings: (caller: Caller, input: Change): Outcome<Settings> =>
		unitOfWork(store, async (repositories) => {
			for (const change of [changeGates, changeIdentity, changeRetention]) {
				const changed = await change(repositories, caller, input);
				if (!changed.ok) return changed;
			}
			return ok(await readSettings(repositories));
		}),
});
