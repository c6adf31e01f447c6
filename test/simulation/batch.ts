import { report } from './report.js';
import { runSeed } from './world/run.js';

/** Reports of those seeds that failed, each run a second time for its trace. */
export async function failuresOf(seeds: readonly number[]): Promise<string[]> {
	const failed: string[] = [];
	for (const seed of seeds) {
		const result = await runSeed(seed);
		if (result.violations.length > 0) failed.push(report(await runSeed(seed, { keepLines: 40 })));
	}
	return failed;
}

/** The share of `count` seeds, from 1, that falls to one of `parts`. */
export const share = (count: number, part: number, parts: number): number[] =>
	Array.from({ length: count }, (_, index) => index + 1).filter((seed) => seed % parts === part);
