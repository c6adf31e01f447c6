import type { AnswerOf, FilesInput, InputOf } from '@ampora/api-contract';
import { commandAllowed, newRollout, type Rollout, type RolloutSpec, turnOfGroup } from '@ampora/rollout';
import { type GroupId, newId, ok, type Result, type RolloutId, type VersionId } from '@ampora/runtime';
import { type GroupRow, type Repositories, type RolloutRow, uniqueViolation, type VersionRow } from '@ampora/store';
import { audit } from './audit.js';
import type { Caller } from './caller.js';
import { awaitDecision, writeCommand } from './command_rows.js';
import { ensureConfiguration } from './configurations.js';
import { type ControlError, type Outcome, refuse } from './errors.js';
import { hint } from './hints.js';
import { tryQueries } from './metrics_server/try_queries.js';
import { toSpec } from './new_rollout.js';
import { noWayBackAction, protectedAction } from './plan_risks.js';
import { boundBy, boundNow } from './plans.js';
import type { ControlDeps } from './ports.js';
import { possibleCommands } from './possible_commands.js';
import { findAnyGroup, holdGroup } from './references.js';
import { publishedVersion, versionToReturnTo } from './rollout_sources.js';
import { rolloutLinks } from './rollout_view.js';
import { gateDefaults } from './settings.js';
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

/** `options`: a new one may be queued behind it or take its place. */
export function refuseActive(active: RolloutRow, { options } = { options: true }) {
	const { id, state } = active.rollout;
	const message = `rollout ${id} of ${active.versionRef} on the group "${active.group}" is ${state} and has not ended`;
	const details = { rollout: id, state, group: active.group };
	return refuse('rollout-active', message, { details, ...(options && { action: busyAction }) });
}

const busyAction =
	'Let this one start by itself when that one has ended with "queue": true (--queue), let it take its place with "supersede": true (--supersede), or wait until that one has ended.';

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

/** How a new rollout comes to start: by a command, by hand, by itself at an instant (ms), or when its turn has come. */
type Start =
	| 'now'
	| 'by-hand'
	| { readonly atMs: number }
	| { readonly queued: true; readonly supersedes: RolloutId | null };

