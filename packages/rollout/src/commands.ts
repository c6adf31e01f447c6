import { assert, unreachable } from '@ampora/runtime';
import { closedText } from './calendar.js';
import type { Command, CommandOutcome } from './decision.js';
import type { Draft } from './draft.js';
import { editGates } from './edit_gates.js';
import { unpushed } from './fold.js';
import type { GateName, PauseReason, Target } from './model.js';
import { gateNames, liftableReasons } from './names.js';
import { type Refusal, refuse } from './refusal.js';
import { startByHand } from './start.js';
import { end, lift, pause, startRollback } from './states.js';
import { endStep, isBaked, lackingEvidence, startNext, stepLabel } from './steps.js';
import { acceptEvidence, isTouched } from './tally.js';
import { commandAllowed, commandOrder, commandState, legality, overruledBy } from './transitions.js';
import { bakeNeededMs, longestWindowMs } from './windows.js';

/** Carries out what was asked, the safest first; of commands that contradict each other the loser is told who won. */
export function runCommands(draft: Draft): void {
	const winners: Command[] = [];
	const commands = draft.snapshot.commands.toSorted(
		(a, b) => commandOrder.indexOf(a.kind) - commandOrder.indexOf(b.kind),
	);
	for (const command of commands) {
		const refusal = overruled(command, winners) ?? illegal(draft, command) ?? perform(draft, command);
		if (refusal === null) winners.push(command);
		draft.outcomes.push(outcome(command, refusal));
		draft.event({ kind: 'command', command: command.kind, actor: command.actor, accepted: refusal === null });
	}
}

const outcome = ({ id }: Command, refusal: Refusal): CommandOutcome => ({
	commandId: id,
	accepted: refusal === null,
	code: refusal?.code ?? null,
	message: refusal?.message ?? null,
});

function overruled(command: Command, winners: readonly Command[]): Refusal {
	const winner = winners.find(({ kind }) => overruledBy[command.kind].includes(kind));
	if (winner === undefined) return null;
	return refuse(
		'overruled',
		`${command.kind} met ${winner.kind} of ${winner.actor}, which wins; look at the rollout and ask again`,
	);
}

function illegal(draft: Draft, { kind }: Command): Refusal {
	if (commandAllowed(draft.rollout, kind)) return null;
	const { state } = draft.rollout;
	if (legality(draft.rollout, kind) === 'new-rollout') {
		return refuse('not-allowed', `${kind}: the rollout is ${state} and has ended; ${kind} it with a new rollout`);
	}
	const paused = commandState(draft.rollout) === 'PausedRollback' ? ' (rolling back)' : '';
	return refuse('not-allowed', `${kind} is not allowed while the rollout is ${state}${paused}`);
}

function perform(draft: Draft, command: Command): Refusal {
	const by = `${command.kind} by ${command.actor}${command.reason === undefined ? '' : `: ${command.reason}`}`;
	switch (command.kind) {
		case 'start':
			return startByHand(draft, by, command.replan);
		case 'cancel':
			end(draft, 'Cancelled', by);
			return null;
		case 'pause':
			pause(draft, 'manual', by);
			return null;
		case 'resume':
			return resume(draft, command, by);
		case 'advance':
			return advance(draft, command);
		case 'extend':
			return extend(draft, command, by);
		case 'edit-gates':
			return editGates(draft, command, by);
		case 'abort':
			end(draft, 'Aborted', by);
			return null;
		case 'supersede':
			return supersede(draft, by, command);
		case 'retry':
			return retry(draft, command);
		case 'exclude':
			return exclude(draft, command);
		case 'rollback':
			startRollback(draft, by);
			return null;
		default:
			return unreachable(command.kind, 'command');
	}
}

/** Another rollout takes its place: what no agent was handed is taken back, and one that had not begun never will. */
function supersede(draft: Draft, by: string, { successor, notStarting }: Command): Refusal {
	if (notStarting !== undefined)
		return refuse('successor-refused', `supersede: rollout ${successor ?? 'unknown'} cannot start: ${notStarting}`);
	const to = draft.rollout.startedAtMs === null ? 'Cancelled' : 'Superseded';
	end(draft, to, `${by}; rollout ${successor ?? 'unknown'} takes its place`);
	return null;
}

