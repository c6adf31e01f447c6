import type { InputOf, Settings } from '@ampora/api-contract';
import { formatDuration, ok } from '@ampora/runtime';
import type { Repositories, Retention } from '@ampora/store';
import { audit } from './audit.js';
import type { Caller } from './caller.js';
import { type Outcome, refuse } from './errors.js';

/** Holds what was changed and nothing else, so that the product's defaults may still move. */
const retentionName = 'fleet.retention';
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
const productRetention: Retention = { unseenMs: 30 * dayMs, goodbyeMs: hourMs };
/** Longer than an agent takes to restart, and as long as anybody keeps a database. */
const [leastMs, mostMs] = [10 * minuteMs, 3_650 * dayMs];

/** Only `changeRetention` writes it, after validation. */
const asChanged = (stored: unknown): Partial<Retention> => (stored ?? {}) as Partial<Retention>;

type Reading = Pick<Repositories, 'settings'>;

/** How long agents that are away stay in sight here. */
export const fleetRetention = async ({ settings }: Reading): Promise<Retention> => ({
	...productRetention,
	...asChanged(await settings.read(retentionName)),
});

export async function retentionView({ settings }: Reading): Promise<Settings['fleetRetention']> {
	const changed = asChanged(await settings.read(retentionName));
	const { unseenMs, goodbyeMs } = { ...productRetention, ...changed };
	return {
		...{ unseen: formatDuration(unseenMs), unseenMs, goodbye: formatDuration(goodbyeMs), goodbyeMs },
		changed: Object.keys(changed).length > 0,
	};
}

type Change = Pick<InputOf<'updateSettings'>, 'fleetRetention' | 'resetRetention'>;

export async function changeRetention(
	repositories: Repositories,
	caller: Caller,
	{ fleetRetention: given, resetRetention = false }: Change,
): Outcome<null> {
	if (given === undefined && !resetRetention) return ok(null);
	const asked = { unseen: given?.unseen, goodbye: given?.goodbye };
	for (const [field, ms] of Object.entries(asked)) {
		if (ms === undefined || (ms >= leastMs && ms <= mostMs)) continue;
		const range = `from ${formatDuration(leastMs)} to ${formatDuration(mostMs)}`;
		return refuse('invalid-argument', `fleetRetention.${field}: ${formatDuration(ms)} is not ${range}`, {
			details: { field: `fleetRetention.${field}` },
			action: `Give a duration ${range}.`,
		});
	}
	const before = asChanged(await repositories.settings.readForChange(retentionName, {}));
	const after = {
		...(resetRetention ? {} : before),
		...(asked.unseen !== undefined && { unseenMs: asked.unseen }),
		...(asked.goodbye !== undefined && { goodbyeMs: asked.goodbye }),
	};
	await repositories.settings.write(retentionName, after);
	const entity = ['setting', retentionName] as const;
	await audit(repositories, caller, { action: 'Settings.Changed', entity, before, after });
	return ok(null);
}
