import type { AnswerOf, FilesInput, InputOf } from '@ampora/api-contract';
import { newRollout, type Rollout, type RolloutSpec } from '@ampora/rollout';
import { type GroupId, newId, ok, type RolloutId, type VersionId } from '@ampora/runtime';
import { type Repositories, type RolloutRow, uniqueViolation, type VersionRow } from '@ampora/store';
import { audit } from './audit.js';
import type { Caller } from './caller.js';
import { awaitDecision, writeCommand } from './command_rows.js';
import { ensureConfiguration } from './configurations.js';
import { type Outcome, refuse } from './errors.js';
import { hint } from './hints.js';
import { toSpec } from './new_rollout.js';
import { boundBy, boundNow } from './plans.js';
import type { ControlDeps } from './ports.js';
import { findGroup } from './references.js';
import { publishedVersion, versionToReturnTo } from './rollout_sources.js';
import { rolloutLinks } from './rollout_view.js';
import { unitOfWork } from './unit_of_work.js';
import { refOf, storedFiles } from './version_view.js';
import { createDraft, publishDraft } from './versions.js';

type Input = InputOf<'createRollout'>;
type Accepted = AnswerOf<'createRollout'>;

const accepted = ({ rollout, group, versionRef }: Pick<RolloutRow, 'rollout' | 'group' | 'versionRef'>): Accepted => ({
	id: rollout.id,
	state: rollout.state,
	group,
	version: versionRef,
	links: rolloutLinks(rollout.id),
});

export function refuseActive(active: RolloutRow) {
	const { id, state } = active.rollout;
	const message = `rollout ${id} of ${active.versionRef} on the group "${active.group}" is ${state} and has not ended`;
	return refuse('rollout-active', message, { details: { rollout: id, state, group: active.group } });
}

/** Inline YAML becomes a version of the configuration named like the group; the same content again is the same version. */
async function inlineVersion(
	repositories: Repositories,
	caller: Caller,
	name: string,
	given: FilesInput,
): Outcome<VersionRow> {
	const configuration = await ensureConfiguration(repositories, caller, name);
	const overview = await repositories.configurations.versionOverview([configuration.id]);
	const latest = overview.get(configuration.id)?.published;
	if (latest && Buffer.from(latest.contentHash).equals(storedFiles(given).contentHash)) return ok(latest);
	const draft = await createDraft(repositories, caller, { configuration, given });
	if (!draft.ok) return draft;
	const published = await publishDraft(repositories, caller, draft.value);
	return published.ok ? ok(published.value.version) : published;
}

/** A rollout as it is before anything was decided, with its audit row and, unless it is to be started by hand, its start command. */
export async function writeNewRollout(
	repositories: Repositories,
	caller: Caller,
	given: {
		groupId: GroupId;
		version: { id: VersionId; ref: string };
		spec: RolloutSpec;
		start: boolean;
		onlyAgents: readonly string[] | null;
	},
): Promise<{ rollout: Rollout; startCommand: string | null }> {
	const { groupId, version, spec, start, onlyAgents } = given;
	const createdAtMs = await repositories.rollouts.databaseNowMs();
	const rollout = newRollout({ id: newId<RolloutId>(), groupId, versionId: version.id, spec, createdAtMs });
	const { actor, idempotencyKey, traceparent } = caller;
	await repositories.rollouts.insert({
		rollout,
		createdBy: actor,
		idempotencyKey,
		traceparent,
		onlyAgents,
		waitsFor: start ? null : 'start',
		offers: 'closed',
		due: false,
	});
	await audit(repositories, caller, {
		action: 'Rollout.Created',
		entity: ['rollout', rollout.id],
		after: { version: version.ref, groupId, strategy: spec.strategy, ...(onlyAgents && { agents: onlyAgents.length }) },
	});
	const startCommand = start ? newId<string>() : null;
	if (startCommand !== null) {
		await repositories.commands.insert({
			id: startCommand,
			rolloutId: rollout.id,
			kind: 'start',
			args: {},
			actor,
			idempotencyKey: null,
			traceparent,
		});
	}
	return { rollout, startCommand };
}

