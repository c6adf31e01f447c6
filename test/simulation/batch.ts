import { readFileSync, writeFileSync } from 'node:fs';
import { report } from './report.js';
import { runSeed } from './world/run.js';

/** Reports of those seeds that failed, each run a second time for its trace. */
export async function failuresOf(seeds: readonly number[]): Promise<string[]> {
	const failed: string[] = [];
	for (const seed of seeds) {
		const result = await runSeed(seed);
		if (result.violations.length === 0) continue;
		keep(seed);
		failed.push(report(await runSeed(seed, { keepLines: 40 })));
	}
	return failed;
}

const seedsFile = new URL('seeds.json', import.meta.url);

/** A seed that failed once is run for ever: it is written down at once. A gate only reports it, its checkout is thrown away. */
function keep(seed: number): void {
	if (process.env.CI) return;
	const { kept } = JSON.parse(readFileSync(seedsFile, 'utf8')) as { kept: number[] };
	if (kept.includes(seed)) return;
	const seeds = [...kept, seed].sort((a, b) => a - b);
	writeFileSync(seedsFile, `{\n\t"kept": [\n\t\t${seeds.join(', ')}\n\t]\n}\n`);
}

/** The share of `count` seeds, from 1, that falls to one of `parts`. */
export const share = (count: number, part: number, parts: number): number[] =>
	Array.from({ length: count }, (_, index) => index + 1).filter((seed) => seed % parts === part);
