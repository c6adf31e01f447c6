import type { RolloutAnswer, RolloutSummary, RolloutTargetAnswer } from '@ampora/api-contract';
import {
	type Back,
	holdingText,
	type Rollout,
	type RolloutEvent,
	type RolloutState,
	type Step,
	type TargetState,
} from '@ampora/rollout';
import { ok } from '@ampora/runtime';
import type { Repositories, RolloutRow, TargetRow } from '@ampora/store';
import { notFound, type Outcome } from './errors.js';
import { possibleCommands } from './possible_commands.js';
import { agentTotals, gateViews, metricGateViews, stepsToCome, stepViews, timeLeft } from './rollout_progress.js';
import { specView } from './spec_view.js';

export function rolloutLinks(id: string) {
	const self = `/api/v1/rollouts/${id}`;
	return { self, targets: `${self}/targets`, events: `${self}/events`, watch: `${self}/watch` };
}

export function toRolloutSummary(row: RolloutRow, steps: readonly Step[]): RolloutSummary {
	const { rollout } = row;
	const { total, started, updated } = agentTotals(rollout, steps);
	return {
		id: rollout.id,
		group: { id: rollout.groupId, name: row.group },
		version: { id: rollout.versionId, ref: row.versionRef },
		state: rollout.state,
		pauseReasons: [...rollout.pauseReasons],
		step: currentStep(rollout, steps),
		baking: rollout.baking,
		total,
		started,
		updated,
		back: rollout.back,
		createdBy: row.createdBy,
		createdAt: row.createdAt.toISOString(),
		startedAt: row.startedAt?.toISOString() ?? null,
		endedAt: row.endedAt?.toISOString() ?? null,
		rollbackOf: rollout.rollbackOf,
		rolledBackBy: row.rolledBackBy,
	};
}

/** Batch X of Y, as the strategy counts them: a step that would add nobody is passed over and keeps its number. */
function currentStep(rollout: Rollout, steps: readonly Step[]): RolloutSummary['step'] {
	const current = steps.find(({ index }) => index === rollout.currentStep);
	if (current === undefined) return null;
	const ended = rollout.endedAtMs !== null || rollout.rollingBack;
	const last = ended ? undefined : stepsToCome(rollout, steps).at(-1);
	return { number: current.index + 1, of: (last?.index ?? current.index) + 1, name: current.name };
}

const share = (count: number, what: string): string => (count === 0 ? '' : `${count} ${what}`);
const named = (states: Readonly<Record<TargetState, number>>, names: readonly TargetState[]): string[] =>
	names.map((name) => share(states[name], name)).filter((text) => text !== '');

/** Ends of rollouts that pushed nothing: what there is to say of them is why. */
const endsWithoutPush: readonly RolloutState[] = ['Failed', 'Cancelled', 'Rejected'];

/** In the words of its journal, which has a few entries then; null for all other states. */
async function whyEnded({ rollouts }: Pick<Repositories, 'rollouts'>, { id, state }: Rollout): Promise<string | null> {
	if (!endsWithoutPush.includes(state)) return null;
	const decisions = await rollouts.events(id, 0, 100);
	const told = decisions.flatMap(({ events }) => events as RolloutEvent[]);
	return told.flatMap((event) => (event.kind === 'state' && event.to === state ? [event.why] : [])).at(-1) ?? null;
}

function backText(done: string, { confirmed, listed, todo, inFlight }: Rollout['back']): string {
	const left = listed > 0 ? `; ${listed} ${listed === 1 ? 'is' : 'are'} not, and each target says why` : '';
	return `${done}: ${confirmed} of ${todo + inFlight + confirmed + listed} agents are back${left}`;
}

function notStarted({ rollout, waitsFor }: RolloutRow): string {
	const startAtMs = rollout.spec.startAtMs ?? null;
	if (startAtMs !== null) return `Not started: starts at ${new Date(startAtMs).toISOString()}`;
	return `Not started: waits for ${waitsFor ?? 'the engine'}`;
}

