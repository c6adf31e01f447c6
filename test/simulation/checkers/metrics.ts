import type { MetricAnswer, MetricGateSpec, Rollout } from '@ampora/rollout';
import type { RolloutId } from '@ampora/runtime';
import type { RolloutRow } from './database_view.js';
import type { Check, Checked, Observation } from './observation.js';

type Committed = Extract<Observation, { kind: 'committed' }>;
type Measured = Extract<Observation, { kind: 'measured' }>;
type Verdict = 'pass' | 'fail' | 'inconclusive' | 'error';

/** One evaluation of one gate, by what the server was heard to answer. */
interface Evaluation {
	readonly gate: string;
	readonly atMs: number;
	readonly answers: Partial<Record<Measured['about'], MetricAnswer>>;
	/** When the last of its answers was given, virtual ms. */
	answeredAtMs: number;
}

/** A finite sample that is no older than two intervals; null: there is none; a verdict: there is something else. */
function readingOf(answer: MetricAnswer, { intervalMs }: MetricGateSpec, atMs: number): number | null | Verdict {
	if (answer.kind !== 'samples') return 'error';
	const [sample] = answer.samples;
	if (sample === undefined) return null;
	const sound = answer.samples.length === 1 && Number.isFinite(sample.value) && atMs - sample.atMs <= 2 * intervalMs;
	return sound ? sample.value : 'inconclusive';
}

/** The worlds ask with `>=` only. Undefined: not everything was answered. */
function verdictOf(spec: MetricGateSpec, { answers, atMs }: Evaluation): Verdict | undefined {
	const { changed, control, cohort } = answers;
	if (changed === undefined || cohort === undefined) return undefined;
	const value = readingOf(changed, spec, atMs);
	if (typeof value === 'string') return value;
	if (spec.compare === 'threshold' && value !== null) return value >= spec.value ? 'pass' : 'fail';
	if (value === null) {
		const known = readingOf(cohort, spec, atMs);
		if (typeof known === 'string') return known;
		if (known === null || known === 0) return 'inconclusive';
	}
	const other = control && readingOf(control, spec, atMs);
	if (other === undefined) return undefined;
	if (typeof other === 'string') return other;
	if (other === null) return 'inconclusive';
	return value !== null && value >= spec.value * other ? 'pass' : 'fail';
}

/** What was measured for one rollout since its present stage began, or since somebody said to go on. */
class Stage {
	key = '';
	sinceMs = 0;
	/** A person accepted what there is, or is not. */
	accepted = false;
	readonly evaluations = new Map<string, Evaluation>();

	/** What was asked before is about another stage. */
	add({ gate, atMs, about, answer, askedAtMs }: Measured, nowMs: number): void {
		if (askedAtMs < this.sinceMs) return;
		const key = `${gate} ${atMs}`;
		const evaluation = this.evaluations.get(key) ?? { gate, atMs, answers: {}, answeredAtMs: nowMs };
		evaluation.answers[about] = answer;
		evaluation.answeredAtMs = nowMs;
		this.evaluations.set(key, evaluation);
	}

	begin(key: string, nowMs: number): void {
		this.key = key;
		this.sinceMs = nowMs;
		this.evaluations.clear();
	}

	/** How often it went so, of what was answered up to `untilMs`. */
	count(spec: MetricGateSpec, verdict: Verdict, untilMs = Number.POSITIVE_INFINITY): number {
		let n = 0;
		for (const evaluation of this.evaluations.values())
			if (
				evaluation.gate === spec.name &&
				evaluation.answeredAtMs <= untilMs &&
				verdictOf(spec, evaluation) === verdict
			)
				n += 1;
		return n;
	}
}

const stageKey = ({ currentStep, baking }: Rollout): string => `${currentStep} ${baking}`;

const accepts = ({ decision }: Committed, ...kinds: readonly string[]): boolean =>
	decision.events.some((event) => event.kind === 'command' && event.accepted && kinds.includes(event.command));

const hasControl = ({ targets }: RolloutRow): boolean =>
	[...targets.values()].some(({ target }) => target.state === 'Pending');

/** Within this an engine in good health has looked at what it was answered, virtual ms: where nothing is pushed it looks less often. */
const looksFor = ({ state }: Rollout): number => (state === 'InProgress' ? 4_000 : 9_000);

const isWatched = ({ state, rollingBack, tailUntilMs }: Rollout): boolean =>
	!rollingBack && (state === 'InProgress' || state === 'Paused' || tailUntilMs !== null);