function resume(draft: Draft, command: Command, by: string): Refusal {
	const { pauseReasons } = draft.rollout;
	const named = command.reasons === undefined || command.reasons.length === 0 ? liftableReasons : command.reasons;
	const reasons = pauseReasons.filter((reason) => named.includes(reason) && liftableReasons.includes(reason));
	if (reasons.length === 0) {
		const held = pauseReasons.join(', ');
		const { closed } = draft.rollout;
		if (closed) return refuse('outside-window', `resume: ${closedText(closed)}`);
		return refuse(
			'not-allowed',
			`resume: the rollout is paused by ${held}, of which a person lifts nothing that was named`,
		);
	}
	const accepted = acceptShown(draft, reasons);
	restartDwell(draft);
	lookAnew(draft);
	lift(draft, reasons, accepted.length === 0 ? by : `${by}; accepted ${accepted.join('; ')}`);
	return null;
}

/** Accepts the evidence the reasons stand for, by name, on the record; returns what was accepted. */
function acceptShown(draft: Draft, reasons: readonly PauseReason[]): readonly string[] {
	const { evidence } = draft.rollout;
	const fired = reasons.includes('gate') ? evidence.filter(({ verdict }) => verdict === 'fire') : [];
	const lacking = reasons.includes('inconclusive') ? evidence.filter(({ verdict }) => verdict === 'inconclusive') : [];
	acceptGates(
		draft,
		gateNames.filter((gate) => fired.some((shown) => shown.gate === gate)),
	);
	if (reasons.includes('inconclusive')) acceptUnproven(draft);
	if (reasons.includes('deferred')) draft.patch({ deferredAccepted: true });
	const accepted = [...fired, ...lacking];
	draft.patch({ evidence: evidence.filter((shown) => !accepted.includes(shown)) });
	return accepted.map(({ message }) => message);
}

/** What counted by the last committed decision is what was shown; what began to count in this one stays (I8: only new evidence pauses again). */
function acceptGates(draft: Draft, gates: readonly GateName[]): void {
	if (gates.length === 0) return;
	const fresh = (index: number) => (gate: GateName) =>
		draft.changedTargets().filter((target) => target.step === index && target.against[gate] === draft.seq).length;
	for (const step of draft.steps) {
		draft.putStep({ ...step, counters: acceptEvidence(step.counters, gates, fresh(step.index)) });
	}
	const upTo = draft.snapshot.rollout.seq;
	const acceptedSeq = Object.fromEntries(gateNames.filter((gate) => gates.includes(gate)).map((gate) => [gate, upTo]));
	draft.patch({ acceptedSeq: { ...draft.rollout.acceptedSeq, ...acceptedSeq } });
}

function acceptUnproven(draft: Draft): void {
	const step = draft.current;
	if (step !== null) draft.putStep({ ...step, unprovenAccepted: true });
}

/** What was shown is accepted, or was asked while something else was wrong: metric gates begin again. */
function lookAnew(draft: Draft): void {
	if (draft.rollout.metricWatches !== undefined) draft.patch({ metricWatches: {} });
}

function restartDwell(draft: Draft): void {
	const step = draft.current;
	if (step !== null && step.phase !== 'ended') draft.putStep({ ...step, dweltMs: 0 });
}

/** Ends the dwell now, and starts the next step. What the gates do not show yet needs `force` and a reason; a firing gate nothing overrides. */
function advance(draft: Draft, command: Command): Refusal {
	const step = draft.current;
	assert(step !== null, 'a rollout under way has a current step');
	const fired = draft.rollout.evidence.find(({ verdict }) => verdict === 'fire');
	if (fired !== undefined)
		return refuse('gate-firing', `advance: ${fired.message}; resume accepts it, rollback takes it back`);
	const waiting = step.counters.states.Pending + step.counters.unanswered;
	if (step.phase === 'pushing' || waiting > 0) {
		return refuse(
			'not-answered',
			`advance: ${waiting} agents of ${stepLabel(step)} have not answered; wait for them, or exclude them`,
		);
	}
	const lacking = missingProof(draft);
	if (lacking !== null) {
		const refusal = forced(command, lacking);
		if (refusal !== null) return refusal;
		acceptUnproven(draft);
	}
	proceed(draft);
	return null;
}

function missingProof(draft: Draft): string | null {
	const { rollout, current } = draft;
	if (rollout.baking) {
		const passed = rollout.bakedMs >= longestWindowMs(rollout.spec.gates);
		return passed ? null : 'the longest window has not passed in the bake';
	}
	if (current === null || current.phase === 'ended') return null;
	const lacking = lackingEvidence(current, draft.steps, rollout);
	return lacking.length === 0 ? null : lacking.map(({ message }) => message).join('; ');
}

function forced({ force, reason }: Command, lacking: string): Refusal {
	if (force !== true) return refuse('inconclusive', `advance: ${lacking}; wait, or force it with a reason`);
	if (reason === undefined || reason.trim() === '') {
		return refuse('reason-required', 'advance: to force it, say why');
	}
	return null;
}

