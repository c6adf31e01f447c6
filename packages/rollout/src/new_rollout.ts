import type { Rollout } from './model.js';
import { byState } from './names.js';
import { emptyBack } from './tally.js';

type Given = Pick<Rollout, 'id' | 'groupId' | 'versionId' | 'spec' | 'createdAtMs' | 'supersedes'> & {
	readonly state?: 'Pending' | 'Queued';
};

/** A rollout as it is right after its creation: `Pending`, until somebody or something starts it, or `Queued` behind another one. */
export const newRollout = (given: Given): Rollout => ({
	...given,
	state: given.state ?? 'Pending',
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
	unplaced: byState(() => 0),
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
});
