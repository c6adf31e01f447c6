import type { RolloutAnswer, RolloutSummary } from '@ampora/api-contract';
import { formatDuration } from '@ampora/runtime';
import { facts, table, when } from './table.js';

type Step = RolloutAnswer['steps'][number];

/** States of agents that are neither good nor still waiting. */
const troubled = ['Failed', 'Reverted', 'TimedOut', 'Disconnected'] as const;
const good = ['Applied', 'AlreadyApplied'] as const;

const sum = (states: RolloutAnswer['states'] | null, names: readonly (keyof RolloutAnswer['states'])[]): number =>
	names.reduce((total, name) => total + (states?.[name] ?? 0), 0);

/** Of a rollout that is taken back: those who are back. */
const updatedOf = ({ states }: Step, taken: boolean): string | number | null =>
	states === null ? null : taken ? `${states.RolledBack} back` : sum(states, good);

/** `8/15`, or, once they are taken back, `9/15 back`; empty while nobody knows how many it will be. */
export function countsOf(step: Pick<Step, 'states' | 'agents'>): string {
	if (step.agents === null) return '';
	const back = step.states?.RolledBack ?? 0;
	return back > 0 ? `${back}/${step.agents} back` : `${sum(step.states, good)}/${step.agents}`;
}

/** `dwelling 20s of 5m`; a step without a dwell lasts until every gate has judged. */
export function dwellText({
	phase,
	dweltMs,
	dwellMs,
	extendedMs,
}: Pick<Step, 'phase' | 'dweltMs' | 'dwellMs' | 'extendedMs'>): string {
	if (phase !== 'dwelling') return '';
	const whole = dwellMs + extendedMs;
	const dwelt = formatDuration(Math.floor(dweltMs / 1_000) * 1_000);
	return whole === 0 ? `dwelling ${dwelt}` : `dwelling ${dwelt} of ${formatDuration(whole)}`;
}

/** `2 Failed, 1 TimedOut`; empty when all is well. */
export const troubleOf = (states: RolloutAnswer['states'] | null): string =>
	troubled
		.filter((name) => (states?.[name] ?? 0) > 0)
		.map((name) => `${states?.[name]} ${name}`)
		.join(', ');

export function stateText({
	state,
	pauseReasons,
	baking,
}: Pick<RolloutSummary, 'state' | 'pauseReasons' | 'baking'>): string {
	if (state === 'Paused') return `Paused (${pauseReasons.join(', ')})`;
	return state === 'InProgress' && baking ? 'InProgress (baking)' : state;
}

const goingBack: readonly RolloutSummary['state'][] = ['RollingBack', 'RolledBack'];

type Counts = Pick<RolloutSummary, 'state' | 'back' | 'updated' | 'started' | 'total'>;

/** `9/15 back`, or null: it is not taken back. */
function backCounts({ state, back }: Counts): string | null {
	if (!goingBack.includes(state)) return null;
	return `${back.confirmed}/${back.todo + back.inFlight + back.confirmed + back.listed} back`;
}

/** `8/15`, and in a rollback those who are back: there an agent that runs the version is no success. */
export const updatedText = (rollout: Counts): string => backCounts(rollout) ?? `${rollout.updated}/${rollout.total}`;

export const agentsText = (rollout: Counts): string => {
	const { updated, started, total } = rollout;
	const back = backCounts(rollout);
	return back === null
		? `${updated} updated, ${started} started, of ${total}`
		: `${back}; ${updated} of ${total} run the version`;
};

/** A rollback that ended with nobody back. */
export const tookNobodyBack = ({ state, back }: Pick<RolloutSummary, 'state' | 'back'>): boolean =>
	state === 'RolledBack' && back.confirmed === 0 && back.listed > 0;

export const stepText = ({ step }: Pick<RolloutSummary, 'step'>): string | null =>
	step === null ? null : `${step.number} of ${step.of}${step.name === null ? '' : ` (${step.name})`}`;

/** A bar of `width` characters: done, taken back, in trouble, under way, still to come. */
export function bar({ states, agents }: Pick<Step, 'states' | 'agents'>, width: number): string {
	const total = agents ?? 0;
	if (total === 0 || states === null) return '·'.repeat(width);
	const cells = (count: number): number => Math.floor((count * width) / total);
	const done = cells(sum(states, good));
	let left = width - done;
	const part = (sign: string, count: number): string => {
		const taken = Math.min(left, Math.ceil((count * width) / total));
		left -= taken;
		return sign.repeat(taken);
	};
	const parts = [part('<', states.RolledBack), part('×', sum(states, troubled)), part('▒', states.Applying)];
	return '█'.repeat(done) + parts.join('') + '░'.repeat(left);
}

export const stepName = (step: Step): string => step.name ?? step.size;

