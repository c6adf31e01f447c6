// Worlds in which one safety check is missing: a checker has to notice, or it would not notice a bug of ours either. That the contract
// suites notice as well is shown in test/contract, on real servers.
import { expect, test } from 'vitest';
import { runSeed } from './world/run.js';

const seedsMax = 300;

test.each([
	['the lease of a commit', { ignoreLease: true }, 'R2'],
	['the pause at admission', { ignoreOffers: true }, 'R1'],
	['the withdrawal at pause', { skipWithdrawal: true }, 'R1'],
	['windows and freezes', { ignoreCalendar: true }, 'R1'],
	['a word for a metrics server that is away', { blameSilentServer: true }, 'R5 (metric gates)'],
	['what the metrics server says', { flatteredByServer: true }, 'R5 (metric gates)'],
	['the epoch of a release', { ignoreReleaseEpoch: true }, 'D4'],
] as const)('without %s a checker speaks up', async (_, flaws, invariant) => {
	const broken: string[] = [];
	for (let seed = 1; seed <= seedsMax && broken.length === 0; seed += 1) {
		const { violations } = await runSeed(seed, { flaws });
		broken.push(...violations.map((violation) => violation.invariant));
	}
	expect(broken).toContain(invariant);
});
