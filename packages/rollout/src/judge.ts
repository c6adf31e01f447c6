import type { Draft } from './draft.js';
import { firingGates } from './gates.js';
import type { GateEvidence } from './model.js';
import { pause, startRollback } from './states.js';

/** States in which gates are judged; in a rollback they report and stop nothing. */
function isJudging(draft: Draft): boolean {
	const { state, tailUntilMs } = draft.rollout;
	return (
		state === 'InProgress' ||
		state === 'Paused' ||
		state === 'RollingBack' ||
		(state === 'Completed' && tailUntilMs !== null)
	);
}

/** Latches gates that are above their threshold and were not yet: the evidence shows the first crossing. */
export function latchGates(draft: Draft): void {
	const step = draft.current;
	if (step === null || !isJudging(draft)) return;
	for (const evidence of firingGates(step, draft.steps, draft.rollout.spec)) {
		if (isLatched(draft.rollout.evidence, evidence)) continue;
		const others = draft.rollout.evidence.filter(({ gate }) => gate !== evidence.gate);
		draft.patch({ evidence: [...others, evidence] });
		draft.event({ kind: 'gate-fired', gate: evidence.gate, message: evidence.message });
	}
}

const isLatched = (latched: readonly GateEvidence[], { gate }: GateEvidence): boolean =>
	latched.some((evidence) => evidence.gate === gate && evidence.verdict === 'fire');

/** Acts on what fired: pauses, or starts the rollback; no automatic rollback starts while our own side cannot hear. */
export function actOnGates(draft: Draft, held: boolean): void {
	const { state, rollingBack, evidence, spec } = draft.rollout;
	const fired = evidence.filter(({ verdict }) => verdict === 'fire');
	if (fired.length === 0) return;
	const why = fired.map(({ message }) => message).join('; ');
	if (state === 'Completed') closeTail(draft, why);
	if (rollingBack || (state !== 'InProgress' && state !== 'Paused')) return;
	if (spec.onGate === 'rollback' && !held) startRollback(draft, why);
	else pause(draft, 'gate', why);
}

export function closeTail(draft: Draft, why: string): void {
	if (draft.rollout.tailUntilMs === null) return;
	draft.patch({ tailUntilMs: null });
	draft.event({ kind: 'tail-closed', why });
	draft.withdrawUnsent = true;
	draft.stopDispatch();
}
