import { describe, expect, it } from 'vitest';
import type { CommandKind } from './decision.js';
import type { RolloutState } from './model.js';
import {
	commandAllowed,
	commandOrder,
	commandTable,
	hasEnded,
	legalCommands,
	legality,
	overruledBy,
	stateExits,
} from './transitions.js';

const states = Object.keys(stateExits) as RolloutState[];

describe('the state × command table', () => {
	it('has a row for every state', () => {
		expect(Object.keys(commandTable).toSorted()).toEqual([...states, 'PausedRollback'].toSorted());
	});

	it('allows nothing to an ended rollout but a new one', () => {
		for (const state of states.filter(hasEnded)) {
			expect(legalCommands(state)).toEqual([]);
			expect(stateExits[state]).toEqual([]);
		}
		expect(legality('Completed', 'rollback')).toBe('new-rollout');
		expect(legality('Aborted', 'retry')).toBe('new-rollout');
		expect(legality('RolledBack', 'rollback')).toBe('no');
	});

	it.each<[RolloutState, readonly CommandKind[]]>([
		['PendingApproval', ['cancel', 'supersede', 'edit-gates']],
		['Pending', ['cancel', 'supersede', 'edit-gates', 'start']],
		['Queued', ['cancel', 'edit-gates', 'start']],
		['InProgress', ['rollback', 'abort', 'pause', 'supersede', 'exclude', 'edit-gates', 'extend', 'advance', 'retry']],
		['Paused', ['rollback', 'abort', 'pause', 'supersede', 'exclude', 'edit-gates', 'resume', 'extend', 'retry']],
		['RollingBack', ['pause', 'edit-gates']],
	])('in %s allows %j', (state, commands) => {
		expect(legalCommands(state)).toEqual(commands);
	});

	it('lets a paused rollback only be paused and resumed', () => {
		expect(legalCommands({ state: 'Paused', rollingBack: true, pauseReasons: ['manual'] })).toEqual([
			'pause',
			'edit-gates',
			'resume',
		]);
	});

	it('lets a pause be advanced over only where nothing but evidence is missing', () => {
		expect(commandAllowed({ state: 'Paused', pauseReasons: ['inconclusive'] }, 'advance')).toBe(true);
		expect(commandAllowed({ state: 'Paused', pauseReasons: ['inconclusive', 'gate'] }, 'advance')).toBe(false);
	});

	it('overrules along one order: rollback, abort, pause, supersede, resume, advance', () => {
		const ranked: readonly CommandKind[] = ['rollback', 'abort', 'pause', 'supersede', 'resume', 'advance'];
		for (const [at, kind] of ranked.entries()) expect(overruledBy[kind]).toEqual(ranked.slice(0, at));
		const looked = commandOrder.filter((kind) => ranked.includes(kind));
		expect(looked).toEqual(ranked);
	});
});
