import type { MetricsServer } from '@ampora/control';
import {
	cohortQuery,
	dueMetricGates,
	judgeSample,
	type MetricAsk,
	metricQuery,
	oldestSampleMs,
	type Snapshot,
} from '@ampora/rollout';
import type { RolloutId } from '@ampora/runtime';

type MetricResult = NonNullable<Snapshot['metricResults']>[number];

/** Evaluations of one gate: the one that is due, under way or answered. */
interface Evaluation {
	readonly ask: MetricAsk;
	result: MetricResult | null;
}

/** A rollout that runs is looked at many times in so long: one that was not has ended, or is another leader's. */
const keptMs = 60_000;

interface Kept {
	readonly evaluations: readonly Evaluation[];
	readonly lookedAtMs: number;
}

/** Asks the metrics server beside the ticks, which wait for nobody: a slow server delays no rollout (D7). */
export class MetricKeeper {
	readonly #kept = new Map<RolloutId, Kept>();

	constructor(private readonly deps: { readonly metrics: MetricsServer }) {}

	/** Begins what is due and was not begun, and answers what is known by now; what is not due any more is forgotten. */
	resultsFor({ rollout, nowMs }: Snapshot): readonly MetricResult[] {
		this.#forget(nowMs);
		const due = dueMetricGates(rollout);
		if (due.length === 0) {
			this.#kept.delete(rollout.id);
			return [];
		}
		const before = this.#kept.get(rollout.id)?.evaluations ?? [];
		const now = due.map((ask) => before.find((one) => isSame(one.ask, ask)) ?? this.#begin(rollout.id, ask, nowMs));
		this.#kept.set(rollout.id, { evaluations: now, lookedAtMs: nowMs });
		return now.flatMap(({ result }) => result ?? []);
	}

	#forget(nowMs: number): void {
		for (const [id, { lookedAtMs }] of this.#kept) if (nowMs - lookedAtMs > keptMs) this.#kept.delete(id);
	}

	#begin(rolloutId: RolloutId, ask: MetricAsk, nowMs: number): Evaluation {
		const evaluation: Evaluation = { ask, result: null };
		void this.#evaluate(rolloutId, ask, nowMs - ask.spec.ingestionLagMs).then((result) => {
			evaluation.result = result;
		});
		return evaluation;
	}

	async #evaluate(
		rollout: RolloutId,
		{ gate, stage, dueMs, spec, step }: MetricAsk,
		atMs: number,
	): Promise<MetricResult> {
		const { metrics } = this.deps;
		const query = (text: string) => metrics.query(text, atMs, oldestSampleMs(spec));
		const ask = (about: 'changed' | 'control') => query(metricQuery(spec, { rollout, step, about }));
		const [changed, cohort] = await Promise.all([ask('changed'), query(cohortQuery(spec, rollout))]);
		const silent = changed.kind === 'samples' && changed.samples.length === 0;
		const control = silent || spec.compare === 'control' ? await ask('control') : null;
		return { gate, stage, dueMs, ...judgeSample(spec, { changed, control, cohort, atMs }) };
	}
}

const isSame = (a: MetricAsk, b: MetricAsk): boolean => a.gate === b.gate && a.stage === b.stage && a.dueMs === b.dueMs;
