import type { AnswerOf, InputOf, RolloutAnswer } from '@ampora/api-contract';
import { ok } from '@ampora/runtime';
import type { Caller } from './caller.js';
import { commandUseCases } from './commands.js';
import { instantShape, rowAfter, rowCursor, wholeShape } from './cursor.js';
import { notFound, type Outcome } from './errors.js';
import type { ControlDeps } from './ports.js';
import { findAnyGroup } from './references.js';
import { createRollout } from './rollout_create.js';
import { toEvents } from './rollout_events.js';
import { showRollout, toRolloutSummary, toTarget } from './rollout_view.js';

export const rolloutUseCases = (deps: ControlDeps) => {
	const { store } = deps;
	return {
		...commandUseCases(deps),

		createRollout: (caller: Caller, input: InputOf<'createRollout'>): Outcome<AnswerOf<'createRollout'>> =>
			createRollout(deps, caller, input),

		async listRollouts(_: Caller, input: InputOf<'listRollouts'>): Outcome<AnswerOf<'listRollouts'>> {
			const { state, active, limit, cursor } = input;
			const after = rowAfter(cursor, instantShape);
			if (!after.ok) return after;
			const group = input.group === undefined ? undefined : await findAnyGroup(store, input.group);
			if (group?.ok === false) return group;
			const filter = { groupId: group?.value.id, state, active };
			const { rows, next } = await store.rollouts.list(filter, limit, after.value);
			const steps = await store.rollouts.steps(rows.map(({ rollout }) => rollout.id));
			const items = rows.map((row) => toRolloutSummary(row, steps.get(row.rollout.id) ?? []));
			return ok({ items, nextCursor: rowCursor(next) });
		},

		getRollout: (_: Caller, { rollout }: InputOf<'getRollout'>): Outcome<RolloutAnswer> => showRollout(store, rollout),

		async listRolloutTargets(_: Caller, input: InputOf<'listRolloutTargets'>): Outcome<AnswerOf<'listRolloutTargets'>> {
			const { rollout, state, step, limit, cursor } = input;
			const after = rowAfter(cursor, wholeShape);
			if (!after.ok) return after;
			if ((await store.rollouts.find(rollout)) === null) return notFound('rollout', rollout, 'ampora rollouts list');
			const filter = { state, step: step === undefined ? undefined : step - 1 };
			const { rows, next } = await store.rollouts.targets(rollout, filter, { limit, after: after.value });
			const versions = rows.map(({ target }) => target.previousVersion).filter((id) => id !== null);
			const refs = await store.configurations.versionRefs(versions);
			return ok({ items: rows.map((row) => toTarget(row, refs)), nextCursor: rowCursor(next) });
		},

		async listRolloutEvents(_: Caller, input: InputOf<'listRolloutEvents'>): Outcome<AnswerOf<'listRolloutEvents'>> {
			const { rollout, after, limit } = input;
			if ((await store.rollouts.find(rollout)) === null) return notFound('rollout', rollout, 'ampora rollouts list');
			const rows = await store.rollouts.events(rollout, after, limit + 1);
			const page = rows.slice(0, limit);
			const last = page.at(-1);
			// `after` of the next page is a journal seq, shown as it is.
			const nextCursor = rows.length > limit && last !== undefined ? String(last.seq) : null;
			return ok({ items: page.flatMap(toEvents), nextCursor });
		},
	};
};
