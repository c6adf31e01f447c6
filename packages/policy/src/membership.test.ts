import { describe, expect, test } from 'vitest';
import { type AgentFacts, changedFields } from './agent_facts.js';
import { compareVersions, parseVersion } from './agent_version.js';
import { type Due, type DynamicGroup, decideMove, reevaluate } from './membership.js';
import { compileSelector } from './selector.js';

const agent: AgentFacts = {
	attributes: { env: 'prod' },
	type: 'a',
	version: '1.0.0',
	capabilities: [],
	components: null,
};

function group(id: string, selector: string, priority = 0, createdAtMs = 0): DynamicGroup {
	const compiled = compileSelector(selector);
	return { id, priority, createdAtMs, selector: compiled.ok ? compiled.value : null };
}
const prod = 'agent.attributes.env == "prod"';
const all: Due = { kind: 'all' };
const placed = (groups: readonly DynamicGroup[], where: Parameters<typeof decideMove>[2]) =>
	decideMove(groups, reevaluate(groups, agent, { standing: null, due: all }).standing, where);

describe('where an agent belongs', () => {
	test('the highest priority wins, then the older group', () => {
		const groups = [group('young', prod, 1, 200), group('old', prod, 1, 100), group('low', 'true', 0, 1)];
		expect(placed(groups, { kind: 'ungrouped' })).toEqual({ kind: 'move', to: 'old' });
		expect(placed([...groups, group('high', prod, 2, 300)], { kind: 'dynamic', id: 'old' })).toEqual({
			kind: 'move',
			to: 'high',
		});
		expect(placed(groups, { kind: 'dynamic', id: 'old' }).kind).toBe('stay');
	});

	test('nothing matches: in no group; chosen by somebody: there', () => {
		const groups = [group('test', 'agent.attributes.env == "test"')];
		expect(placed(groups, { kind: 'dynamic', id: 'test' })).toEqual({ kind: 'move', to: null });
		expect(placed([group('prod', prod)], { kind: 'chosen' }).kind).toBe('stay');
	});

	test('an error before the first match keeps the agent where it is, one behind it does not', () => {
		const errs = (priority: number) => group('errs', 'agent.attributes.zone == "a"', priority);
		expect(placed([errs(5), group('prod', prod)], { kind: 'ungrouped' })).toEqual({ kind: 'stay', undecided: 'errs' });
		expect(placed([errs(-5), group('prod', prod)], { kind: 'ungrouped' })).toEqual({ kind: 'move', to: 'prod' });
		expect(placed([group('broken', 'what?')], { kind: 'dynamic', id: 'other' }).kind).toBe('stay');
	});
});

describe('what is evaluated', () => {
	const groups = [
		group('env', prod),
		group('type', 'agent.type == "a"'),
		group('any', 'agent.attributes.exists(name, name == "x")'),
		group('none', 'true'),
	];
	const { standing, evaluations } = reevaluate(groups, agent, { standing: null, due: all });
	const again = (due: Due) => reevaluate(groups, { ...agent, attributes: { env: 'test' } }, { standing, due });

	test('everything of an agent that was never looked at', () => {
		expect({ standing, evaluations }).toEqual({
			standing: { matches: ['env', 'none', 'type'], errors: {} },
			evaluations: 4,
		});
	});

	test('of a changed attribute only the selectors that read it, or read them all', () => {
		expect(again({ kind: 'fields', fields: ['attribute:env'] })).toEqual({
			standing: { matches: ['none', 'type'], errors: {} },
			evaluations: 2,
		});
		expect(again({ kind: 'fields', fields: ['attribute:other'] }).evaluations).toBe(1);
		expect(again({ kind: 'fields', fields: ['version'] }).evaluations).toBe(0);
		expect(again({ kind: 'group', id: 'env' }).evaluations).toBe(1);
	});

	test('what changed is told by name, identifying and others alike', () => {
		const other = { ...agent, attributes: { zone: 1 }, version: '2.0.0' };
		expect(changedFields(agent, other)).toEqual(['attribute:env', 'attribute:zone', 'version']);
		expect(changedFields(agent, agent)).toEqual([]);
	});
});

test('versions stand in the order that semver.org gives', () => {
	const ordered = [
		'0.9.0',
		'0.10.0-alpha',
		'0.10.0-alpha.1',
		'0.10.0-alpha.beta',
		'0.10.0-rc.2',
		'0.10.0-rc.11',
		'0.10',
		'v0.10.1',
		'1',
	];
	const versions = ordered.map((text) => parseVersion(text) ?? expect.unreachable(text));
	for (const [at, version] of versions.entries())
		for (const [behind, later] of versions.entries())
			expect(Math.sign(compareVersions(version, later))).toBe(Math.sign(at - behind));
	expect(parseVersion('1.0.0+build')).toEqual(parseVersion('v1'));
	expect(['', 'latest', '1.x', '1..2', `1.${'9'.repeat(30)}`].map(parseVersion)).toEqual([
		null,
		null,
		null,
		null,
		null,
	]);
});
