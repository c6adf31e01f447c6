import type { MetricsServer } from '@ampora/control';
import type { MetricAnswer } from '@ampora/rollout';
import type { RolloutId } from '@ampora/runtime';
import type { Observation } from '../checkers/observation.js';
import { labelOf, type MetricPlan, type Saying } from './metric_plan.js';
import type { Schedule } from './schedule.js';
import { type SimProcess, wallStartMs } from './sim_process.js';
import type { Stream } from './streams.js';

export interface MetricFlaws {
	/** A server that cannot answer is taken for a bad sample. */
	readonly blameSilentServer?: boolean;
	/** Whatever the server says is taken for a good sample. */
	readonly flatteredByServer?: boolean;
}

export interface MetricsDeps {
	readonly schedule: Schedule;
	readonly chance: Stream;
	readonly plan: MetricPlan | null;
	readonly flaws: MetricFlaws;
	/** How many agents run the version of a rollout by their own word, and how many wait for their push. */
	readonly cohorts: (rolloutId: RolloutId) => { readonly changed: number; readonly control: number };
	readonly observe: (seen: Observation) => void;
}

/** What one query is about. */
interface Asked {
	readonly rolloutId: RolloutId;
	readonly gate: string;
	readonly about: 'changed' | 'control' | 'cohort';
}

const goodValue = 1;
const badValue = 0.3;

/** A Prometheus as engines reach it, saying what the seed lets it say. */
export class SimMetrics {
	#awayUntilMs = 0;

	constructor(private readonly deps: MetricsDeps) {
		this.#goAway();
	}

	serverOf(process: SimProcess): MetricsServer {
		const { schedule, chance, flaws, observe } = this.deps;
		return {
			query: (query, atMs) =>
				new Promise((resolve) => {
					const askedAtMs = schedule.nowMs;
					const slow = chance.chance(0.05);
					// The request is on its way: that its sender dies meanwhile does not call it back.
					schedule.after(chance.between(0.5, slow ? 4_000 : 20), null, () => {
						const asked = this.#read(query);
						const answer = this.#answer(asked, atMs);
						observe({ kind: 'measured', ...asked, atMs, askedAtMs, answer });
						schedule.after(chance.between(0.5, 20), process, () => resolve(asTaken(asked, answer, flaws)));
					});
				}),
		};
	}

	#goAway(): void {
		const { schedule, chance, plan } = this.deps;
		const everyMs = plan?.awayEveryMs ?? Number.POSITIVE_INFINITY;
		if (!Number.isFinite(everyMs)) return;
		schedule.after(chance.next() * 2 * everyMs, null, () => {
			this.#awayUntilMs = schedule.nowMs + chance.next() * everyMs * 0.5;
			this.#goAway();
		});
	}

	#read(query: string): Asked {
		const gate = this.deps.plan?.gates.find(({ name }) => query.includes(labelOf(name)))?.name;
		const rollout = /rollout="([^"]+)"/.exec(query)?.[1];
		const cohort = /cohort="(changed|control)"/.exec(query)?.[1];
		if (gate === undefined || rollout === undefined || cohort === undefined) throw new Error(`odd query: ${query}`);
		const about = query.startsWith('count(') ? 'cohort' : (cohort as 'changed' | 'control');
		return { rolloutId: rollout as RolloutId, gate, about };
	}

	#answer({ rolloutId, gate, about }: Asked, atMs: number): MetricAnswer {
		const { schedule, chance, plan, cohorts } = this.deps;
		if (schedule.nowMs < this.#awayUntilMs) return { kind: 'away', message: 'connection refused' };
		const planned = plan?.says[gate] ?? 'good';
		const says =
			planned === 'mixed' ? chance.pick(['good', 'good', 'bad', 'silent', 'empty', 'away'] as const) : planned;
		const { changed, control } = cohorts(rolloutId);
		const one = (value: number): MetricAnswer => ({ kind: 'samples', samples: [{ value, atMs }] });
		const none: MetricAnswer = { kind: 'samples', samples: [] };
		if (about === 'control') return control === 0 ? none : one(goodValue);
		if (about === 'cohort') return changed === 0 || says === 'unknown' || says === 'empty' ? none : one(changed);
		return this.#ofChanged(says, one, none, atMs);
	}

	#ofChanged(says: Saying, one: (value: number) => MetricAnswer, none: MetricAnswer, atMs: number): MetricAnswer {
		switch (says) {
			case 'bad':
				return one(badValue);
			case 'bad-later':
				// The first minute and a half of a world is the baseline, and the first steps.
				return one(this.deps.schedule.nowMs > 60_000 ? badValue : goodValue);
			case 'silent':
			case 'unknown':
			case 'empty':
				return none;
			case 'not-a-number':
				return one(Number.NaN);
			case 'infinite':
				return one(Number.POSITIVE_INFINITY);
			case 'several':
				return { kind: 'samples', samples: [badValue, goodValue].map((value) => ({ value, atMs })) };
			case 'old':
				return { kind: 'samples', samples: [{ value: badValue, atMs: Math.min(atMs - 60_000, wallStartMs) }] };
			case 'refused':
				return { kind: 'refused', message: 'parse error' };
			case 'away':
				return { kind: 'away', message: 'no route to host' };
			default:
				return one(goodValue);
		}
	}
}

/** What comes out of the adapter; the same as what the server said, unless a test breaks it. */
function asTaken({ about }: Asked, answer: MetricAnswer, flaws: MetricFlaws): MetricAnswer {
	const sample = (value: number): MetricAnswer => ({
		kind: 'samples',
		samples: [{ value, atMs: Number.MAX_SAFE_INTEGER }],
	});
	if (flaws.flatteredByServer) return sample(goodValue);
	if (flaws.blameSilentServer && answer.kind !== 'samples') return sample(about === 'changed' ? badValue : goodValue);
	return answer;
}
