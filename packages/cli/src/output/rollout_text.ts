import type { RolloutAnswer, RolloutSummary } from '@ampora/api-contract';
import { facts, table, when } from './table.js';

type Step = RolloutAnswer['steps'][number];

/** States of agents that are neither good nor still waiting. */
const troubled = ['Failed', 'Reverted', 'TimedOut', 'Disconnected'] as const;
const good = ['Applied', 'AlreadyApplied'] as const;

const sum = (states: RolloutAnswer['states'] | null, names: readonly (keyof RolloutAnswer['states'])[]): number =>
	names.reduce((total, name) => total + (states?.[name] ?? 0), 0);

export const updatedOf = (step: Step): number => sum(step.states, good);

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

export const stepText = ({ step }: Pick<RolloutSummary, 'step'>): string | null =>
	step === null ? null : `${step.number} of ${step.of}${step.name === null ? '' : ` (${step.name})`}`;

/** A bar of `width` characters: done, in trouble, under way, still to come. */
export function bar({ states, agents }: Pick<Step, 'states' | 'agents'>, width: number): string {
	const total = agents ?? 0;
	if (total === 0 || states === null) return '·'.repeat(width);
	const cells = (count: number): number => Math.floor((count * width) / total);
	const done = cells(sum(states, good));
	const bad = Math.min(width - done, Math.ceil((sum(states, troubled) * width) / total));
	const moving = Math.min(width - done - bad, Math.ceil(((states.Applying ?? 0) * width) / total));
	return '█'.repeat(done) + '×'.repeat(bad) + '▒'.repeat(moving) + '░'.repeat(width - done - bad - moving);
}

export const stepName = (step: Step): string => step.name ?? step.size;

function stepsTable(steps: readonly Step[]): string {
	return table(steps, [
		{ title: 'STEP', value: ({ number }) => number, align: 'right' },
		{ title: 'NAME', value: ({ name }) => name },
		{ title: 'SIZE', value: ({ size }) => size },
		{ title: 'PHASE', value: ({ phase }) => phase },
		{ title: 'AGENTS', value: ({ agents }) => agents, align: 'right' },
		{ title: 'UPDATED', value: (step) => (step.states === null ? null : updatedOf(step)), align: 'right' },
		{ title: 'TROUBLE', value: ({ states }) => troubleOf(states) },
		{ title: 'DWELL', value: ({ dwell }) => dwell },
	]);
}

/** Everything about one rollout, for reading. */
export function rolloutText(rollout: RolloutAnswer): string {
	const { timeLeft } = rollout;
	const head = facts([
		['rollout', rollout.id],
		['group', rollout.group.name],
		['version', rollout.version.ref],
		['state', stateText(rollout)],
		['step', stepText(rollout)],
		['agents', `${rollout.updated} updated, ${rollout.started} started, of ${rollout.total}`],
		[
			'time left',
			timeLeft === null ? null : timeLeft.min === timeLeft.max ? timeLeft.min : `${timeLeft.min} to ${timeLeft.max}`,
		],
		['holding', rollout.holding],
		['waits for', rollout.waitsFor],
		['created', `${when(rollout.createdAt)} by ${rollout.createdBy}`],
		['started', when(rollout.startedAt)],
		['ended', when(rollout.endedAt)],
		...(rollout.rollbackOf === null ? [] : [['rollback of', rollout.rollbackOf] as const]),
		...(rollout.rolledBackBy === null ? [] : [['rolled back by', rollout.rolledBackBy] as const]),
		['commands', rollout.commands.join(', ')],
	]);
	const fired = rollout.evidence.map(
		({ message, cohort }) => `  ${message}, ${cohort === 'step' ? 'in the step' : 'in the rollout'}\n`,
	);
	const errors = rollout.errors.map(({ agents, error }) => `  ${agents} × ${error.split('\n')[0]}\n`);
	return [
		`${rollout.headline}\n\n`,
		head,
		`\n${stepsTable(rollout.steps)}`,
		fired.length > 0 ? `\nGates:\n${fired.join('')}` : '',
		errors.length > 0 ? `\nErrors of agents:\n${errors.join('')}` : '',
	].join('');
}