async function write(repositories: Repositories, caller: Caller, input: Input): Outcome<Written> {
	const group = await findGroup(repositories, input.group);
	if (!group.ok) return group;
	const { id: groupId, name, builtIn } = group.value;
	if (builtIn) {
		return refuse('group-not-a-target', `the built-in group "${name}" is no target of rollouts`, {
			details: { group: name },
		});
	}
	const active = await repositories.rollouts.activeOf(groupId);
	if (active !== null) return refuseActive(active);
	const rollbackTo = await versionToReturnTo(repositories, input.rollbackTo);
	if (!rollbackTo.ok) return rollbackTo;
	const spec = toSpec(input, rollbackTo.value);
	if (!spec.ok) return spec;
	const version =
		input.config === undefined
			? await publishedVersion(repositories, input.version ?? '', true)
			: await inlineVersion(repositories, caller, name, input.config);
	if (!version.ok) return version;
	const planning = { group: group.value, version: version.value };
	const bound =
		input.plan === undefined
			? ok(await boundNow(repositories, { ...planning, spec: spec.value }))
			: await boundBy(repositories, input.plan, { ...planning, replan: input.replan === true });
	if (!bound.ok) return bound;
	const { rollout, startCommand } = await writeNewRollout(repositories, caller, {
		groupId,
		version: { id: version.value.id as VersionId, ref: refOf(version.value) },
		spec: bound.value,
		start: input.start === 'now',
		onlyAgents: null,
	});
	const row = await repositories.rollouts.find(rollout.id);
	if (row === null) throw new Error('a rollout was inserted and is not there');
	return ok({ row, startCommand });
}

interface Written {
	readonly row: RolloutRow;
	/** The command that starts it; null: it is started by hand. */
	readonly startCommand: string | null;
}

/**
 * Waits for the engine to start it. A rollout that may not start (nobody could be rolled back, say) is cancelled, so that it does not
 * stay and hold up the group, and its creation is refused with the engine's reason.
 */
async function started(deps: ControlDeps, caller: Caller, { row, startCommand }: Written): Outcome<Accepted> {
	const { rollout } = row;
	await hint(deps, rollout.id);
	if (startCommand === null) return ok(accepted(row));
	const decided = await awaitDecision(deps, rollout.id, startCommand);
	const now = await deps.store.rollouts.find(rollout.id);
	if (decided.accepted !== false) return ok(accepted(now ?? row));
	const args = { reason: 'it could not start' };
	await writeCommand(
		deps,
		{ ...caller, idempotencyKey: null },
		{ rollout: now?.rollout ?? rollout, kind: 'cancel', args },
	);
	await hint(deps, rollout.id);
	return refuse('command-refused', decided.message ?? 'the rollout could not start', {
		details: { rollout: rollout.id, command: 'start', reason: decided.code },
		...(decided.code === 'no-way-back' && { action: noWayBackAction }),
	});
}

const noWayBackAction =
	'Create it with acceptNoWayBack (--accept-no-way-back), or name the version they would go back to with rollbackTo (--rollback-to).';

/** The rollout this key made before; a request for another group or version under the same key is a mistake. */
async function repeated({ store }: ControlDeps, { actor, idempotencyKey }: Caller, input: Input) {
	if (idempotencyKey === null) return null;
	const before = await store.rollouts.findByKey(actor, idempotencyKey);
	if (before === null) return null;
	const sameGroup = [before.group, before.rollout.groupId as string].includes(input.group);
	const sameVersion =
		input.version === undefined || [before.versionRef, before.rollout.versionId as string].includes(input.version);
	if (sameGroup && sameVersion) return ok(accepted(before));
	return refuse(
		'idempotency-mismatch',
		`this Idempotency-Key created rollout ${before.rollout.id} of another group or version`,
		{
			details: { rollout: before.rollout.id },
		},
	);
}

/** Two at once: the database let one through. The other is told which one, or gets it if it is its own. */
export async function afterCollision(deps: ControlDeps, error: unknown, groupId: string | null): Outcome<never> {
	if (uniqueViolation(error) === undefined) throw error;
	const active = groupId === null ? null : await deps.store.rollouts.activeOf(groupId);
	if (active !== null) return refuseActive(active);
	return refuse('unavailable', 'another request for the same thing was faster');
}

export async function createRollout(deps: ControlDeps, caller: Caller, input: Input): Outcome<Accepted> {
	const before = await repeated(deps, caller, input);
	if (before !== null) return before;
	try {
		const written = await unitOfWork(deps.store, (repositories) => write(repositories, caller, input));
		if (written.ok) return await started(deps, caller, written.value);
		// The same request may have been faster by itself: then what stands in its way is its own rollout (R11).
		return (await repeated(deps, caller, input)) ?? written;
	} catch (error) {
		const own = uniqueViolation(error) === undefined ? null : await repeated(deps, caller, input);
		if (own !== null) return own;
		const group = await findGroup(deps.store, input.group);
		return afterCollision(deps, error, group.ok ? group.value.id : null);
	}
}
