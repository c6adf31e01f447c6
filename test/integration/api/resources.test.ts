import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ApiStage, apiStage, goodYaml, type Loose } from './stage.js';

let stage: ApiStage;
beforeAll(async () => {
	stage = await apiStage();
});
afterAll(() => stage[Symbol.asyncDispose]());

/** All items, page after page, with a page size that splits them. */
async function allOf(operation: Parameters<ApiStage['must']>[0], query: Record<string, string | number>, params = {}) {
	const items: Loose[] = [];
	let cursor: string | null = null;
	do {
		const page: Loose = await stage.must(operation, {
			params,
			query: { ...query, ...(cursor !== null && { cursor }) },
		});
		expect(page.items.length).toBeLessThanOrEqual(Number(query.limit));
		items.push(...page.items);
		cursor = page.nextCursor;
	} while (cursor !== null);
	return items;
}

describe('configurations and versions', () => {
	const params = { configuration: 'gateway' };
	beforeAll(async () => {
		await stage.must('createConfiguration', { body: { name: 'gateway' } });
	});

	test('a draft changes until it is published, and never again', async () => {
		const files = [
			{ name: 'b.yaml', body: 'extensions:\n  nop:\n' },
			{ name: 'a.yaml', body: `# kept, to the byte\r\n${goodYaml}` },
		];
		const draft = await stage.must('createVersion', { params, body: { files } });
		expect(draft).toMatchObject({
			ref: 'gateway@1',
			state: 'Draft',
			createdBy: 'token:first-admin',
			publishedAt: null,
		});
		expect(draft.files.map(({ name }: Loose) => name)).toEqual(['a.yaml', 'b.yaml']);
		const at = { ...params, number: 1 };
		const changed = await stage.must('updateVersion', { params: at, body: { files: files.slice(1) } });
		expect(changed.contentHash).not.toBe(draft.contentHash);
		expect((await stage.must('getVersion', { params: at })).files).toEqual([{ ...files[1], contentType: 'text/yaml' }]);

		const { version, findings } = await stage.must('publishVersion', { params: at });
		expect(version).toMatchObject({
			state: 'Published',
			contentHash: changed.contentHash,
			publishedAt: expect.any(String),
		});
		expect(findings.filter(({ severity }: Loose) => severity === 'error')).toEqual([]);
		for (const operation of ['publishVersion', 'updateVersion', 'deleteVersion'] as const) {
			const again = await stage.call(operation, {
				params: at,
				...(operation === 'updateVersion' && { body: { yaml: goodYaml } }),
			});
			expect(again).toMatchObject({
				status: 409,
				body: {
					code: operation === 'deleteVersion' ? 'version-not-deletable' : 'version-not-draft',
					message: 'version gateway@1 is Published',
				},
			});
		}
	});

	test('errors block publishing and say where; the draft stays', async () => {
		const { number } = await stage.must('createVersion', { params, body: { yaml: 'receivers:\n  nop:\n nop: ]\n' } });
		const at = { ...params, number };
		const refused = await stage.call('publishVersion', { params: at });
		expect(refused).toMatchObject({ status: 422, body: { code: 'config-invalid' } });
		expect(refused.body.message).toMatch(/^version gateway@\d+ cannot be published: line \d+, column \d+: /);
		expect(refused.body.details.findings[0]).toMatchObject({
			severity: 'error',
			line: expect.any(Number),
			fix: expect.any(String),
		});
		expect(await stage.must('validateVersion', { params: at })).toMatchObject({ publishable: false });
		expect(await stage.must('deleteVersion', { params: at })).toEqual({});
		expect(await stage.call('getVersion', { params: at })).toMatchObject({ status: 404 });
	});

	test('files of one name are refused, and so is neither yaml nor files', async () => {
		const twice = await stage.call('createVersion', {
			params,
			body: {
				files: [
					{ name: 'a', body: '' },
					{ name: 'a', body: '' },
				],
			},
		});
		expect(twice).toMatchObject({ status: 400, body: { message: 'there are two files named "a"' } });
		expect(await stage.call('createVersion', { params, body: {} })).toMatchObject({ status: 400 });
	});

	test('numbers are never given twice, however many are made at once', async () => {
		await stage.must('createConfiguration', { body: { name: 'race' } });
		const race = { configuration: 'race' };
		const made = await Promise.all(
			Array.from({ length: 6 }, () => stage.must('createVersion', { params: race, body: { yaml: goodYaml } })),
		);
		expect(made.map(({ number }) => number).toSorted()).toEqual([1, 2, 3, 4, 5, 6]);
		const listed = await allOf('listVersions', { limit: 4 }, race);
		expect(listed.map(({ number }) => number)).toEqual([6, 5, 4, 3, 2, 1]);
	});

	test('a version somebody is assigned is not archived', async () => {
		const at = { ...params, number: 1 };
		const [agent = ''] = await stage.agents(1);
		const { id } = await stage.must('getVersion', { params: at });
		await stage.database.sql.query(
			`insert into assignment (agent_id, version_id, offered_hash, seq, cause) values ($1, $2, '\\x00', 1, 'rollout')`,
			[agent, id],
		);
		const refused = await stage.call('archiveVersion', { params: at });
		expect(refused).toMatchObject({ status: 409, body: { code: 'version-in-use', details: { assignments: 1 } } });
		await stage.database.sql.query('delete from assignment where agent_id = $1', [agent]);
		expect(await stage.must('archiveVersion', { params: at })).toMatchObject({ state: 'Archived' });
	});

	test('an archived version is deleted when nothing leads to it any more, and is never rolled out', async () => {
		await stage.must('createConfiguration', { body: { name: 'old' } });
		const old = { configuration: 'old' };
		const at = { ...old, number: 1 };
		await stage.must('createVersion', { params: old, body: { yaml: goodYaml } });
		for (const operation of ['publishVersion', 'archiveVersion'] as const) await stage.must(operation, { params: at });
		const [agent = ''] = await stage.agents(1);
		const { id } = await stage.must('getVersion', { params: at });
		await stage.must('createGroup', { body: { name: 'way-back' } });
		const rollout = { group: 'way-back', version: 'old@1' };
		expect(await stage.call('createRollout', { body: rollout })).toMatchObject({
			status: 409,
			body: { code: 'version-not-published', message: 'version old@1 is Archived, not Published' },
		});
		await stage.database.sql.query('update agent set proven_version = $2 where id = $1', [agent, id]);
		expect(await stage.call('deleteVersion', { params: at })).toMatchObject({
			status: 409,
			body: {
				code: 'version-in-use',
				message: 'version old@1 is still needed: it is what 1 agent would go back to',
				details: { assignments: 0, provenBy: 1, waysBack: 0, rollouts: 0 },
			},
		});
		await stage.database.sql.query('update agent set proven_version = null where id = $1', [agent]);
		await stage.must('deleteVersion', { params: at });
		expect(await stage.call('getVersion', { params: at })).toMatchObject({ status: 404 });
		const next = await stage.must('createVersion', { params: old, body: { yaml: goodYaml } });
		expect(next.ref).toBe('old@2');
		const { items } = await stage.must('listAudit', { query: { action: 'Version.Deleted', entity: id } });
		expect(items).toMatchObject([{ before: { version: 'old@1', state: 'Archived' } }]);
	});

	test('two versions are compared by meaning and in text', async () => {
		const of = { configuration: 'compared' };
		await stage.must('createConfiguration', { body: { name: 'compared' } });
		const yamls = [
			goodYaml,
			`# another text\n${goodYaml}`,
			goodYaml.replace('exporters:\n  nop:', 'exporters:\n  nop: {a: 1}'),
		];
		for (const yaml of yamls) await stage.must('createVersion', { params: of, body: { yaml } });
		const compare = (number: number, query = {}) => stage.must('compareVersions', { params: { ...of, number }, query });
		expect(await compare(2)).toMatchObject({ from: 'compared@1', sameMeaning: true, edits: [] });
		expect((await compare(2)).text).toMatch(/^--- config\n(.*\n)*\+# another text/);
		const changed = await compare(3, { from: 'compared@1' });
		expect(changed).toMatchObject({ from: 'compared@1', to: 'compared@3', sameMeaning: false });
		expect(changed.edits).toMatchObject([{ op: 'change', path: 'exporters.nop', before: 'null', after: '{"a":1}' }]);
		expect(await stage.call('compareVersions', { params: { ...of, number: 1 }, query: {} })).toMatchObject({
			status: 404,
		});
	});

	test('publishing says what a version means beside the one published before', async () => {
		const of = { configuration: 'meaning' };
		await stage.must('createConfiguration', { body: { name: 'meaning' } });
		const publish = async (yaml: string) => {
			const { number } = await stage.must('createVersion', { params: of, body: { yaml } });
			const { version, findings } = await stage.must('publishVersion', { params: { ...of, number } });
			return { ...version, codes: findings.map(({ code }: Loose) => code) };
		};
		const first = await publish(goodYaml);
		expect(first).toMatchObject({ codes: [], semanticHash: expect.stringMatching(/^[0-9a-f]{64}$/) });
		const rewritten = await publish(`# another text\n${goodYaml}`);
		expect(rewritten).toMatchObject({ semanticHash: first.semanticHash, codes: ['no-effect'] });
		expect(rewritten.contentHash).not.toBe(first.contentHash);
		const opamp = 'extensions:\n  opamp: {server: {ws: {endpoint: "wss://a.example/v1/opamp"}}}\n';
		const managed = await publish(`${opamp}${goodYaml.replace('service:', 'service:\n  extensions: [opamp]')}`);
		expect(managed.semanticHash).not.toBe(first.semanticHash);
		expect(new Set(managed.codes)).toEqual(new Set(['management-path-changed']));
		const validate = async (number: number) =>
			(await stage.must('validateVersion', { params: { ...of, number }, query: {} })).findings;
		expect(await validate(1)).toEqual([]);
		expect(await validate(2)).toMatchObject([{ code: 'no-effect', severity: 'warning' }]);
		const { number } = await stage.must('createVersion', { params: of, body: { yaml: 'a: [' } });
		const broken = await stage.must('getVersion', { params: { ...of, number } });
		expect(broken).toMatchObject({ semanticHash: null });
		const fixed = await stage.must('updateVersion', { params: { ...of, number }, body: { yaml: goodYaml } });
		expect(fixed.semanticHash).toBe(first.semanticHash);
	});

	test('only a configuration without published versions can be deleted', async () => {
		expect(await stage.call('deleteConfiguration', { params })).toMatchObject({
			status: 409,
			body: { code: 'configuration-in-use' },
		});
		await stage.must('createConfiguration', { body: { name: 'scratch' } });
		await stage.must('createVersion', { params: { configuration: 'scratch' }, body: { yaml: goodYaml } });
		await stage.must('deleteConfiguration', { params: { configuration: 'scratch' } });
		expect(await stage.call('getConfiguration', { params: { configuration: 'scratch' } })).toMatchObject({
			status: 404,
		});
	});

	test('names are unique, and pages follow them', async () => {
		for (const name of ['p-3', 'p-1', 'p-2']) await stage.must('createConfiguration', { body: { name } });
		const twice = await stage.call('createConfiguration', { body: { name: 'p-1' } });
		expect(twice).toMatchObject({ status: 409, body: { code: 'already-exists', details: { name: 'p-1' } } });
		const names = (await allOf('listConfigurations', { limit: 2 })).map(({ name }) => name);
		expect(names).toEqual(names.toSorted());
		expect(names).toEqual(expect.arrayContaining(['p-1', 'p-2', 'p-3']));
	});
});

describe('groups', () => {
	test('an agent is in exactly one; every group that gains or loses one grows its membership seq', async () => {
		const [north, south] = [
			await stage.must('createGroup', { body: { name: 'north' } }),
			await stage.must('createGroup', { body: { name: 'south' } }),
		];
		const agents = await stage.agents(3);
		const seqOf = async (id: string): Promise<number> => {
			const [row] = await stage.database.sql.query<{ seq: number }>(
				'select membership_seq as seq from agent_group where id = $1',
				[id],
			);
			return row?.seq ?? -1;
		};
		const add = (group: string, names: string[]) =>
			stage.must('addGroupAgents', { params: { group }, body: { agents: names } });
		expect(await add('north', agents)).toMatchObject({ changed: 3, group: { agents: 3 } });
		const northSeq = await seqOf(north.id);
		expect(await add('north', agents)).toMatchObject({ changed: 0 });
		expect(await seqOf(north.id)).toBe(northSeq);
		expect(await add(south.id, agents.slice(0, 1))).toMatchObject({ changed: 1, group: { name: 'south', agents: 1 } });
		expect(await seqOf(north.id)).toBe(northSeq + 1);
		expect(await seqOf(south.id)).toBe(1);

		const { agentUid } = {
			agentUid: (await stage.must('getAgent', { params: { agent: agents[1] ?? '' } })).instanceUid,
		};
		const removed = await stage.must('removeGroupAgents', {
			params: { group: 'north' },
			body: { agents: [agentUid, agents[0]] },
		});
		expect(removed).toMatchObject({ changed: 1, group: { agents: 1 } });
		expect(await stage.must('getAgent', { params: { agent: agents[1] ?? '' } })).toMatchObject({ group: 'ungrouped' });
	});

	test('unknown agents are named, and nobody moves', async () => {
		await stage.must('createGroup', { body: { name: 'west' } });
		const agents = [...(await stage.agents(1)), '01234567-89ab-7cde-8f01-23456789abcd', 'web-1'];
		const refused = await stage.call('addGroupAgents', { params: { group: 'west' }, body: { agents } });
		expect(refused).toMatchObject({ status: 404, body: { details: { unknown: agents.slice(1) } } });
		expect(await stage.must('getGroup', { params: { group: 'west' } })).toMatchObject({ agents: 0 });
	});

	test('the built-in group cannot be filled, emptied or deleted; a used one is kept', async () => {
		const agents = await stage.agents(1);
		expect(await stage.call('addGroupAgents', { params: { group: 'ungrouped' }, body: { agents } })).toMatchObject({
			status: 409,
		});
		expect(await stage.call('deleteGroup', { params: { group: 'ungrouped' } })).toMatchObject({
			status: 409,
			body: { code: 'group-in-use' },
		});
		await stage.must('createGroup', { body: { name: 'east' } });
		await stage.must('addGroupAgents', { params: { group: 'east' }, body: { agents } });
		expect(await stage.call('deleteGroup', { params: { group: 'east' } })).toMatchObject({
			body: { details: { agents: 1 } },
		});
		await stage.must('removeGroupAgents', { params: { group: 'east' }, body: { agents } });
		expect(await stage.must('deleteGroup', { params: { group: 'east' } })).toEqual({ planned: [] });
		await stage.must('createGroup', { body: { name: 'again' } });
		expect(await stage.call('createGroup', { body: { name: 'again' } })).toMatchObject({
			status: 409,
			body: { code: 'already-exists' },
		});
	});
});

describe('agents', () => {
	test('filters, sorts and pages without losing or repeating anybody', async () => {
		await stage.agents(3, { hostname: 'list-a', version: '2.0.0' });
		await stage.agents(3, { hostname: 'list-b', gateway: null, healthy: false, version: '2.1.0' });
		await stage.agents(1, { hostname: 'list-100%_c', healthy: null });
		const list = (query: object) => allOf('listAgents', { limit: 2, search: 'LIST-', ...query });
		const names = async (query: object) => (await list(query)).map(({ hostname }) => hostname);

		expect(await names({ sort: 'hostname' })).toEqual([
			'list-100%_c-1',
			...[1, 2, 3].map((n) => `list-a-${n}`),
			...[1, 2, 3].map((n) => `list-b-${n}`),
		]);
		expect(await names({ sort: 'hostname', order: 'desc', limit: 3 })).toEqual(
			(await names({ sort: 'hostname' })).toReversed(),
		);
		expect(new Set((await list({})).map(({ id }) => id)).size).toBe(7);
		const bySeen = await list({ sort: 'last-seen' });
		expect(bySeen.map(({ connected }) => connected)).toEqual([false, false, false, true, true, true, true]);
		expect(await names({ sort: 'hostname', connected: 'false' })).toEqual([1, 2, 3].map((n) => `list-b-${n}`));
		expect(await names({ healthy: 'false', sort: 'hostname' })).toEqual([1, 2, 3].map((n) => `list-b-${n}`));
		expect(await names({ version: '2.0.0', sort: 'hostname' })).toEqual([1, 2, 3].map((n) => `list-a-${n}`));
		// Wildcards are text here.
		expect(await names({ search: '100%_' })).toEqual(['list-100%_c-1']);
		expect(await names({ search: 'list%a' })).toEqual([]);
		expect(await stage.call('listAgents', { query: { group: 'nowhere' } })).toMatchObject({ status: 404 });
	});

	test('one agent is shown with its assignment and its effective config, secrets hidden', async () => {
		const [agent = ''] = await stage.agents(1, { hostname: 'shown' });
		const body = Buffer.from(
			'exporters:\n  otlp:\n    endpoint: https://me:pw@host\n    headers:\n      x-team: blue\n',
		).toString('base64');
		await stage.database.sql.query(
			`insert into agent_effective_config (agent_id, hash, files, received_at) values ($1, '\\x01', $2, now())`,
			[agent, JSON.stringify([{ name: '', contentType: '', body }])],
		);
		await stage.must('createConfiguration', { body: { name: 'shown' } });
		const { id } = await stage.must('createVersion', { params: { configuration: 'shown' }, body: { yaml: goodYaml } });
		await stage.database.sql.query(
			`insert into assignment (agent_id, version_id, offered_hash, seq, cause, answer, answer_error)
			values ($1, $2, '\\x00', 4, 'rollout', 'failed', 'no such exporter')`,
			[agent, id],
		);
		const shown = await stage.must('getAgent', { params: { agent } });
		expect(shown).toMatchObject({
			hostname: 'shown-1',
			config: 'shown@1',
			applyError: 'no such exporter',
			assignment: { version: 'shown@1', seq: 4, answer: 'failed', error: 'no such exporter' },
			capabilities: expect.arrayContaining(['AcceptsRemoteConfig', 'ReportsHealth']),
		});
		const text = shown.effectiveConfig.files[0].body;
		expect(text).toContain('x-team: "[REDACTED]"');
		expect(text).not.toContain('pw');
		const assigned = await stage.must('listAgents', { query: { config: 'shown@1' } });
		expect(assigned.items.map((item: Loose) => item.id)).toEqual([agent]);
	});

	test('counts agree with the list', async () => {
		const fleet = await stage.must('getFleet');
		const all = await allOf('listAgents', { limit: 500 });
		expect(fleet).toMatchObject({
			agents: all.length,
			connected: all.filter(({ connected }) => connected).length,
			healthy: all.filter(({ healthy }) => healthy === true).length,
			unhealthy: all.filter(({ healthy }) => healthy === false).length,
		});
		const sum = (rows: Loose[]): number => rows.reduce((total, { agents }) => total + agents, 0);
		expect([sum(fleet.byGroup), sum(fleet.byVersion)]).toEqual([all.length, all.length]);
	});
});

describe('rollouts', () => {
	test('are listed newest first, by group and state', async () => {
		for (const name of ['r-1', 'r-2', 'r-3']) {
			await stage.must('createGroup', { body: { name } });
			await stage.must('createRollout', { body: { group: name, config: goodYaml, start: 'manual' } });
		}
		const all = await allOf('listRollouts', { limit: 2 });
		expect(all.map(({ group }) => group.name)).toEqual(['r-3', 'r-2', 'r-1']);
		expect(await allOf('listRollouts', { limit: 2, group: 'r-2', active: 'true' })).toHaveLength(1);
		expect(await allOf('listRollouts', { limit: 2, state: 'Completed' })).toEqual([]);
		expect(await allOf('listRollouts', { limit: 2, active: 'false' })).toEqual([]);
	});

	test('show what was asked for and every default', async () => {
		await stage.must('createGroup', { body: { name: 'spec' } });
		const body = {
			group: 'spec',
			config: goodYaml,
			start: 'manual',
			strategy: { kind: 'canary', steps: [{ name: 'few', size: 3, dwell: '1h30m' }, { size: '100%' }] },
			gates: { 'apply-failed-ratio': { threshold: '7 %' } },
			bake: '20m',
			maxInFlight: 'unlimited',
			seed: 'blue',
		};
		const { id, version } = await stage.must('createRollout', { body });
		expect(version).toBe('spec@1');
		const shown = await stage.must('getRollout', { params: { rollout: id } });
		expect(shown.spec).toMatchObject({
			strategy: {
				kind: 'canary',
				steps: [
					{ name: 'few', size: '3', dwell: '1h30m', dwellMs: 5_400_000 },
					{ name: null, size: '100 %' },
				],
			},
			order: 'random',
			seed: 'blue',
			maxInFlight: 'unlimited',
			onGate: 'pause',
			bake: '20m',
			deferFor: '7d',
			coveragePercent: 80,
		});
		const thresholds = Object.fromEntries(
			shown.gates.map(({ gate, thresholdPercent }: Loose) => [gate, thresholdPercent]),
		);
		expect(thresholds).toMatchObject({ 'apply-failed-ratio': 7, 'disconnect-ratio': 20, 'unhealthy-ratio': 10 });
		expect(shown.headline).toBe('Not started: waits for start');
	});

	test('the same inline YAML again is the same version', async () => {
		await stage.must('createGroup', { body: { name: 'inline' } });
		const body = { group: 'inline', config: goodYaml, start: 'manual' };
		const first = await stage.must('createRollout', { body });
		await stage.database.sql.query(`update rollout set state = 'Cancelled', ended_at = now() where id = $1`, [
			first.id,
		]);
		expect(await stage.must('createRollout', { body })).toMatchObject({ version: 'inline@1' });
		const other = await stage.call('createRollout', {
			body: { ...body, config: { files: [{ name: 'x', body: 'a: [' }] } },
		});
		expect(other).toMatchObject({ status: 409, body: { code: 'rollout-active' } });
		expect((await stage.must('getConfiguration', { params: { configuration: 'inline' } })).versions).toBe(1);
	});

	test('presets set what they name', async () => {
		await stage.must('createGroup', { body: { name: 'preset' } });
		const body = { group: 'preset', config: goodYaml, start: 'manual', strategy: { kind: 'canary-fast' } };
		const { id } = await stage.must('createRollout', { body });
		const { spec } = await stage.must('getRollout', { params: { rollout: id } });
		expect(spec.onGate).toBe('rollback');
		expect(spec.strategy.steps.map(({ name, size, dwell }: Loose) => `${name} ${size} ${dwell}`)).toEqual([
			'canary 2 % 5m',
			'early-adopters 10 % 5m',
			'majority 50 % 3m',
			'full 100 % 0s',
		]);
	});
});

test('every change leaves an audit row, newest first, without secrets', async () => {
	const token = await stage.must('createEnrollmentToken', { body: { name: 'audited' } });
	await stage.must('revokeEnrollmentToken', { params: { token: token.id } });
	const rows = await allOf('listAudit', { limit: 1, entity: token.id });
	expect(rows.map(({ action }) => action)).toEqual(['EnrollmentToken.Revoked', 'EnrollmentToken.Created']);
	expect(rows[0]).toMatchObject({
		actor: 'token:first-admin',
		role: 'Admin',
		sourceAddress: '127.0.0.1',
		traceId: expect.stringMatching(/^[0-9a-f]{32}$/),
	});
	expect(JSON.stringify(await allOf('listAudit', { limit: 500 }))).not.toContain(token.token);
	expect(await allOf('listAudit', { limit: 5, action: 'Version.Published', actor: 'nobody' })).toEqual([]);
});
