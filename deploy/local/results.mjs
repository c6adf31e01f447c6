// Counts that outlive a command, for whoever adds them up (.ci/run).
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cache } from './stamp.mjs';

export const resultsFolder = join(cache, 'results');

/** @param {string} name @param {{ passed: number, failed: number }} counts */
export function writeResults(name, counts) {
	mkdirSync(resultsFolder, { recursive: true });
	writeFileSync(join(resultsFolder, `${name}.json`), JSON.stringify(counts));
}
