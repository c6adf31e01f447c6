import { voidedBy } from './approval.js';
import { domainsMax } from './cohorts.js';
import type { Snapshot } from './decision.js';
import type { Draft } from './draft.js';
import type { RolloutState } from './model.js';
import { type Plan, planTargets } from './plan.js';
import { type Refusal, refuse } from './refusal.js';
import { end, moveTo } from './states.js';
import { startNext } from './steps.js';

const approvedForMs = 24 * 3_600_000;

/** Plans the group and starts the first step; refused when agents would have no way back and nobody accepted that. */
function startRollout(draft: Draft, why: string, replan = false): Refusal {
	const plan = planTargets(draft.rollout, draft.snapshot.members);
	const refusal =
		refuseProtected(draft) ??
		refuseDomains(draft, plan) ??
		refuseNoWayBack(draft, plan) ??
		(replan ? null : refuseVoid(draft, plan));
	if (refusal !== null) return refusal;
	for (const target of plan.targets) draft.addTarget(target);
	draft.patch({
		planned: plan.candidates,
		nextRank: plan.nextRank,
		noWayBack: plan.noWayBack,
		...(plan.standing.length > 0 && { domains: plan.standing }),
		startedAtMs: draft.nowMs,
	});
	if (plan.candidates > 0) begin(draft, why);
	else if (plan.alreadyApplied > 0) end(draft, 'Completed', 'every agent already runs the version');
	else end(draft, 'Failed', nobodyText(plan));
	return null;
}

function begin(draft: Draft, why: string): void {
	moveTo(draft, 'InProgress', why);
	startNext(draft);
}

function refuseProtected({ rollout, snapshot }: Draft): Refusal {
	if (snapshot.environment.protectedGroup !== true || rollout.spec.acceptProtected === true) return null;
	return refuse('protected-group', 'the group is protected; say that this rollout is meant for it (acceptProtected)');
}

function refuseDomains(draft: Draft, { domains }: Plan): Refusal {
	if (domains <= domainsMax) return null;
	return refuse(
		'too-many-domains',
		`${draft.rollout.spec.spreadBy} has ${domains} values in the group, more than ${domainsMax}; spread by an attribute that many agents share, like a zone`,
	);
}

function refuseNoWayBack(draft: Draft, plan: Plan): Refusal {
	const { acceptNoWayBack } = draft.rollout.spec;
	if (plan.noWayBack === 0 || acceptNoWayBack) return null;
	return refuse(
		'no-way-back',
		`${plan.noWayBack} of ${plan.candidates} agents never proved a version and could not be rolled back; accept that (acceptNoWayBack), or name the version they go to (rollbackTo)`,
	);
}

/** It would be another rollout than the one somebody looked at: fail closed. */
function refuseVoid(draft: Draft, plan: Plan): Refusal {
	const { approved, startAtMs } = draft.rollout.spec;
	if (!approved) return null;
	// Whoever approved a start on a later day approved that day.
	const untilMs = Math.max(approved.untilMs, (startAtMs ?? 0) + approvedForMs);
	const changes = [
		...voidedBy({ ...approved, untilMs }, { eligible: plan.candidates, nowMs: draft.nowMs }),
		...(draft.snapshot.changedGrounds ?? []),
	];
	if (changes.length === 0) return null;
	return refuse(
		'plan-void',
		`what it was created on does not hold any more: ${changes.join('; ')}; look at a new plan, and start with replan or create it anew`,
	);
}

function nobodyText({ skipped, targets }: Plan): string {
	if (targets.length === 0) return 'the group has no agents';
	const reasons = Object.entries(skipped).map(([reason, count]) => `${count} ${reason}`);
	return `no agent of the group can be pushed: ${reasons.toSorted().join(', ')}`;
}

/** Sooner than its time, but not while another rollout has the group (R15). */
export function startByHand(draft: Draft, why: string, replan = false): Refusal {
	const { busyWith } = draft.snapshot.environment;
	if (draft.rollout.state !== 'Queued' || !busyWith) return startRollout(draft, why, replan);
	return refuse('busy', `start: rollout ${busyWith} of the group has not ended; it starts by itself after that`);
}

const stopped: readonly RolloutState[] = ['RollingBack', 'RolledBack', 'Aborted'];

/** What waits for its time or its turn, and has come to it. */
export function startsByItself({
	rollout,
	environment,
	nowMs,
}: Pick<Snapshot, 'rollout' | 'environment' | 'nowMs'>): boolean {
	const { state, spec } = rollout;
	const { busyWith, superseded } = environment;
	const due = spec.startAtMs == null || spec.startAtMs <= nowMs;
	if (state === 'Pending') return spec.startAtMs != null && due;
	return state === 'Queued' && due && !busyWith && !isStopped(superseded);
}

const isStopped = (superseded: RolloutState | null | undefined): boolean =>
	superseded != null && stopped.includes(superseded);

export function startWaiting(draft: Draft): void {
	const { state, spec } = draft.rollout;
	const { superseded } = draft.snapshot.environment;
	// Somebody stopped what this one was to take over from: what was decided there stands.
	if (state === 'Queued' && isStopped(superseded))
		end(draft, 'Rejected', `the rollout it was to supersede is ${superseded}`);
	if (!startsByItself({ ...draft.snapshot, rollout: draft.rollout })) return;
	// Whether what it was created on still holds, nobody has looked at yet: fail closed.
	if (spec.approved?.grounds !== undefined && draft.snapshot.changedGrounds === undefined) return;
	startAlone(draft, state === 'Pending' ? 'its time came' : 'its turn came');
}

/** One that may not start is rejected, for nobody is there to be told. */
function startAlone(draft: Draft, why: string): void {
	const refusal = startRollout(draft, why);
	if (refusal !== null) end(draft, 'Rejected', refusal.message);
}

/** Members that joined after the start rank last. */
export function planJoiners(draft: Draft): void {
	const { rollout, members } = { rollout: draft.rollout, members: draft.snapshot.members };
	if (members.length === 0) return;
	const plan = planTargets(rollout, members, rollout.nextRank);
	for (const target of plan.targets) draft.addTarget(target);
	draft.patch({
		nextRank: plan.nextRank,
		noWayBack: rollout.noWayBack + plan.noWayBack,
		...(plan.standing.length > 0 && { domains: plan.standing }),
	});
}
