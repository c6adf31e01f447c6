import type {
	CommandAnswer,
	RolloutAnswer,
	RolloutEventAnswer,
	RolloutSummary,
	RolloutTargetAnswer,
} from '@ampora/api-contract';
import type { RolloutState as State } from '@ampora/rollout';
import { Command, CommandState, Event, Rollout, RolloutState, Target } from '../gen/ampora/rollout/v1/rollout.js';
import type { Duration } from '../gen/google/protobuf/duration.js';

/** A state without a number does not compile. */
const stateNumber = {
	PendingApproval: RolloutState.ROLLOUT_STATE_PENDING_APPROVAL,
	Pending: RolloutState.ROLLOUT_STATE_PENDING,
	Queued: RolloutState.ROLLOUT_STATE_QUEUED,
	InProgress: RolloutState.ROLLOUT_STATE_IN_PROGRESS,
	Paused: RolloutState.ROLLOUT_STATE_PAUSED,
	RollingBack: RolloutState.ROLLOUT_STATE_ROLLING_BACK,
	Completed: RolloutState.ROLLOUT_STATE_COMPLETED,
	RolledBack: RolloutState.ROLLOUT_STATE_ROLLED_BACK,
	Aborted: RolloutState.ROLLOUT_STATE_ABORTED,
	Failed: RolloutState.ROLLOUT_STATE_FAILED,
	Superseded: RolloutState.ROLLOUT_STATE_SUPERSEDED,
	Cancelled: RolloutState.ROLLOUT_STATE_CANCELLED,
	Rejected: RolloutState.ROLLOUT_STATE_REJECTED,
} satisfies Record<State, RolloutState>;

export const stateOf = (number: RolloutState): State | undefined =>
	(Object.keys(stateNumber) as State[]).find((name) => stateNumber[name] === number);

const duration = (ms: number): Duration => ({ seconds: BigInt(Math.floor(ms / 1000)), nanos: (ms % 1000) * 1e6 });
const instant = (text: string | null): Date | undefined => (text === null ? undefined : new Date(text));

/** What a list shows of a rollout. */
export function summaryMessage(summary: RolloutSummary): Rollout {
	return Rollout.fromPartial({
		id: summary.id,
		group: summary.group.name,
		version: summary.version.ref,
		versionId: summary.version.id,
		state: stateNumber[summary.state],
		pauseReasons: summary.pauseReasons,
		currentStep: summary.step?.number ?? 0,
		stepCount: summary.step?.of ?? 0,
		baking: summary.baking,
		total: summary.total,
		started: summary.started,
		updated: summary.updated,
		back: summary.back,
		createdAt: instant(summary.createdAt),
		startedAt: instant(summary.startedAt),
		endedAt: instant(summary.endedAt),
		createdBy: summary.createdBy,
		rollbackOf: summary.rollbackOf ?? '',
		rolledBackBy: summary.rolledBackBy ?? '',
	});
}

export function rolloutMessage(rollout: RolloutAnswer): Rollout {
	return {
		...summaryMessage(rollout),
		headline: rollout.headline,
		holding: rollout.holding ?? '',
		waitsFor: rollout.waitsFor ?? '',
		startAt: instant(rollout.startAt),
		closed: rollout.closed?.why ?? '',
		closedUntil: instant(rollout.closed?.until ?? null),
		stepCount: rollout.step?.of ?? rollout.steps.length,
		steps: rollout.steps.map((step) => ({
			number: step.number,
			name: step.name ?? '',
			size: step.size,
			agents: step.agents ?? undefined,
			phase: step.phase,
			states: step.states ?? {},
			dwell: duration(step.dwellMs),
			dwelt: duration(step.dweltMs),
		})),
		agents: rollout.states,
		evidence: rollout.evidence.map(({ gate, cohort, message, k, n, thresholdPercent }) => ({
			gate,
			cohort,
			message,
			k,
			n,
			thresholdPercent,
		})),
		metricGates: rollout.metricGates.map(({ verdict, text, ...gate }) => ({
			...gate,
			verdict: verdict ?? '',
			text: text ?? '',
		})),
		failures: rollout.errors.map(({ error, agents, examples }) => ({ error, agents, exampleAgentIds: examples })),
		allowedCommands: rollout.commands,
		timeLeft:
			rollout.timeLeft === null
				? undefined
				: { min: duration(rollout.timeLeft.minMs), max: duration(rollout.timeLeft.maxMs) },
		noWayBack: rollout.noWayBack,
		plan: rollout.plan === null ? undefined : { ...rollout.plan, expiresAt: instant(rollout.plan.expiresAt) },
	};
}

export const targetMessage = (target: RolloutTargetAnswer): Target =>
	Target.fromPartial({
		agentId: target.agent,
		rank: target.rank,
		step: target.step ?? 0,
		state: target.state,
		reason: target.reason ?? '',
		error: target.error ?? '',
		sickBefore: target.sickBefore,
		back: target.back ?? '',
		instanceUid: target.instanceUid ?? '',
		hostname: target.hostname ?? '',
		attempt: target.attempt,
	});

const commandStateNumber = {
	open: CommandState.COMMAND_STATE_OPEN,
	accepted: CommandState.COMMAND_STATE_ACCEPTED,
	refused: CommandState.COMMAND_STATE_REFUSED,
} satisfies Record<CommandAnswer['state'], CommandState>;

export const commandMessage = (command: CommandAnswer): Command =>
	Command.fromPartial({
		id: command.id,
		rolloutId: command.rollout,
		kind: command.kind,
		actor: command.actor,
		state: commandStateNumber[command.state],
		code: command.code ?? '',
		message: command.message ?? '',
		createdAt: instant(command.createdAt),
		decidedAt: instant(command.decidedAt),
	});

export const eventMessage = ({ seq, at, kind, text, data }: RolloutEventAnswer): Event =>
	Event.fromPartial({ seq: BigInt(seq), at: instant(at), kind, text, dataJson: JSON.stringify(data) });
