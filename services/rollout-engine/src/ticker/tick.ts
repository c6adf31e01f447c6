import {
	closesAtMs,
	type Decision,
	decide,
	decisionDigest,
	inItsPlace,
	journalInput,
	keepingItsPlace,
	notStarting,
	offersOf,
	type Rollout,
	snapshotNeeds,
	startsByItself,
	successorIn,
} from '@ampora/rollout';
import type { RolloutId } from '@ampora/runtime';
import type { CommitOutcome, EngineStore, JournalEntry, LeaderLease, LoadedSnapshot } from '@ampora/store';
import type { Dispatcher } from '../dispatcher/dispatcher.js';
import type { MetricKeeper } from '../metrics/metric_keeper.js';

/** Looks at what the rollout core cannot see: versions, components, selectors, what somebody agreed to. */
export interface StartChecks {
	/** What has changed since the rollout was created, in words, so that it is not to start by itself. */
	changesAtStart(rollout: Rollout): Promise<readonly string[]>;
}

export interface TickDeps {
	readonly store: Pick<EngineStore, 'loadSnapshot' | 'commitDecision'>;
	/** Verdicts of the metrics server, as far as they are known. */
	readonly metrics: Pick<MetricKeeper, 'resultsFor'>;
	readonly starts: StartChecks;
	readonly dispatcher: Pick<Dispatcher, 'start'>;
	/** Told of every decision that was committed. */
	readonly onCommitted: (loaded: LoadedSnapshot, decision: Decision) => void;
}

export type TickOutcome = 'idle' | 'lease-lost' | 'busy';

/** Decisions in a row on one rollout before the others get their turn (D7). */
const passesMax = 8;

/**
 * Looks at one rollout and carries out what the core decides, again while it says there is more to do at once. Safe to run twice at
 * the same time: the journal's seq lets one of two decisions commit (R2).
 */
export async function tickRollout(deps: TickDeps, lease: LeaderLease, rolloutId: RolloutId): Promise<TickOutcome> {
	for (let pass = 0; pass < passesMax; pass += 1) {
		const read = await deps.store.loadSnapshot(rolloutId, snapshotNeeds);
		if (read === null) return 'idle';
		const [made, successor] = await decideAll(deps, await withStartCheck(deps, withMetrics(deps, read)));
		const { loaded, decision } = made;
		if (!decision.changed && loaded.signalIds.length === 0) return 'idle';
		const outcome = await deps.store.commitDecision(
			lease,
			loaded,
			decision,
			journalOf(made),
			successor && {
				...successor,
				journal: journalOf(successor),
			},
		);
		if (outcome.kind === 'lease-lost') return 'lease-lost';
		if (outcome.kind === 'conflict') continue;
		deps.onCommitted(loaded, decision);
		if (successor) deps.onCommitted(successor.loaded, successor.decision);
		dispatchCommitted(deps, loaded, decision, outcome);
		if (decision.nextWakeAtMs === null || decision.nextWakeAtMs > loaded.snapshot.nowMs) return 'idle';
	}
	return 'busy';
}

interface Made {
	readonly loaded: LoadedSnapshot;
	readonly decision: Decision;
}

/** The decision, and that of the rollout that takes its place by it. */
async function decideAll(deps: TickDeps, loaded: LoadedSnapshot): Promise<readonly [Made, Made?]> {
	const decision = decide(loaded.snapshot);
	const successor = successorIn(loaded.snapshot, decision);
	const read = successor && (await deps.store.loadSnapshot(successor, snapshotNeeds));
	if (!read) return [{ loaded, decision }];
	const inTurn = await withStartCheck(deps, { ...read, snapshot: inItsPlace(read.snapshot, decision) });
	const taking = { loaded: inTurn, decision: decide(inTurn.snapshot) };
	const why = notStarting(taking.decision);
	if (why === null) return [{ loaded, decision }, taking];
	const kept = { ...loaded, snapshot: keepingItsPlace(loaded.snapshot, read.snapshot.rollout.id, why) };
	return [{ loaded: kept, decision: decide(kept.snapshot) }, taking];
}

function withMetrics({ metrics }: TickDeps, loaded: LoadedSnapshot): LoadedSnapshot {
	const metricResults = metrics.resultsFor(loaded.snapshot);
	return metricResults.length === 0 ? loaded : { ...loaded, snapshot: { ...loaded.snapshot, metricResults } };
}

async function withStartCheck({ starts }: TickDeps, loaded: LoadedSnapshot): Promise<LoadedSnapshot> {
	const { snapshot } = loaded;
	if (!startsByItself(snapshot)) return loaded;
	const changedGrounds = await starts.changesAtStart(snapshot.rollout);
	return { ...loaded, snapshot: { ...snapshot, changedGrounds } };
}

const journalOf = ({ loaded: { snapshot }, decision }: Made): JournalEntry => ({
	input: journalInput(snapshot),
	digest: decisionDigest(decision),
	offers: offersOf(decision.rollout),
	closesAtMs: closesAtMs(snapshot.environment.calendar, snapshot.nowMs),
});

function dispatchCommitted(
	deps: TickDeps,
	loaded: LoadedSnapshot,
	decision: Decision,
	outcome: Extract<CommitOutcome, { kind: 'committed' }>,
): void {
	const written = new Set(decision.assignments.map((assignment) => assignment.agentId));
	const { traceparent } = loaded;
	const first = outcome.dispatch.filter((agentId) => written.has(agentId));
	const again = outcome.dispatch.filter((agentId) => !written.has(agentId));
	deps.dispatcher.start({ agentIds: first, cause: 'rollout', traceparent });
	deps.dispatcher.start({ agentIds: again, cause: 'redelivery', traceparent });
}
