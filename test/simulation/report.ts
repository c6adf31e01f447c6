import type { RunResult } from './world/run.js';

/** Everything somebody needs who was not there: what did not hold, when, how to see it again, and what happened before. */
export function report({ seed, violations, virtualMs, lines }: RunResult): string {
	const found = violations.map(
		({ invariant, message, atMs }) => `  ${invariant} at ${(atMs / 1000).toFixed(3)} s: ${message}`,
	);
	return [
		`seed ${seed} after ${(virtualMs / 1000).toFixed(0)} virtual seconds:`,
		...found,
		`replay: SEED=${seed} npx vitest run --project simulation -t "the seed of the environment"`,
		`kept in test/simulation/seeds.json, unless this was a gate: then add ${seed} there`,
		...lines.map((line) => `  | ${line.slice(0, 300)}`),
	].join('\n');
}
