// Looks at seeds by hand: `npm run simulate -- <seed> [lines]` replays one and shows the last lines of its trace; `<first>-<last>` runs
// many, a thousand when nothing is said, and counts what does not hold. `calibrate [runs]` holds the default gates against what they promise.
import { bounds, isBroken, judge, measuredText, worldsOf } from './calibration/bounds.js';
import { Cores } from './cores.js';
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

async function many(cores: Cores, first: number, last: number): Promise<void> {
	const kinds = new Map<string, number[]>();
	const ends = new Map<string, number>();
	const startedMs = performance.now();
	const asked = Array.from({ length: last - first + 1 }, (_, index) => ({ seed: first + index }));
	for (const result of await cores.all('world', asked)) {
		for (const state of result.states) ends.set(state, (ends.get(state) ?? 0) + 1);
		const kind = kindOf(result);
		if (kind !== null) kinds.set(kind, [...(kinds.get(kind) ?? []), result.seed]);
	}
	for (const [kind, seeds] of kinds) print(`${seeds.length} × ${kind}\n    ${seeds.slice(0, 10).join(' ')}`);
	print(`${last - first + 1} worlds in ${Math.round((performance.now() - startedMs) / 1_000)} s`);
	print(`their rollouts: ${JSON.stringify(Object.fromEntries(ends))}`);
	if (kinds.size > 0) process.exitCode = 1;
	else print('every invariant held');
}

/** World by world, so that what is known is shown while the large ones still run; a run of a thousand agents takes seconds. */
async function calibrate(cores: Cores, runs: number): Promise<void> {
	for (const of of worldsOf(bounds)) {
		const [{ agents, harm }] = of;
		const count = agents < 1_000 ? runs : Math.ceil(runs / 10);
		const asked = Array.from({ length: count }, (_, index) => ({ agents, harm, seed: index + 1 }));
		const ran = await cores.all('calibration', asked);
		for (const measured of of.map((bound) => judge(bound, ran))) {
			print(`${isBroken(measured) ? 'BROKEN' : 'holds '} ${measuredText(measured)}`);
			if (isBroken(measured)) process.exitCode = 1;
		}
	}
}

const [what = '1', count] = process.argv.slice(2);
const [first, last] = what.split('-').map(Number);
if (what !== 'calibrate' && last === undefined) await replay(first ?? 1, Number(count ?? 60));
else {
	const cores = new Cores();
	try {
		if (what === 'calibrate') await calibrate(cores, Number(count ?? 3_000));
		else await many(cores, first ?? 1, last ?? 1);
	} finally {
		cores.close();
	}
}