function proceed(draft: Draft): void {
	if (draft.rollout.state === 'Paused') {
		const evidence = draft.rollout.evidence.filter(({ verdict }) => verdict === 'fire');
		draft.patch({ evidence });
		lookAnew(draft);
		lift(draft, ['inconclusive'], 'advanced by force');
	}
	if (draft.rollout.baking) {
		draft.patch({ bakedMs: Math.max(draft.rollout.bakedMs, bakeNeededMs(draft.rollout.spec)) });
		assert(isBaked(draft.rollout), 'an advanced bake is over');
		return;
	}
	const step = draft.current;
	if (step !== null && step.phase !== 'ended') endStep(draft, step);
	startNext(draft);
}

function extend(draft: Draft, command: Command, by: string): Refusal {
	const step = draft.current;
	const byMs = command.extendMs ?? 0;
	if (!Number.isInteger(byMs) || byMs <= 0)
		return refuse('not-allowed', 'extend: say by how much, in whole ms above 0');
	if (step === null || step.phase === 'ended') {
		return refuse('not-allowed', 'extend: no step is dwelling; pause the rollout to keep it from going on');
	}
	draft.putStep({ ...step, extendedMs: step.extendedMs + byMs });
	draft.event({ kind: 'dwell-extended', step: step.index, byMs, why: by });
	return null;
}

/** The targets a command names; null when one of them is no target of this rollout. */
function namedTargets(draft: Draft, { agentIds }: Command): readonly Target[] | string {
	const targets: Target[] = [];
	for (const agentId of agentIds ?? []) {
		const found = draft.find(agentId);
		if (found === null) return agentId;
		targets.push(found.target);
	}
	return targets;
}

const unknownAgent = (command: Command, agentId: string): Refusal =>
	refuse('unknown-agent', `${command.kind}: ${agentId} is no target of this rollout`);

const isRetryable = ({ state }: Target): boolean => state === 'Failed' || state === 'Reverted' || state === 'TimedOut';

/** A new attempt, in the same step: the explicit retry that quarantine asks for (R9). */
function retry(draft: Draft, command: Command): Refusal {
	const listed = namedTargets(draft, command);
	if (typeof listed === 'string') return unknownAgent(command, listed);
	const every = command.agentIds === undefined || command.agentIds.length === 0;
	const targets = every ? draft.snapshot.named.map(({ target }) => draft.target(target.agentId)) : listed;
	const wrong = every ? undefined : targets.find((target) => !isRetryable(target));
	if (wrong !== undefined) return refuse('not-allowed', `retry: ${wrong.agentId} is ${wrong.state}, it did not fail`);
	// One that left would be skipped instead of pushed again, and its failure would not count any more (R7).
	const failed = targets.filter((target) => isRetryable(target) && draft.find(target.agentId)?.facts.inGroup === true);
	if (failed.length === 0)
		return refuse('not-allowed', 'retry: no agent in the group of this rollout failed, reverted or timed out');
	for (const target of failed) retryOne(draft, target);
	return null;
}

function retryOne(draft: Draft, target: Target): void {
	const aside = target.step !== draft.rollout.currentStep;
	const wakeAt = aside ? draft.rollout.observedMs : null;
	const attempt = target.attempt + 1;
	// Until it is pushed again its assignment may still point at the version: a rollback before that has to take it back (R10).
	const back = { state: 'todo' } as const;
	draft.put({ ...target, ...unpushed, state: 'Pending', reason: null, error: null, attempt, back, wakeAt });
	draft.unquarantine.push(target.agentId);
	draft.more = true;
	const step = target.step === null ? null : draft.step(target.step);
	if (step?.phase === 'dwelling') draft.putStep({ ...step, phase: 'pushing', dweltMs: 0 });
}

/** Takes agents out that were not handed the version yet; those that were keep counting (R7). */
function exclude(draft: Draft, command: Command): Refusal {
	const targets = namedTargets(draft, command);
	if (typeof targets === 'string') return unknownAgent(command, targets);
	if (targets.length === 0) return refuse('unknown-agent', 'exclude: name at least one agent');
	const pushed = targets.find((target) => isTouched(target) || target.state === 'RolledBack');
	if (pushed !== undefined) {
		return refuse(
			'not-allowed',
			`exclude: ${pushed.agentId} was pushed already and is ${pushed.state}; it keeps counting`,
		);
	}
	for (const target of targets) {
		if (target.seq !== null) draft.withdraw.push(target.agentId);
		draft.put({ ...target, ...unpushed, state: 'Skipped', reason: 'excluded', step: null });
	}
	return null;
}
