// Worlds in which one safety check is missing: a checker has to notice, or it would not notice a bug of ours either. That the contract
// suites notice as well is shown in test/contract, on real servers.
import type { Rollout, RolloutSpec } from '@ampora/rollout';
import { expect, test } from 'vitest';
import { runSeed } from './world/run.js';
import type { WorldOptions } from './world/world.js';

const seedsMax = 300;

/** As it would be had nobody asked for that. */
const without =
	(wish: Partial<RolloutSpec>) =>
	(rollout: Rollout): Rollout => ({ ...rollout, spec: { ...rollout.spec, ...wish } });

const lenient = (rollout: Rollout): Rollout => {
	const { gates } = rollout.spec;
	return without({ gates: { ...gates, 'disconnect-ratio': { ...gates['disconnect-ratio'], thresholdPercent: 100 } } })(
		rollout,
	);
};

const together = (rollout: Rollout): Rollout =>
	without({ strategy: { ...rollout.spec.strategy, firstAgentAlone: false } })(rollout);

/** A seed to begin with, where few worlds show what is missing. */
const firstSeeds: Readonly<Record<string, number>> = { 'enrolment gate': 270 };

test.each<readonly [string, NonNullable<WorldOptions['flaws']>, string]>([
	['the lease of a commit', { ignoreLease: true }, 'R2'],
	['the pause at admission', { ignoreOffers: true }, 'R1'],
	['the withdrawal at pause', { skipWithdrawal: true }, 'R1'],
	['the turn of a queued rollout', { ignoreBusy: true }, 'R15'],
	['windows and freezes', { ignoreCalendar: true }, 'R1'],
	['a word for a metrics server that is away', { blameSilentServer: true }, 'R5 (metric gates)'],
	['what the metrics server says', { flatteredByServer: true }, 'R5 (metric gates)'],
	['an instant to look again', { loseWake: true }, 'R14'],
	['caps', { misread: without({ maxInFlight: 'unlimited' }) }, 'R4 (seen from outside)'],
	['the share of a failure domain', { misread: without({ maxInFlight: 1_000 }) }, 'R4 (seen from outside)'],
	['the time at which it is to start', { misread: without({ startAtMs: 1 }) }, 'R1 (startAt)'],
	['a first agent that goes alone', { misread: together }, 'R5 (first agent)'],
	['what moves the deadline', { misread: (rollout) => ({ ...rollout, progressedMs: 0 }) }, 'R12 (deadline)'],
	['a look at windows and freezes at the commit', { commitLate: true }, 'R1'],
	['gates as they were asked for', { misread: lenient }, 'R5 (gate edits)'],
	['what came of newcomers', { forgetVerdicts: true }, 'enrolment gate'],
	['the epoch of a release', { ignoreReleaseEpoch: true }, 'D4'],
])('without %s a checker speaks up', async (_, flaws, invariant) => {
	const first = firstSeeds[invariant] ?? 1;
	const broken: string[] = [];
	for (let seed = first; seed < first + seedsMax && broken.length === 0; seed += 1) {
		const { violations } = await runSeed(seed, { flaws });
		broken.push(...violations.map((violation) => violation.invariant));
	}
	expect(broken).toContain(invariant);
});