/** One sentence for people: where it is and what of, or why it ended with nothing done. */
function headline(row: RolloutRow, steps: readonly Step[], ended: string | null): string {
	const { rollout } = row;
	const { states, total, updated } = agentTotals(rollout, steps);
	const trouble = named(states, ['Failed', 'Reverted', 'TimedOut', 'Disconnected', 'Deferred']).join(', ');
	const agents = `${updated} of ${total} agents run ${row.versionRef}${trouble === '' ? '' : `; ${trouble}`}`;
	const step = currentStep(rollout, steps);
	const place = step === null ? '' : `step ${step.number} of ${step.of}${step.name === null ? '' : ` (${step.name})`}`;
	switch (rollout.state) {
		case 'Pending':
		case 'Queued':
		case 'PendingApproval':
			return notStarted(row);
		case 'InProgress':
			return `${rollout.baking ? 'Baking' : `In ${place}`}: ${agents}`;
		case 'Paused':
			return `Paused (${rollout.pauseReasons.join(', ')}) in ${rollout.rollingBack ? 'the rollback' : place}: ${agents}`;
		case 'RollingBack':
			return backText('Rolling back', rollout.back);
		case 'RolledBack':
			return backText('Rolled back', rollout.back);
		case 'Completed':
			return `Completed${states.Deferred > 0 ? ` (${states.Deferred} deferred)` : ''}: ${agents}`;
		default:
			return `${rollout.state}: ${ended ?? agents}`;
	}
}

const instantOf = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

/** Throughput is counted over this long. */
const paceMs = 60_000;

/** Everything about one rollout. */
export async function showRollout({ rollouts }: Pick<Repositories, 'rollouts'>, id: string): Outcome<RolloutAnswer> {
	const row = await rollouts.find(id);
	if (row === null) return notFound('rollout', id, 'ampora rollouts list');
	const [started, errors, answered, ended] = await Promise.all([
		rollouts.steps([id]),
		rollouts.errors(id),
		rollouts.answeredWithin(id, paceMs),
		whyEnded({ rollouts }, row.rollout),
	]);
	const steps = started.get(id) ?? [];
	const { rollout } = row;
	const { states } = agentTotals(rollout, steps);
	const perMinute = answered * (60_000 / paceMs);
	return ok({
		...toRolloutSummary(row, steps),
		headline: headline(row, steps, ended),
		spec: specView(row.rollout.spec, row.onlyAgents),
		steps: stepViews(rollout, steps),
		states,
		gates: gateViews(rollout, steps),
		metricGates: metricGateViews(rollout),
		evidence: rollout.evidence.map(({ gate, cohort, step, k, n, thresholdPercent, message }) => ({
			...{ gate, cohort, k, n, thresholdPercent, message },
			step: step + 1,
		})),
		errors: errors.map(({ error, agents, examples }) => ({ error, agents, examples })),
		throughputPerMinute: rollout.startedAtMs === null ? null : perMinute,
		timeLeft: timeLeft(rollout, steps, { states, answeredPerMinute: perMinute }),
		holding: holdingText(rollout, row.readAtMs)?.replace(/^holding: /, '') ?? null,
		waitsFor: row.waitsFor,
		startAt: instantOf(rollout.spec.startAtMs ?? null),
		closed: rollout.closed ? { why: rollout.closed.why, until: instantOf(rollout.closed.untilMs) } : null,
		nextWakeAt: row.nextWakeAt?.toISOString() ?? null,
		bakedMs: Math.round(rollout.bakedMs),
		noWayBack: rollout.noWayBack,
		plan: planView(rollout.spec),
		commands: [...possibleCommands(rollout)],
		seq: rollout.seq,
		links: rolloutLinks(id),
	});
}

function planView({ approved }: Rollout['spec']): RolloutAnswer['plan'] {
	if (!approved?.digest) return null;
	const { digest, eligible, untilMs, grounds } = approved;
	return { digest, eligible, expiresAt: new Date(untilMs).toISOString(), risks: [...(grounds?.risks ?? [])] };
}

const targetBack = (back: Back | null): string | null => {
	if (back === null) return null;
	return back.state === 'listed' ? `listed: ${back.why}` : back.state;
};

export function toTarget(
	{ target, hostname, instanceUid }: TargetRow,
	refs: ReadonlyMap<string, string>,
): RolloutTargetAnswer {
	const { agentId, rank, step, state, reason, error, sickBefore, previousVersion, attempt, back } = target;
	return {
		agent: agentId,
		instanceUid,
		hostname,
		rank,
		step: step === null ? null : step + 1,
		state: state as TargetState,
		reason,
		error,
		sickBefore,
		previousVersion: previousVersion === null ? null : (refs.get(previousVersion) ?? previousVersion),
		attempt,
		back: targetBack(back),
		assignedAt: target.admittedAt?.toISOString() ?? null,
		answeredAt: target.answeredAt?.toISOString() ?? null,
	};
}
