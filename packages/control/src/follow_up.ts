import { type Rollout, touchedOf, touchedStates } from '@ampora/rollout';
import { newId, ok, type RolloutId } from '@ampora/runtime';
import type { Repositories, RolloutRow } from '@ampora/store';
import { audit } from './audit.js';
import type { Caller } from './caller.js';
import { type Outcome, refuse } from './errors.js';
import { hint } from './hints.js';
import type { ControlDeps } from './ports.js';
import { holdGroup, resolveAgents } from './references.js';
import { afterCollision, refuseActive, writeNewRollout } from './rollout_create.js';
import { refuseUnpublished } from './rollout_sources.js';
import { unitOfWork } from './unit_of_work.js';
import { findVersion } from './versions.js';

/** Agents a retry without names is about. */
const failedStates = ['Failed', 'Reverted', 'TimedOut'] as const;

interface Wanted {
	readonly found: RolloutRow;
	readonly kind: string;
	readonly agents: readonly string[] | undefined;
}

/** Ended rollouts have no exits (R8): rolling one back, or trying its failed agents again, is a new rollout that names it. */
export async function followUp(deps: ControlDeps, caller: Caller, wanted: Wanted): Outcome<RolloutId> {
	const { found, kind } = wanted;
	try {
		const made = await unitOfWork(deps.store, async (repositories) => {
			// The row is locked, so that two at once do not both begin.
			await repositories.rollouts.lock(found.rollout.id);
			const { idempotencyKey, actor } = caller;
			const own = idempotencyKey === null ? null : await repositories.rollouts.findByKey(actor, idempotencyKey);
			if (own !== null) return ok(own.rollout.id);
			const active = await repositories.rollouts.activeOf(found.rollout.groupId);
			if (active !== null) return refuseActive(active, { options: false });
			return kind === 'rollback' ? rollBack(repositories, caller, found) : retry(repositories, caller, wanted);
		});
		if (made.ok) await hint(deps, made.value);
		return made;
	} catch (error) {
		return afterCollision(deps, error, found.rollout.groupId);
	}
}

/**
 * The rollback of an ended rollout begins as `RollingBack`, with the old one's steps and targets: what each agent had proved before it
 * and what it was handed are known there, so that the core's rollback runs on it like on any other. It is no roll-forward first:
 * nothing is planned, nothing gated, nobody is handed the version it takes back.
 */
async function rollBack(repositories: Repositories, caller: Caller, found: RolloutRow): Outcome<RolloutId> {
	const old = found.rollout;
	const steps = (await repositories.rollouts.steps([old.id])).get(old.id) ?? [];
	// Agents that wait to be retried were touched before, and are marked so.
	const todo = touchedOf(steps) + old.back.todo;
	if (todo === 0) {
		return refuse('nothing-to-do', `rollout ${old.id} handed its version to nobody`, { details: { rollout: old.id } });
	}
	// Ways back of agents that wait to be retried are for the core to see.
	const certain = old.back.todo > 0 || old.spec.rollbackTo !== null;
	if (!certain && !(await repositories.rollouts.anyWayBack(old.id, touchedStates))) {
		return refuse('nothing-to-do', `0 of ${todo} agents can go back: none has a version it proved before`, {
			details: { rollout: old.id, agents: todo },
			action:
				'Roll another version out to the group. A new rollout can name the version such agents go back to with rollbackTo (--rollback-to).',
		});
	}
	const nowMs = await repositories.rollouts.databaseNowMs();
	const rollout: Rollout = {
		...old,
		id: newId<RolloutId>(),
		state: 'RollingBack',
		rollingBack: true,
		pauseReasons: [],
		hold: null,
		evidence: [],
		baking: false,
		back: { todo, inFlight: 0, confirmed: 0, listed: 0 },
		backByDomain: {},
		tailUntilMs: null,
		lastTickAtMs: null,
		seq: 0,
		createdAtMs: nowMs,
		startedAtMs: nowMs,
		endedAtMs: null,
		rollbackOf: old.id,
	};
	const { actor, idempotencyKey, traceparent } = caller;
	await repositories.rollouts.insert({
		rollout,
		createdBy: actor,
		idempotencyKey,
		traceparent,
		onlyAgents: null,
		setsDefault: false,
		waitsFor: null,
		offers: 'open',
		wake: 'now',
	});
	await repositories.groups.undoDefault(old.id);
	await repositories.rollouts.copyForRollback(old.id, rollout.id, touchedStates);
	await audit(repositories, caller, {
		action: 'Rollout.RollingBack',
		entity: ['rollout', rollout.id],
		before: { state: old.state, rollout: old.id },
		after: { state: 'RollingBack', rollbackOf: old.id, agents: todo },
	});
	return ok(rollout.id);
}

/** The same version once more, to just the agents it failed on, whose quarantine that lifts (R9). */
async function retry(repositories: Repositories, caller: Caller, { found, agents }: Wanted): Outcome<RolloutId> {
	const { rollout: old, versionRef } = found;
	const version = await findVersion(repositories, old.versionId, true);
	if (!version.ok) return version;
	if (version.value.state !== 'Published') return refuseUnpublished(version.value);
	const failed = await repositories.rollouts.agentsIn(old.id, failedStates);
	let chosen = failed;
	if (agents !== undefined) {
		const named = await resolveAgents(repositories, agents);
		if (!named.ok) return named;
		chosen = named.value.filter((id) => failed.includes(id));
	}
	if (chosen.length === 0) {
		return refuse('nothing-to-do', `rollout ${old.id} failed on none of these agents`, {
			details: { rollout: old.id },
		});
	}
	// A way back needs no group that is there; going forward does.
	const group = await holdGroup(repositories, old.groupId);
	if (!group.ok) return group;
	await repositories.rollouts.releaseQuarantine(old.versionId, chosen);
	const { rollout } = await writeNewRollout(repositories, caller, {
		groupId: old.groupId,
		version: { id: old.versionId, ref: versionRef },
		// It starts now, on the grounds of now.
		spec: { ...old.spec, approved: null, startAtMs: null },
		start: 'now',
		onlyAgents: chosen,
	});
	return ok(rollout.id);
}