/** By what the metrics server was heard to say: a gate past its failures has fired, in a pause and in the tail as well (R5). */
function keptSilent(seen: Committed, stage: Stage, { nowMs, calmSinceMs }: Checked): string | null {
	const { before, decision } = seen;
	const { rollout } = decision;
	const calm = calmSinceMs !== null && calmSinceMs <= stage.sinceMs && rollout.hold === null;
	if (!calm || before.rollout.hold !== null || accepts(seen, 'resume', 'advance')) return null;
	if (!isWatched(before.rollout) || !isWatched(rollout)) return null;
	const past = (rollout.spec.metricGates ?? []).find(
		(spec) => stage.count(spec, 'fail', nowMs - looksFor(before.rollout)) > spec.failureLimit,
	);
	if (past === undefined) return null;
	const fired = rollout.evidence.some(({ gate, verdict }) => gate === `metric:${past.name}` && verdict === 'fire');
	return fired && rollout.state === 'Paused'
		? null
		: `${past.name} failed more often than it may, and nothing came of it while ${rollout.state}`;
}

/** No step ends without a pass of every metric gate (R5). */
function wentOn(seen: Committed, stage: Stage, { db }: Checked): string | null {
	const { before, decision } = seen;
	const gates = decision.rollout.spec.metricGates ?? [];
	const running = before.rollout.state === 'InProgress' && decision.rollout.state === 'InProgress';
	const ending = before.steps.find(({ index }) => index === before.rollout.currentStep);
	const ended = stageKey(before.rollout) !== stageKey(decision.rollout) && decision.rollout.state === 'InProgress';
	const forced = accepts(seen, 'advance') && seen.loaded.snapshot.commands.some(({ force }) => force === true);
	if (!running || !ended || ending === undefined || before.rollout.baking || stage.accepted || forced) return null;
	const row = db.rollout(decision.rollout.id);
	const applied = [...before.targets.values()].some(
		({ target }) => target.step === ending.index && target.state === 'Applied',
	);
	if (!applied || row === null) return null;
	for (const spec of gates) {
		const applies = spec.compare === 'threshold' || (hasControl(row) && hasControl(before));
		if (applies && stage.count(spec, 'pass') === 0)
			return `step ${ending.index} was left and ${spec.name} never passed`;
	}
	return null;
}

/** A server that is away, or says nothing that can be told, pauses; only failures stop like a gate, and roll back. */
function stopped({ before, decision }: Committed, stage: Stage, { rollout }: { rollout: Rollout }): string | null {
	const fresh = rollout.evidence.filter(
		({ gate, verdict }) =>
			gate.startsWith('metric:') &&
			verdict === 'fire' &&
			!before.rollout.evidence.some((known) => known.gate === gate && known.verdict === 'fire'),
	);
	for (const { gate } of fresh) {
		const spec = rollout.spec.metricGates?.find(({ name }) => gate === `metric:${name}`);
		if (!spec || stage.count(spec, 'fail') <= spec.failureLimit)
			return `${gate} fired after ${spec ? stage.count(spec, 'fail') : 'no'} failures`;
	}
	const went = decision.events.some((event) => event.kind === 'state' && event.to === 'RollingBack');
	const asked = decision.events.some(
		(event) => event.kind === 'command' && event.command === 'rollback' && event.accepted,
	);
	const resumed = decision.events.some((event) => event.kind === 'resumed');
	const fired = rollout.evidence.some(({ verdict }) => verdict === 'fire');
	return went && !asked && !resumed && !fired ? 'it rolled back though no gate fired' : null;
}

/** Metric gates, judged by what the metrics server answered and by nothing the engine made of it. */
export const metricGates = (): Check => {
	const stages = new Map<RolloutId, Stage>();
	const stageOf = (id: RolloutId): Stage => {
		const stage = stages.get(id) ?? new Stage();
		stages.set(id, stage);
		return stage;
	};
	return (seen, world) => {
		if (seen.kind === 'measured') stageOf(seen.rolloutId).add(seen, world.nowMs);
		if (seen.kind !== 'committed' || !seen.decision.changed) return null;
		const { rollout } = seen.decision;
		if ((rollout.spec.metricGates ?? []).length === 0) return null;
		const stage = stageOf(rollout.id);
		const wrong = keptSilent(seen, stage, world) ?? wentOn(seen, stage, world) ?? stopped(seen, stage, { rollout });
		if (accepts(seen, 'resume', 'advance')) stage.accepted = true;
		const next = stageKey(rollout);
		if (stage.key !== next) stage.accepted = accepts(seen, 'resume');
		if (stage.key !== next || accepts(seen, 'resume')) stage.begin(next, world.nowMs);
		return wrong;
	};
};
