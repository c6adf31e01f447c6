import { routes } from '@ampora/api-contract';
import { messages } from '@ampora/rollout-engine/testing';
import { expect, test } from 'vitest';

/** The gRPC method of each REST operation on rollouts. */
const methodOf = {
	createRollout: 'CreateRollout',
	listRollouts: 'ListRollouts',
	getRollout: 'GetRollout',
	watchRollout: 'WatchRollout',
	listRolloutTargets: 'ListTargets',
	listRolloutEvents: 'ListEvents',
	startRollout: 'StartRollout',
	cancelRollout: 'CancelRollout',
	pauseRollout: 'PauseRollout',
	resumeRollout: 'ResumeRollout',
	advanceRollout: 'AdvanceRollout',
	extendRollout: 'ExtendDwell',
	abortRollout: 'AbortRollout',
	retryRollout: 'RetryAgents',
	excludeRolloutAgents: 'ExcludeAgents',
	rollbackRollout: 'RollBackRollout',
	getRolloutCommand: 'GetCommand',
};

test('whatever can be asked about rollouts over REST can be asked over gRPC, and the other way round', () => {
	const operations = Object.entries(routes).filter(([, { tag }]) => tag === 'Rollouts');
	expect(operations.map(([id]) => id).sort()).toEqual(Object.keys(methodOf).sort());
	const methods = Object.values(messages.RolloutServiceService).map(({ path }) => path.split('/').at(-1));
	expect(methods.sort()).toEqual(Object.values(methodOf).sort());
});