/** A rollout as it is before anything was decided, with its audit row and, where that is how it starts, its start command. */
export async function writeNewRollout(
	repositories: Repositories,
	caller: Caller,
	wanted: {
		groupId: GroupId;
		version: { id: VersionId; ref: string };
		spec: RolloutSpec;
		start: Start;
		onlyAgents: readonly string[] | null;
		/** Absent: it does not. */
		setsDefault?: boolean;
	},
): Promise<{ rollout: Rollout; startCommand: string | null }> {
	const { groupId, version, spec, start, onlyAgents, setsDefault = false } = wanted;
	const createdAtMs = await repositories.rollouts.databaseNowMs();
	const given = { id: newId<RolloutId>(), groupId, versionId: version.id, spec, createdAtMs };
	const rollout = newRollout({ ...given, ...beginning(start) });
	if (rollout.state === 'Queued') await replaceQueued(repositories, caller, rollout);
	const { actor, idempotencyKey, traceparent } = caller;
	await repositories.rollouts.insert({
		rollout,
		createdBy: actor,
		idempotencyKey,
		traceparent,
		onlyAgents,
		setsDefault,
		waitsFor: start === 'by-hand' ? 'start' : rollout.state === 'Queued' ? turnOfGroup : null,
		offers: 'closed',
		wake: spec.startAtMs ?? null,
	});
	await audit(repositories, caller, {
		action: 'Rollout.Created',
		entity: ['rollout', rollout.id],
		after: { version: version.ref, groupId, strategy: spec.strategy, ...(onlyAgents && { agents: onlyAgents.length }) },
	});
	const startCommand = start === 'now' ? newId<string>() : null;
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

const beginning = (start: Start): Pick<Rollout, 'supersedes'> & { readonly state?: 'Queued' } =>
	typeof start === 'object' && 'queued' in start ? { state: 'Queued', supersedes: start.supersedes } : {};

/** One rollout waits per group: a newer one takes the place of the one before. */
async function replaceQueued(repositories: Repositories, caller: Caller, { id, groupId }: Rollout): Promise<void> {
	const why = `replaced in the queue by rollout ${id} of ${caller.actor}`;
	const gone = await repositories.rollouts.replaceQueued(groupId, why);
	if (gone === null) return;
	await audit(repositories, caller, {
		action: 'Rollout.Cancelled',
		entity: ['rollout', gone],
		before: { state: 'Queued' },
		after: { state: 'Cancelled', why },
	});
}

/** How it starts, `options`: as whoever asks can say, with what stands in its way at the moment. */
async function startOf(repositories: Repositories, groupId: GroupId, input: Input, options: boolean): Outcome<Start> {
	const active = await repositories.rollouts.activeOf(groupId);
	const queued = await repositories.rollouts.queuedOf(groupId);
	if (input.supersede === true && active !== null) return supersedes(active);
	if (input.queue === true && (active ?? queued) !== null) return ok({ queued: true, supersedes: null });
	// One whose turn has come is about to start: whoever supersedes takes its turn.
	if (input.supersede === true && queued !== null) return ok({ queued: true, supersedes: null });
	const first = active ?? queued;
	if (first !== null) return refuseActive(first, { options });
	if (input.startAt !== undefined) return startsAt(input.startAt, await repositories.rollouts.databaseNowMs());
	return ok(input.start === 'now' ? 'now' : 'by-hand');
}

function supersedes(active: RolloutRow): Result<Start, ControlError> {
	if (commandAllowed(active.rollout, 'supersede')) return ok({ queued: true, supersedes: active.rollout.id });
	const { id, state } = active.rollout;
	return refuse('command-not-allowed', `rollout ${id} is ${state}${taking(active)}: it cannot be superseded`, {
		details: { rollout: id, state, command: 'supersede', allowed: possibleCommands(active.rollout) },
		action: 'Let the rollback end, and queue the new rollout behind it with "queue": true (--queue).',
	});
}

const taking = ({ rollout }: RolloutRow): string =>
	rollout.state === 'Paused' && rollout.rollingBack ? ' in its rollback' : '';

const farthestStartMs = 90 * 24 * 3_600_000;

function startsAt(text: string, nowMs: number): Result<Start, ControlError> {
	const atMs = Date.parse(text);
	const field = (message: string) =>
		refuse('invalid-argument', `startAt: ${message}`, { details: { field: 'startAt' } });
	if (atMs <= nowMs) return field(`${text} is in the past; leave it out to start now`);
	if (atMs - nowMs > farthestStartMs) return field(`${text} is more than 90 days ahead; plan it later`);
	return ok({ atMs });
}

/** The spec with the grounds it starts on: those of the plan that was named, or those of now. */
function boundTo(
	repositories: Repositories,
	{ plan, replan = false }: Input,
	{ spec, ...planning }: { group: GroupRow; version: VersionRow; startAtMs: number | null; spec: RolloutSpec },
): Outcome<RolloutSpec> {
	if (plan !== undefined) return boundBy(repositories, plan, { ...planning, replan });
	return boundNow(repositories, { ...planning, spec }).then(ok);
}

/**
 * `setsDefault`: once it has completed, its version is what newcomers of the group are given. `unbound`: whom it is for has still to come
 * to the group, so that the grounds it starts on are those of then.
 */
export async function writeRollout(
	repositories: Repositories,
	caller: Caller,
	input: Input,
	{ setsDefault = false, unbound = false }: { readonly setsDefault?: boolean; readonly unbound?: boolean } = {},
): Outcome<Written> {
	const group = await holdGroup(repositories, input.group);
	if (!group.ok) return group;
	const { id: groupId, name, builtIn } = group.value;
	if (builtIn) {
		return refuse('group-not-a-target', `the built-in group "${name}" is no target of rollouts`, {
			details: { group: name },
		});
	}
	const start = await startOf(repositories, groupId, input, !setsDefault);
	if (!start.ok) return start;
	const rollbackTo = await versionToReturnTo(repositories, input.rollbackTo);
	if (!rollbackTo.ok) return rollbackTo;
	const spec = toSpec(input, rollbackTo.value, await gateDefaults(repositories));
	if (!spec.ok) return spec;
	const version =
		input.config === undefined
			? await publishedVersion(repositories, input.version ?? '', true)
			: await inlineVersion(repositories, caller, name, input.config);
	if (!version.ok) return version;
	const startAtMs = typeof start.value === 'object' && 'atMs' in start.value ? start.value.atMs : null;
	const planning = { group: group.value, version: version.value, startAtMs, spec: spec.value };
	const bound = unbound ? ok(spec.value) : await boundTo(repositories, input, planning);
	if (!bound.ok) return bound;
	const { rollout, startCommand } = await writeNewRollout(repositories, caller, {
		groupId,
		version: { id: version.value.id as VersionId, ref: refOf(version.value) },
		spec: startAtMs === null ? bound.value : { ...bound.value, startAtMs },
		start: start.value,
		onlyAgents: null,
		setsDefault,
	});
	const taken = await askToSupersede(repositories, caller, rollout);
	const row = await repositories.rollouts.find(rollout.id);
	if (row === null) throw new Error('a rollout was inserted and is not there');
	return ok({ row, startCommand, taken });
}

/** The command by which the older rollout gives way; null: there is none. */
async function askToSupersede(repositories: Repositories, caller: Caller, by: Rollout): Promise<Written['taken']> {
	const older = by.supersedes ?? null;
	if (older === null) return null;
	const { actor, traceparent } = caller;
	const command = newId<string>();
	const args = { successor: by.id };
	await repositories.commands.insert({
		...{ id: command, rolloutId: older, kind: 'supersede', args, actor, idempotencyKey: null, traceparent },
	});
	await audit(repositories, caller, {
		action: 'Rollout.SupersedeRequested',
		entity: ['rollout', older],
		after: { command, ...args },
	});
	return { rollout: older, command };
}

interface Written {
	readonly row: RolloutRow;
	/** The command that starts it; null: it is started by hand. */
	readonly startCommand: string | null;
	/** What was asked of the rollout it is to supersede. */
	readonly taken: { readonly rollout: RolloutId; readonly command: string } | null;
}

/**
 * Waits for the engine to start it. A rollout that may not start (nobody could be rolled back, say) is cancelled, so that it does not
 * stay and hold up the group, and its creation is refused with the engine's reason.
 */
async function started(deps: ControlDeps, caller: Caller, written: Written): Outcome<Accepted> {
	const { row, startCommand, taken } = written;
	const { rollout } = row;
	if (taken !== null) return superseding(deps, caller, { row, taken });
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
		...(decided.code === 'protected-group' && { action: protectedAction }),
	});
}

