import { emptyBack, emptyCounters, type Rollout } from '@ampora/rollout';

/** A rollout nothing was decided about yet. */
export function newRollout(given: Pick<Rollout, 'id' | 'groupId' | 'versionId' | 'spec' | 'createdAtMs'>): Rollout {
	return {
		...given,
		state: 'Pending',
		pauseReasons: [],
		rollingBack: false,
		currentStep: null,
		baking: false,
		bakedMs: 0,
		observedMs: 0,
		lastTickAtMs: null,
		hold: null,
		evidence: [],
		acceptedSeq: {},
		unplaced: emptyCounters.states,
		noWayBack: 0,
		planned: 0,
		nextRank: 0,
		deferredAccepted: false,
		back: emptyBack,
		tailUntilMs: null,
		seq: 0,
		startedAtMs: null,
		endedAtMs: null,
		rollbackOf: null,
	};
}
