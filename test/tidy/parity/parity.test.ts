// What can be done over REST can be done over gRPC and from a shell. To add an operation: a route (packages/api-contract), a method of
// the same name with its messages (proto/ampora/fleet, or RolloutService with its mapping), and a command with a line in command_lines.ts.
import { type OperationId, routes } from '@ampora/api-contract';
import { fleetServices, messages, messageType } from '@ampora/rollout-engine/testing';
import { describe, expect, test } from 'vitest';
import { asked, commandLines } from './command_lines.js';
import { plain, requestSchema } from './json_schema.js';
import { differences, snake } from './messages.js';

const operations = Object.keys(routes) as OperationId[];

/** Where the three may differ, and why; never more than five. */
const exceptions: Readonly<Partial<Record<OperationId, { missing: 'gRPC' | 'CLI'; why: string }>>> = {};
const needed = (where: 'gRPC' | 'CLI') => operations.filter((operation) => exceptions[operation]?.missing !== where);

/** RolloutService says some things in words of its own. */
const rolloutMethods: Readonly<Partial<Record<OperationId, string>>> = {
	listRolloutTargets: 'ListTargets',
	listRolloutEvents: 'ListEvents',
	extendRollout: 'ExtendDwell',
	editRolloutGates: 'EditGates',
	retryRollout: 'RetryAgents',
	excludeRolloutAgents: 'ExcludeAgents',
	rollbackRollout: 'RollBackRollout',
	getRolloutCommand: 'GetCommand',
};
const pascal = (operation: OperationId) => operation.charAt(0).toUpperCase() + operation.slice(1);
const ofRollouts = (operation: OperationId) => routes[operation].tag === 'Rollouts';

describe('gRPC', () => {
	const fleetMethods = fleetServices.flatMap(({ methods }) => methods);
	const rolloutServiceMethods = Object.values(messages.RolloutServiceService).map(
		({ path }) => path.split('/').at(-1) ?? '',
	);

	test('has a method for every operation, and no other', () => {
		const expected = needed('gRPC').map((operation) =>
			ofRollouts(operation) ? (rolloutMethods[operation] ?? pascal(operation)) : pascal(operation),
		);
		const found = [...rolloutServiceMethods, ...fleetMethods.map(({ name }) => name)];
		expect({
			'no method (add it to proto/ampora/fleet/v1, or to RolloutService)': expected.filter(
				(name) => !found.includes(name),
			),
			'no operation (add its route)': found.filter((name) => !expected.includes(name)),
		}).toEqual({
			'no method (add it to proto/ampora/fleet/v1, or to RolloutService)': [],
			'no operation (add its route)': [],
		});
	});

	test.each(fleetMethods.map((method) => [method.name, method] as const))('%s says what REST says', (_, method) => {
		expect(differences(method, method.localName as OperationId)).toEqual([]);
	});
});

test('a comparison of messages notices what is lacking, what is too much, and what is of another kind', () => {
	const method = (name: string) => {
		const found = fleetServices.flatMap(({ methods }) => methods).find((one) => one.name === name);
		if (found === undefined) throw new Error(`there is no method ${name}`);
		return found;
	};
	expect(differences(method('GetGroup'), 'listAudit')).toEqual(
		expect.arrayContaining([
			'message ampora.fleet.v1.GetGroupRequest lacks entity_type (string)',
			'message ampora.fleet.v1.GetGroupRequest has group, which REST does not',
			'message ampora.fleet.v1.Group lacks items (repeated)',
		]),
	);
	expect(differences(method('ListVersions'), 'listConfigurations')).toContain(
		'message ampora.fleet.v1.VersionSummary lacks latest_published (a message)',
	);
});

describe('the command line', () => {
	test('has a line for every operation', () => {
		const lines = Object.keys(commandLines);
		expect({
			'no line (add the command, and its line to command_lines.ts)': needed('CLI').filter(
				(name) => !lines.includes(name),
			),
			'no operation (remove the line)': lines.filter((name) => !needed('CLI').some((operation) => operation === name)),
		}).toEqual({
			'no line (add the command, and its line to command_lines.ts)': [],
			'no operation (remove the line)': [],
		});
	});

	test.each(Object.entries(commandLines))('%s: ampora %s', async (operation, line) => {
		const { operations: seen, said } = await asked(line);
		expect(seen, said).toContain(operation);
	});
});

describe('a new rollout', () => {
	const { schema, defs } = requestSchema('createRollout');
	const fieldsOf = (message: string) =>
		messageType(`ampora.rollout.v1.${message}`)?.fields.map(({ name }) => name) ?? [];
	/** What gRPC and the command line say with another name than that of the REST field. */
	const otherNames: Readonly<Record<string, { grpc?: string; cli?: string }>> = {
		group: { cli: '<group>' },
		version: { cli: '[version]' },
		config: { grpc: 'inline_yaml', cli: '--file' },
		start: { grpc: 'manual_start', cli: '--manual' },
		unconfirmed: { grpc: 'push_unconfirmed' },
		gates: { cli: '--gate' },
		metricGates: { cli: '--metric-gate' },
	};
	const spoken = (fields: readonly string[], name: string) =>
		[otherNames[name]?.grpc ?? snake(name), `${snake(name)}_percent`].find((field) => fields.includes(field));

	test('says all of it over gRPC (proto/ampora/rollout: CreateRolloutRequest, RolloutSpec, Gate, and the mapping)', () => {
		const fields = [...fieldsOf('CreateRolloutRequest'), ...fieldsOf('RolloutSpec')];
		const names = Object.keys(schema.properties ?? {});
		expect(names.length).toBeGreaterThan(15);
		expect(names.filter((name) => spoken(fields, name) === undefined)).toEqual([]);
		const said = [...names.map((name) => spoken(fields, name)), 'spec', 'idempotency_key', 'unlimited_in_flight'];
		expect(fields.filter((field) => !said.includes(field))).toEqual([]);
		const gates = plain(schema.properties?.gates ?? {}, defs).additionalProperties;
		const gate = typeof gates === 'object' ? Object.keys(plain(gates, defs).properties ?? {}) : [];
		expect(gate).toContain('threshold');
		expect(gate.filter((name) => spoken(fieldsOf('Gate'), name) === undefined)).toEqual([]);
	});

	test('has an option for all of it (packages/cli: rollouts create)', async () => {
		const { said } = await asked('rollouts create --help');
		const option = (name: string) => otherNames[name]?.cli ?? `--${snake(name).replaceAll('_', '-')}`;
		expect(Object.keys(schema.properties ?? {}).filter((name) => !said.includes(option(name)))).toEqual([]);
	});
});

test('exceptions are few, and each has a reason', () => {
	const reasons = Object.values(exceptions).map(({ why }) => why);
	expect(reasons.length).toBeLessThanOrEqual(5);
	for (const why of reasons) expect(why.length).toBeGreaterThan(20);
});
