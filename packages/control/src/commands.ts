import type { AnswerOf, CommandAnswer, InputOf } from '@ampora/api-contract';
import { type CommandKind, commandAllowed, legality, type Rollout } from '@ampora/rollout';
import { type AgentId, ok, type Result } from '@ampora/runtime';
import { type CommandRow, type RolloutRow, uniqueViolation } from '@ampora/store';
import type { Caller } from './caller.js';
import { awaitDecision, type Kind, toCommand, writeCommand } from './command_rows.js';
import { type ControlError, notFound, type Outcome, refuse } from './errors.js';
import { followUp } from './follow_up.js';
import { hint } from './hints.js';
import { toGates } from './new_rollout.js';
import { boundAtStart } from './plans.js';
import type { ControlDeps } from './ports.js';
import { possibleCommands } from './possible_commands.js';
import { resolveAgents } from './references.js';
import { rolloutLinks, showRollout } from './rollout_view.js';

type Done = AnswerOf<'pauseRollout'>;

/** What any command may carry; each kind's own schema says which of it. */
export interface CommandArgs {
	readonly rollout: string;
	readonly reason?: string | undefined;
	readonly reasons?: readonly string[] | undefined;
	readonly force?: boolean | undefined;
	readonly by?: number | undefined;
	readonly agents?: readonly string[] | undefined;
	readonly gates?: InputOf<'editRolloutGates'>['gates'] | undefined;
	readonly metricGates?: InputOf<'editRolloutGates'>['metricGates'] | undefined;
	readonly replan?: boolean | undefined;
}

function refuseIllegal(rollout: Rollout, kind: CommandKind) {
	const allowed = possibleCommands(rollout);
	const paused = rollout.state === 'Paused' ? ` (${rollout.pauseReasons.join(', ')})` : '';
	const message = `a rollout that is ${rollout.state}${paused} cannot be asked to ${kind}`;
	const action =
		allowed.length === 0
			? 'It has ended, and nothing can be done to it any more.'
			: `Possible now: ${allowed.join(', ')}.`;
	return refuse('command-not-allowed', message, {
		details: { rollout: rollout.id, state: rollout.state, command: kind, allowed },
		action,
	});
}

/** As the core reads them from the command row. */
async function toArgs(deps: ControlDeps, args: CommandArgs): Promise<Result<object, ControlError>> {
	let agentIds: readonly AgentId[] | undefined;
	if (args.agents !== undefined) {
		const resolved = await resolveAgents(deps.store, args.agents);
		if (!resolved.ok) return resolved;
		agentIds = resolved.value;
	}
	const { reason, reasons, force, by, replan, metricGates } = args;
	return ok(
		JSON.parse(
			JSON.stringify({
				reason,
				reasons,
				force,
				extendMs: by,
				agentIds,
				replan,
				gates: args.gates && toGates(args.gates),
				metricGates,
			}),
		),
	);
}

async function answerOf(deps: ControlDeps, row: CommandRow, found: RolloutRow): Outcome<Done> {
	if (row.decidedAt !== null && row.accepted !== true) {
		const now = await deps.store.rollouts.find(row.rolloutId);
		const state = now?.rollout.state ?? found.rollout.state;
		const allowed = possibleCommands(now?.rollout ?? found.rollout);
		const code = allowed.includes(row.kind) ? 'command-refused' : 'command-not-allowed';
		return refuse(code, row.message ?? `the rollout is ${state}: ${row.kind} was refused`, {
			details: { rollout: row.rolloutId, state, command: row.kind, reason: row.code, allowed },
			...(row.code === 'looser-gate' && { action: `Pause it first: ampora rollouts pause ${row.rolloutId}` }),
		});
	}
	const rollout = await showRollout(deps.store, row.rolloutId);
	if (!rollout.ok) return rollout;
	const links = { ...rolloutLinks(row.rolloutId), command: `${rolloutLinks(row.rolloutId).self}/commands/${row.id}` };
	const shown = { command: toCommand(row), rollout: rollout.value, links, created: false } as const;
	return ok(row.decidedAt === null ? { decided: false, ...shown } : { decided: true, ...shown });
}

async function send(deps: ControlDeps, caller: Caller, kind: Kind, given: CommandArgs): Outcome<Done> {
	const found = await deps.store.rollouts.find(given.rollout);
	if (found === null) return notFound('rollout', given.rollout, 'ampora rollouts list');
	const repeated = await repeatedCommand(deps, caller, { found, kind });
	if (repeated !== null) return repeated;
	const { rollout } = found;
	if (legality(rollout, kind) === 'new-rollout') {
		const made = await followUp(deps, caller, { found, kind, agents: given.agents });
		if (!made.ok) return made;
		const shown = await showRollout(deps.store, made.value);
		if (!shown.ok) return shown;
		return ok({ decided: true, created: true, command: null, rollout: shown.value, links: rolloutLinks(made.value) });
	}
	if (!commandAllowed(rollout, kind)) return refuseIllegal(rollout, kind);
	const bound = kind === 'start' ? await boundAtStart(deps.store, rollout, given.replan === true) : ok(null);
	if (!bound.ok) return bound;
	const args = await toArgs(deps, given);
	if (!args.ok) return args;
	const id = await writeCommand(deps, caller, { rollout, kind, args: args.value });
	await hint(deps, rollout.id);
	return answerOf(deps, await awaitDecision(deps, rollout.id, id), found);
}

/** A command repeated with its key changes nothing and is answered like the first (R11). */
async function repeatedCommand(
	deps: ControlDeps,
	{ actor, idempotencyKey }: Caller,
	{ found, kind }: { found: RolloutRow; kind: Kind },
): Promise<Result<Done, ControlError> | null> {
	if (idempotencyKey === null) return null;
	const { id } = found.rollout;
	const before = await deps.store.commands.findByKey(id, actor, idempotencyKey);
	if (before === null) return null;
	if (before.kind === kind) return answerOf(deps, await awaitDecision(deps, id, before.id), found);
	return refuse('idempotency-mismatch', `this Idempotency-Key was used for "${before.kind}" on this rollout`, {
		details: { rollout: id, command: before.kind },
	});
}

async function sendOnce(deps: ControlDeps, caller: Caller, kind: Kind, given: CommandArgs): Outcome<Done> {
	try {
		return await send(deps, caller, kind, given);
	} catch (error) {
		// The same key twice at once: the other one is in, and answers for both.
		if (uniqueViolation(error) === undefined) throw error;
		return send(deps, caller, kind, given);
	}
}

export const commandUseCases = (deps: ControlDeps) => {
	const command =
		<K extends Kind>(kind: K) =>
		(caller: Caller, input: CommandArgs) =>
			sendOnce(deps, caller, kind, input);
	return {
		startRollout: command('start'),
		cancelRollout: command('cancel'),
		pauseRollout: command('pause'),
		resumeRollout: command('resume'),
		advanceRollout: command('advance'),
		extendRollout: command('extend'),
		abortRollout: command('abort'),
		retryRollout: command('retry'),
		excludeRolloutAgents: command('exclude'),
		editRolloutGates: command('edit-gates'),
		rollbackRollout: command('rollback'),

		async getRolloutCommand(_: Caller, { rollout, command: id }: InputOf<'getRolloutCommand'>): Outcome<CommandAnswer> {
			const row = await deps.store.commands.find(rollout, id);
			return row === null ? notFound('command', id) : ok(toCommand(row));
		},
	};
};
