import { describe, expect, test } from 'vitest';
import type { AgentFacts } from './agent_facts.js';
import { compileSelector, selectorLimits } from './selector.js';

const agent: AgentFacts = {
	attributes: { env: 'prod', 'service.name': 'edge', cpus: '8', nested: { zone: { id: 1 } }, tags: ['a', 'b'] },
	type: 'otelcol',
	version: 'v0.110.0',
	capabilities: ['AcceptsRemoteConfig'],
	components: { receivers: ['otlp'] },
};

function compiled(source: string) {
	const result = compileSelector(source);
	if (!result.ok) throw new Error(`${source}: ${result.error.message}`);
	return result.value;
}
const faultOf = (source: string) => {
	const result = compileSelector(source);
	return result.ok ? null : result.error;
};

describe('a selector', () => {
	test.each([
		['agent.attributes.env == "prod"', 'match', ['attribute:env']],
		['agent.attributes["service.name"] == "core"', 'no-match', ['attribute:service.name']],
		['"service.name" in agent.attributes', 'match', ['attribute:service.name']],
		['has(agent.attributes.zone) && agent.attributes.zone == "a"', 'no-match', ['attribute:zone']],
		['int(agent.attributes.cpus) > 4', 'match', ['attribute:cpus']],
		['agent.attributes.nested.zone.id == 1', 'match', ['attribute:nested']],
		['"b" in agent.attributes.tags', 'match', ['attribute:tags']],
		['agent.attributes.env.matches("^pr.*")', 'match', ['attribute:env']],
		['agent.type == "otelcol" && "AcceptsRemoteConfig" in agent.capabilities', 'match', ['capabilities', 'type']],
		['"otlp" in agent.components.receivers', 'match', ['components']],
		['agent.attributes.exists(name, name.startsWith("service."))', 'match', ['attributes']],
		['agent.attributes[agent.type] == "x"', 'error', ['attributes', 'type']],
		['agent.attributes.all(name, agent.attributes[name] != "test")', 'match', ['attributes']],
		['size(agent.attributes) > 3', 'match', ['attributes']],
		['agent.version >= semver("0.109.2")', 'match', ['version']],
		['agent.version < "0.9.0"', 'no-match', ['version']],
		['semver("0.110") == agent.version', 'match', ['version']],
		['semver(agent.attributes.env) > "1.0.0"', 'error', ['attribute:env']],
		['true', 'match', []],
	])('%s', (source, verdict, reads) => {
		const selector = compiled(source);
		expect(selector.evaluate(agent).kind).toBe(verdict);
		expect([...selector.reads].sort()).toEqual(reads);
	});

	test('that reads what an agent does not say errors: it neither matches nor fails to', () => {
		const { evaluate } = compiled('agent.attributes.zone == "a"');
		expect(evaluate(agent)).toEqual({ kind: 'error', message: 'field not found: zone' });
		expect(compiled('agent.version > "1.0.0"').evaluate({ ...agent, version: null }).kind).toBe('error');
		expect(compiled('agent.version > "1.0.0"').evaluate({ ...agent, version: 'nightly' }).kind).toBe('error');
		expect(compiled('agent.attributes.env').evaluate(agent).kind).toBe('error');
	});

	test('answers for one agent after the other', () => {
		const { evaluate } = compiled('agent.attributes.env == "prod" || agent.attributes.env == "test"');
		for (const [env, kind] of Object.entries({ prod: 'match', dev: 'no-match', test: 'match' }))
			expect(evaluate({ ...agent, attributes: { env } }).kind).toBe(kind);
	});
});

describe('what is no selector is refused, with what, where and what to do', () => {
	test.each([
		['agent.attributes.env = "prod"', 1, 22, 'found ='],
		['agent.type == "a"\n  && hostname == "b"', 2, 6, 'no "hostname"'],
		['agent.name == "a"', 1, 6, 'no "name"'],
		['now() == 1', 1, 1, 'no function now'],
		['agent.version >= semver("latest")', 1, 25, '"latest" is no version'],
		['semver("1.0.0")', 1, 1, 'beside a comparison'],
		['agent == agent', 1, 1, 'agent alone'],
		['agent.attributes.env.matches(agent.type)', 1, 21, 'pattern'],
		['agent.attributes.env.matches("(a{1000}){1000}")', 1, 21, 'pattern'],
		['agent.capabilities.exists(a, agent.capabilities.exists(b, a == b))', 1, 48, 'loop within a loop'],
		['{"a": 1}.a == 1', 1, 1, 'maps'],
		['', 1, 1, 'says something'],
		['1+1', 1, 2, 'never true or false'],
		['agent.type', 1, 6, 'never true or false'],
		['agent.type == "a" && !agent.version', 1, 28, 'never true or false'],
		['agent.type == "a" ? "x" : "y"', 1, 21, 'never true or false'],
	])('%s', (source, line, column, message) => {
		expect(faultOf(source)).toMatchObject({ line, column, message: expect.stringContaining(message) });
		expect(faultOf(source)?.action.length).toBeGreaterThan(10);
	});

	test.each([
		['long', 'true || '.repeat(selectorLimits.charactersMax)],
		['deep in brackets', `${'('.repeat(500)}true${')'.repeat(500)}`],
		['deep in lists', `${'['.repeat(500)}${']'.repeat(500)}`],
		['deep in selections', `agent.attributes${'.a'.repeat(500)}`],
		['deep in negations', `${'!'.repeat(500)}true`],
		['wide', Array.from({ length: 390 }, () => 'true').join('||')],
	])('hostile: %s', (_, source) => {
		expect(faultOf(source)).not.toBeNull();
	});

	test('brackets in a text are no nesting', () => {
		expect(faultOf(`agent.type == "${'('.repeat(100)}"`)).toBeNull();
	});
});