function stepsTable({ steps, state }: RolloutAnswer): string {
	const taken = goingBack.includes(state);
	return table(steps, [
		{ title: 'STEP', value: ({ number }) => number, align: 'right' },
		{ title: 'NAME', value: ({ name }) => name },
		{ title: 'SIZE', value: ({ size }) => size },
		{ title: 'PHASE', value: ({ phase }) => phase },
		{ title: 'AGENTS', value: ({ agents }) => agents, align: 'right' },
		{ title: 'UPDATED', value: (step) => updatedOf(step, taken), align: 'right' },
		{ title: 'TROUBLE', value: ({ states }) => troubleOf(states) },
		{ title: 'DWELL', value: ({ dwell }) => dwell },
	]);
}

export const closedText = ({ why, until }: NonNullable<RolloutAnswer['closed']>): string =>
	until === null ? `${why}; no window opens` : `${why}; goes on ${when(until)}`;

const seconds = (ms: number): string => formatDuration(Math.ceil(Math.max(0, ms) / 1_000) * 1_000);

/** What it waits for and how long still; empty where that is no clock and no calendar. */
export function nowText(
	rollout: Pick<RolloutAnswer, 'state' | 'baking' | 'bakedMs' | 'spec' | 'steps' | 'step' | 'closed'>,
): { readonly what: string; readonly left: string } {
	const { state, baking, bakedMs, spec, steps, step, closed } = rollout;
	if (state === 'Paused' && closed !== null) return { what: closedText(closed), left: '' };
	if (state !== 'InProgress') return { what: '', left: '' };
	if (baking) return { what: 'baking', left: `, ${seconds(spec.bakeMs - bakedMs)} left` };
	const current = steps.find(({ number }) => number === step?.number);
	if (current?.phase !== 'dwelling') return { what: '', left: '' };
	const { dwellMs, extendedMs, dweltMs } = current;
	if (dwellMs === 0) return { what: 'dwelling until every gate has judged', left: '' };
	return { what: 'dwelling', left: `, ${seconds(dwellMs + extendedMs - dweltMs)} left` };
}

const gateText = ({ gate, thresholdPercent, window, windowMs, minSample, advisory }: RolloutAnswer['gates'][number]) =>
	[
		`  ${gate}: fires above ${thresholdPercent} %`,
		...(windowMs === 0 ? [] : [`window ${window}`]),
		...(minSample > 0 ? [`from ${minSample} agents on`] : []),
		...(advisory ? ['advisory in this step'] : []),
	].join(', ');

/** Never shorter than agents are watched, whatever was asked for. */
export const bakeText = ({ bake }: Pick<RolloutAnswer['spec'], 'bake'>): string =>
	`${bake} (at least the longest window)`;

/** Everything about one rollout, for reading. */
export function rolloutText(rollout: RolloutAnswer): string {
	const { timeLeft } = rollout;
	const now = nowText(rollout);
	const head = facts([
		['rollout', rollout.id],
		['group', rollout.group.name],
		['version', rollout.version.ref],
		['state', stateText(rollout)],
		['step', stepText(rollout)],
		['agents', agentsText(rollout)],
		...(now.what === '' ? [] : [['now', now.what + now.left] as const]),
		[
			'time left',
			timeLeft === null ? null : timeLeft.min === timeLeft.max ? timeLeft.min : `${timeLeft.min} to ${timeLeft.max}`,
		],
		...(rollout.startAt === null || rollout.startedAt !== null ? [] : [['starts', when(rollout.startAt)] as const]),
		...(rollout.closed === null ? [] : [['closed', closedText(rollout.closed)] as const]),
		['holding', rollout.holding],
		['waits for', rollout.waitsFor],
		['created', `${when(rollout.createdAt)} by ${rollout.createdBy}`],
		['started', when(rollout.startedAt)],
		['ended', when(rollout.endedAt)],
		['bake', bakeText(rollout.spec)],
		...(rollout.rollbackOf === null ? [] : [['rollback of', rollout.rollbackOf] as const]),
		...(rollout.rolledBackBy === null ? [] : [['rolled back by', rollout.rolledBackBy] as const]),
		['plan', rollout.plan?.digest.slice(0, 12) ?? null],
		['risks', rollout.plan?.risks.join(', ')],
		['commands', rollout.commands.join(', ')],
	]);
	const fired = rollout.evidence.map(
		({ message, cohort }) => `  ${message}, ${cohort === 'step' ? 'in the step' : 'in the rollout'}\n`,
	);
	const metrics = rollout.metricGates.map(
		({ name, rule, verdict, text }) =>
			`  ${name} ${rule}: ${verdict ?? 'not asked yet'}${text === null ? '' : `, ${text}`}\n`,
	);
	const errors = rollout.errors.map(({ agents, error }) => `  ${agents} × ${error.split('\n')[0]}\n`);
	return [
		`${rollout.headline}\n\n`,
		head,
		`\n${stepsTable(rollout)}`,
		`\nGates in force:\n${rollout.gates.map((gate) => `${gateText(gate)}\n`).join('')}`,
		fired.length > 0 ? `\nWhat the gates found:\n${fired.join('')}` : '',
		metrics.length > 0 ? `\nMetric gates:\n${metrics.join('')}` : '',
		errors.length > 0 ? `\nErrors of agents:\n${errors.join('')}` : '',
	].join('');
}
