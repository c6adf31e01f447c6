import {
	type Decision,
	emptyCounters,
	newRollout,
	type Rollout,
	resolveSpec,
	type Step,
	type Target,
} from '@ampora/rollout';
import { type AgentId, type GroupId, newId, type RolloutId, type VersionId } from '@ampora/runtime';
import type { JournalEntry, LoadedSnapshot } from '@ampora/store';

export const sampleRollout = (groupId: GroupId, versionId: VersionId, change: Partial<Rollout> = {}): Rollout => ({
	...newRollout({
		id: newId<RolloutId>(),
		groupId,
		versionId,
		spec: resolveSpec({ seed: 'seed' }),
		createdAtMs: 1_700_000_000_123,
	}),
	...change,
});

export const sampleStep = (index: number, change: Partial<Step> = {}): Step => ({
	index,
	name: null,
	quota: 10,
	exhausted: false,
	phase: 'pushing',
	dwellMs: 300_000,
	dweltMs: 0,
	extendedMs: 0,
	extendedForCoverage: false,
	unprovenAccepted: false,
	counters: emptyCounters,
	startedAtMs: 1_700_000_000_456,
	endedAtMs: null,
	...change,
});

export const sampleTarget = (agentId: AgentId, rank: number, change: Partial<Target> = {}): Target => ({
	agentId,
	rank,
	step: 0,
	state: 'Pending',
	reason: null,
	error: null,
	reports: { remoteConfig: true, configStatus: true, effectiveConfig: true, health: true },
	sickBefore: false,
	previousVersion: null,
	seq: null,
	attempt: 1,
	dispatches: 0,
	dispatchAt: null,
	pushedAt: null,
	waitedMs: 0,
	waitingSince: null,
	goneSince: null,
	unhealthySince: null,
	healthFlips: 0,
	mismatchSince: null,
	restartsAtPush: 0,
	against: {},
	judged: {},
	back: null,
	wakeAt: null,
	...change,
});

/** A decision that changes only what is said, made from what was loaded. */
export const decisionFrom = (loaded: LoadedSnapshot, change: Partial<Decision> = {}): Decision => ({
	steps: [],
	targets: [],
	assignments: [],
	withdrawUnsent: false,
	withdraw: [],
	quarantine: [],
	unquarantine: [],
	outcomes: [],
	events: [],
	dispatch: [],
	nextWakeAtMs: null,
	waitsFor: null,
	changed: true,
	...change,
	rollout: { ...loaded.snapshot.rollout, ...change.rollout, seq: loaded.snapshot.rollout.seq + 1 },
});

export const journal = (offers: JournalEntry['offers'] = 'open'): JournalEntry => ({
	input: { nowMs: 1 },
	digest: Uint8Array.of(1, 2, 3),
	offers,
});
