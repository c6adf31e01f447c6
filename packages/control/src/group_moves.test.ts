import { compileSelector, type DynamicGroup } from '@ampora/policy';
import type { AgentId, GroupId } from '@ampora/runtime';
import { type PreviewSubject, ungroupedGroupId } from '@ampora/store';
import { expect, test } from 'vitest';
import { type GroupChange, movesUnder } from './group_moves.js';

const [prod, old] = ['prod' as GroupId, 'old' as GroupId];

function group(id: GroupId, selector: string, priority: number): DynamicGroup<GroupId> {
	const compiled = compileSelector(selector);
	if (!compiled.ok) throw new Error(compiled.error.message);
	return { id, priority, createdAtMs: 0, selector: compiled.value };
}

const agent = (name: string, env: string, given: Partial<PreviewSubject> = {}): PreviewSubject => ({
	...{ agentId: name as AgentId, instanceUid: name, hostname: null, groupName: '', versionId: null },
	...{
		groupId: ungroupedGroupId,
		where: 'ungrouped',
		agentType: 'a',
		agentVersion: '1.0.0',
		capabilities: 0,
		components: null,
	},
	...{ description: { identifying: {}, nonIdentifying: env === '' ? {} : { env } }, matches: [], errors: {} },
	...given,
});
const change: GroupChange = {
	...{ id: prod, selector: 'agent.attributes.env == "prod"', priority: 5, createdAtMs: 0, evaluate: true },
};
const groups = [group(prod, change.selector ?? '', 5), group(old, 'agent.version < "2.0.0"', 1)];
const moved = (...subjects: PreviewSubject[]) =>
	movesUnder(groups, subjects, change).moves.map(({ subject, kind, to }) => `${subject.agentId} ${kind} ${to}`);

test('comes whoever matches and nobody before it has, unless somebody put it where it is', () => {
	const chosen = agent('chosen', 'prod', { groupId: 'theirs' as GroupId, where: 'chosen' });
	const elsewhere = agent('elsewhere', 'prod', { groupId: old, where: 'dynamic', matches: [old] });
	expect(
		moved(agent('new', 'prod', { matches: null, errors: null }), agent('other', 'test'), chosen, elsewhere),
	).toEqual(['new comes prod', 'elsewhere comes prod']);
});

test('goes whoever does not match any more, to the next group that has it or to none', () => {
	const member = { groupId: prod, where: 'dynamic' } as const;
	expect(
		moved(
			agent('one', 'test', { ...member, matches: [prod] }),
			agent('two', 'test', { ...member, matches: [old, prod] }),
		),
	).toEqual([`one goes ${ungroupedGroupId}`, 'two goes old']);
});

test('stays whoever the selector errors for', () => {
	const member = agent('member', '', { groupId: prod, where: 'dynamic', matches: [prod] });
	expect(movesUnder(groups, [member], change)).toEqual({
		...{ moves: [], errors: 1, errorExample: 'field not found: env' },
	});
});

test('passes whoever the selector held back by an error, and does no more', () => {
	const held = (name: string, given: Partial<PreviewSubject> = {}) =>
		agent(name, 'test', { matches: [old], errors: { [prod]: 'no such key' }, ...given });
	const elsewhere = { groupId: 'third' as GroupId, where: 'dynamic' } as const;
	expect(
		moved(
			held('one'),
			held('two', { ...elsewhere, matches: [] }),
			agent('new', 'test', { matches: null, errors: null }),
		),
	).toEqual([`one passes ${old}`, `two passes ${ungroupedGroupId}`]);
});
