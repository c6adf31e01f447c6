import type { CommandAnswer, commandInputs } from '@ampora/api-contract';
import type { Rollout } from '@ampora/rollout';
import { newId } from '@ampora/runtime';
import type { CommandRow } from '@ampora/store';
import { audit } from './audit.js';
import type { Caller } from './caller.js';
import type { ControlDeps } from './ports.js';

export type Kind = keyof typeof commandInputs;

const decisionWaitMs = 3_000;
/** How often a waiting command is looked at: soon at first, because most are decided in milliseconds. */
const lookMs = [5, 10, 20, 40, 80] as const;

export function toCommand(row: CommandRow): CommandAnswer {
	const { id, rolloutId, kind, actor, accepted, code, message, createdAt, decidedAt } = row;
	return {
		id,
		rollout: rolloutId,
		kind,
		actor,
		state: decidedAt === null ? 'open' : accepted === true ? 'accepted' : 'refused',
		code,
		message,
		createdAt: createdAt.toISOString(),
		decidedAt: decidedAt?.toISOString() ?? null,
	};
}

const actionNames: Record<Kind, string> = {
	start: 'Start',
	cancel: 'Cancel',
	pause: 'Pause',
	resume: 'Resume',
	advance: 'Advance',
	extend: 'Extend',
	abort: 'Abort',
	retry: 'Retry',
	exclude: 'Exclude',
	'edit-gates': 'EditGates',
	rollback: 'Rollback',
};

/** Intent and audit in one transaction; the engine decides. */
export async function writeCommand(
	{ store }: ControlDeps,
	caller: Caller,
	{ rollout, kind, args }: { rollout: Rollout; kind: Kind; args: object },
): Promise<string> {
	const id = newId<string>();
	const { actor, idempotencyKey, traceparent } = caller;
	await store.transaction(async (repositories) => {
		await repositories.commands.insert({ id, rolloutId: rollout.id, kind, args, actor, idempotencyKey, traceparent });
		await audit(repositories, caller, {
			action: `Rollout.${actionNames[kind]}Requested`,
			entity: ['rollout', rollout.id],
			before: { state: rollout.state },
			after: { command: id, ...args },
		});
	});
	return id;
}

export async function awaitDecision(deps: ControlDeps, rollout: string, id: string): Promise<CommandRow> {
	const { store, clock } = deps;
	const deadlineMs = clock.monotonicMs() + (deps.decisionWaitMs ?? decisionWaitMs);
	for (let look = 0; ; look += 1) {
		const row = await store.commands.find(rollout, id);
		if (row === null) throw new Error('a command was inserted and is not there');
		const leftMs = deadlineMs - clock.monotonicMs();
		if (row.decidedAt !== null || leftMs <= 0) return row;
		await clock.sleep(Math.min(leftMs, lookMs[Math.min(look, lookMs.length - 1)] ?? 80));
	}
}