/** Waits for the older rollout to give way; one that does not, also because the new one cannot start, keeps the group, and the new one is gone. */
async function superseding(
	deps: ControlDeps,
	caller: Caller,
	{ row, taken }: { row: RolloutRow; taken: NonNullable<Written['taken']> },
): Outcome<Accepted> {
	await hint(deps, taken.rollout);
	const decided = await awaitDecision(deps, taken.rollout, taken.command);
	await hint(deps, row.rollout.id);
	const { rollout } = (await deps.store.rollouts.find(row.rollout.id)) ?? row;
	if (decided.accepted !== false) return ok(accepted({ ...row, rollout }));
	if (rollout.state === 'Queued') {
		const args = { reason: `rollout ${taken.rollout} did not give way` };
		await writeCommand(deps, { ...caller, idempotencyKey: null }, { rollout, kind: 'cancel', args });
		await hint(deps, rollout.id);
	}
	return refuse('command-refused', decided.message ?? 'the rollout did not give way', {
		details: { rollout: taken.rollout, command: 'supersede', reason: decided.code },
		...(decided.code === 'successor-refused' && {
			action: 'The older rollout goes on as it was. Create the new one so that it can start, and supersede again.',
		}),
	});
}

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

/** Outside of any transaction: a server that is slow to answer holds up nobody. What else is wrong with the spec is said later. */
async function triedGates(deps: ControlDeps, input: Parameters<typeof toSpec>[0]) {
	if ((input.metricGates ?? []).length === 0) return ok(true);
	const spec = toSpec(input, null, await gateDefaults(deps.store));
	return spec.ok ? tryQueries(deps, spec.value) : spec;
}

export async function createRollout(deps: ControlDeps, caller: Caller, input: Input): Outcome<Accepted> {
	const before = await repeated(deps, caller, input);
	if (before !== null) return before;
	const tried = await triedGates(deps, input);
	if (!tried.ok) return tried;
	try {
		const written = await unitOfWork(deps.store, (repositories) => writeRollout(repositories, caller, input));
		if (written.ok) return await started(deps, caller, written.value);
		// The same request may have been faster by itself: then what stands in its way is its own rollout (R11).
		return (await repeated(deps, caller, input)) ?? written;
	} catch (error) {
		const own = uniqueViolation(error) === undefined ? null : await repeated(deps, caller, input);
		if (own !== null) return own;
		// Somebody queued one at the same moment: this one is the newer, and takes its place.
		if (uniqueViolation(error) === 'rollout_one_queued_per_group') return createRollout(deps, caller, input);
		const group = await findAnyGroup(deps.store, input.group);
		return afterCollision(deps, error, group.ok ? group.value.id : null);
	}
}
