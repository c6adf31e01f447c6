// Looks at seeds by hand: `npm run simulate -- <seed> [lines]` replays one and shows the last lines of its trace; `<first>-<last>` runs
// many, a thousand when nothing is said, and counts what does not hold. `calibrate [runs]` holds the default gates against what they promise.
import { bounds, isBroken, measure, measuredText } from './calibration/bounds.js';
import { type RunResult, runSeed } from './world/run.js';

const print = (text: string): void => void process.stdout.write(`${text}\n`);

async function replay(seed: number, keepLines: number): Promise<void> {
	const { lines, ...result } = await runSeed(seed, { keepLines });
	print(lines.join('\n'));
	print(JSON.stringify(result, null, 2));
}

/** What went wrong, without what differs from seed to seed. */
const kindOf = ({ violations: [first] }: RunResult): string | null =>
	first
		? `${first.invariant}: ${first.message.replaceAll(/[0-9a-f-]{36}/g, 'id').replaceAll(/\d+/g, 'n')}`.slice(0, 300)
		: null;

async function many(first: number, last: number): Promise<void> {
	const kinds = new Map<string, number[]>();
	const ends = new Map<string, number>();
	const startedMs = performance.now();
	for (let seed = first; seed <= last; seed += 1) {
		const result = await runSeed(seed);
		for (const state of result.states) ends.set(state, (ends.get(state) ?? 0) + 1);
		const kind = kindOf(result);
		if (kind !== null) kinds.set(kind, [...(kinds.get(kind) ?? []), seed]);
	}
	for (const [kind, seeds] of kinds) print(`${seeds.length} × ${kind}\n    ${seeds.slice(0, 10).join(' ')}`);
	print(`${last - first + 1} worlds in ${Math.round((performance.now() - startedMs) / 1_000)} s`);
	print(`their rollouts: ${JSON.stringify(Object.fromEntries(ends))}`);
	if (kinds.size > 0) process.exitCode = 1;
	else print('every invariant held');
}

/** World by world, so that what is known is shown while the large ones still run; a run of a thousand agents takes seconds. */
function calibrate(runs: number): void {
	const worlds = new Set(bounds.map(({ agents, harm }) => `${agents} ${harm}`));
	for (const world of worlds) {
		const of = bounds.filter(({ agents, harm }) => `${agents} ${harm}` === world);
		for (const measured of measure(of, (agents) => (agents < 1_000 ? runs : Math.ceil(runs / 10)))) {
			print(`${isBroken(measured) ? 'BROKEN' : 'holds '} ${measuredText(measured)}`);
			if (isBroken(measured)) process.exitCode = 1;
		}
	}
}

const [what = '1', count] = process.argv.slice(2);
const [first, last] = what.split('-').map(Number);
if (what === 'calibrate') calibrate(Number(count ?? 3_000));
else if (last === undefined) await replay(first ?? 1, Number(count ?? 60));
else await many(first ?? 1, last);
