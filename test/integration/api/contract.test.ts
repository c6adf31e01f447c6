import { errorCatalogue, openApiPath, type Role, type Route, routes } from '@ampora/api-contract';
import { newId } from '@ampora/runtime';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ApiStage, apiStage, goodYaml, type Loose } from './stage.js';

let stage: ApiStage;
const tokens = {} as Record<Role, string>;
beforeAll(async () => {
	stage = await apiStage({ bodyBytesMax: 200_000 });
	for (const role of ['Viewer', 'Operator', 'Admin'] as const) tokens[role] = await stage.token(role);
});
afterAll(() => stage[Symbol.asyncDispose]());

const operations = Object.entries(routes) as [keyof typeof routes, Route][];
const ranks: readonly Role[] = ['Viewer', 'Operator', 'Admin'];
const anyParams = {
	configuration: 'none',
	number: 1,
	group: 'none',
	agent: newId(),
	rollout: newId(),
	command: newId(),
	token: newId(),
};

describe('the OpenAPI document', () => {
	let document: Loose;
	beforeAll(async () => {
		const response = await stage.api.server.inject({ method: 'GET', url: openApiPath });
		expect(response.statusCode).toBe(200);
		document = response.json();
	});

	test('lists exactly the routes of the contract', () => {
		const listed = Object.entries<Loose>(document.paths).flatMap(([path, methods]) =>
			Object.entries<Loose>(methods).map(
				([method, { operationId }]) => `${operationId} ${method.toUpperCase()} ${path}`,
			),
		);
		const wanted = operations.map(([id, { method, path }]) => `${id} ${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`);
		expect(listed.toSorted()).toEqual(wanted.toSorted());
	});

	test('says for each what it takes, what it answers, and what to do about every error', () => {
		expect(document.openapi).toBe('3.1.0');
		for (const [id, { method, path, body, answers, summary }] of operations) {
			const shown = document.paths[path.replaceAll(/:(\w+)/g, '{$1}')][method.toLowerCase()];
			expect(shown.summary, id).toBe(summary);
			expect(shown.requestBody !== undefined, `${id} body`).toBe(body !== null);
			expect(Object.keys(shown.responses), id).toEqual(expect.arrayContaining(Object.keys(answers)));
			for (const status of ['400', '401', '403', '500', '503']) {
				expect(shown.responses[status].content['application/json'].schema.$ref, `${id} ${status}`).toMatch(/Error/);
			}
		}
		expect(document.components.schemas.Rollout.properties.headline).toBeDefined();
	});
});

describe('who may do what', () => {
	test.each(operations)('%s', async (operation, { role, body }) => {
		const call = (token: string | null) =>
			stage.call(operation, { params: anyParams, token, ...(body !== null && { body: { surely: 'wrong' } }) });
		expect(await call(null)).toMatchObject({ status: 401, body: { code: 'unauthenticated' } });
		expect(await call('ampora_api_guessed')).toMatchObject({
			status: 401,
			headers: { 'www-authenticate': expect.stringContaining('Bearer') },
		});
		for (const given of ranks) {
			const { status, body: answer } = await call(tokens[given]);
			if (ranks.indexOf(given) < ranks.indexOf(role)) {
				expect(answer).toMatchObject({ code: 'forbidden', details: { needed: role, role: given } });
				expect(answer.message).toContain(`needs the role ${role}`);
			} else {
				// Whatever is wrong with the request, it is not the role.
				expect([401, 403, 500], `${operation} as ${given}`).not.toContain(status);
			}
		}
	});

	test('a revoked token is refused at once', async () => {
		const made = await stage.must('createApiToken', { body: { name: 'short-lived', role: 'Viewer' } });
		expect(await stage.must('getIdentity', { token: made.token })).toEqual({
			actor: 'token:short-lived',
			role: 'Viewer',
		});
		await stage.must('revokeApiToken', { params: { token: made.id } });
		const { status, body } = await stage.call('getIdentity', { token: made.token });
		expect({ status, body }).toMatchObject({
			status: 401,
			body: { message: 'this API token is unknown or was revoked' },
		});
		const listed = await stage.must('listApiTokens');
		expect(JSON.stringify(listed)).not.toContain(made.token);
	});
});

describe('what is wrong with a request is said so that it can be put right', () => {
	const send = async (
		method: 'GET' | 'POST' | 'DELETE',
		url: string,
		options: { payload?: string; type?: string } = {},
	) => {
		const { payload, type = 'application/json' } = options;
		const headers = { authorization: `Bearer ${stage.admin}`, ...(payload !== undefined && { 'content-type': type }) };
		const response = await stage.api.server.inject({ method, url, headers, ...(payload !== undefined && { payload }) });
		return { status: response.statusCode, body: response.json(), headers: response.headers };
	};

	test.each([
		['no JSON', '{"name": ', 400, 'invalid-argument', /no JSON/],
		['a body too large', JSON.stringify({ name: 'x'.repeat(300_000) }), 413, 'payload-too-large', /larger/],
		['an unknown key', '{"name": "a", "nmae": "b"}', 400, 'invalid-argument', /^nmae: there is no such field$/],
		['a missing key', '{}', 400, 'invalid-argument', /^name: is missing$/],
		['a bad name', '{"name": "über uns"}', 400, 'invalid-argument', /letters, digits/],
		['an empty body', '', 400, 'invalid-argument', /name|empty/],
	] as const)('%s', async (_, payload, status, code, message) => {
		const answer = await send('POST', '/api/v1/groups', { payload });
		expect(answer).toMatchObject({ status, body: { code, action: expect.any(String), details: expect.any(Object) } });
		expect(answer.body.message).toMatch(message);
	});

	test('another content type', async () => {
		const answer = await send('POST', '/api/v1/groups', {
			payload: 'name=a',
			type: 'application/x-www-form-urlencoded',
		});
		expect(answer).toMatchObject({ status: 415, body: { code: 'unsupported-media-type' } });
	});

	test('an unknown address, and a known one with another method', async () => {
		expect(await send('GET', '/api/v1/nothing')).toMatchObject({ status: 404, body: { code: 'not-found' } });
		const wrong = await send('DELETE', '/api/v1/agents');
		expect(wrong).toMatchObject({ status: 405, body: { code: 'method-not-allowed' }, headers: { allow: 'GET' } });
		expect(wrong.body.action).toBe(errorCatalogue['method-not-allowed'].action);
		expect(await send('GET', '/%')).toMatchObject({ status: 400, body: { code: 'invalid-argument' } });
	});

	test('a cursor that is not ours', async () => {
		for (const cursor of ['nonsense', Buffer.from('["x; drop table agent","y"]').toString('base64url')]) {
			const { status, body } = await stage.call('listAgents', { query: { cursor, sort: 'last-seen' } });
			expect({ status, body }).toMatchObject({ status: 400, body: { message: 'this cursor is not one of ours' } });
		}
	});
});

describe('a rollout that cannot be run is refused where it is asked for', () => {
	beforeAll(async () => {
		await stage.must('createGroup', { body: { name: 'shops' } });
		await stage.must('createConfiguration', { body: { name: 'edge' } });
		await stage.must('createVersion', { params: { configuration: 'edge' }, body: { yaml: goodYaml } });
	});
	const base = { group: 'shops', config: goodYaml };
	const canary = (...steps: object[]): object => ({ ...base, strategy: { kind: 'canary', steps } });

	test.each<[string, object, number, string, RegExp]>([
		[
			'a last percentage that is not 100',
			{ ...base, strategy: { kind: 'percentage', percentages: [5, 50] } },
			400,
			'invalid-argument',
			/strategy\.percentages\[1\]: the last step reaches 50 %, not 100 %/,
		],
		[
			'a canary that ends early',
			canary({ size: '5 %' }, { size: 10 }),
			400,
			'invalid-argument',
			/10 agents, not 100 %/,
		],
		[
			'steps that shrink',
			canary({ size: '50 %' }, { size: '20%' }, { size: '100 %' }),
			400,
			'invalid-argument',
			/20 is not above .* 50/,
		],
		[
			'a threshold above 100',
			{ ...base, gates: { 'unhealthy-ratio': { threshold: '130 %' } } },
			400,
			'invalid-argument',
			/gates\.unhealthy-ratio\.threshold: 130 % is above 100 %/,
		],
		[
			'a threshold that cannot be read',
			{ ...base, gates: { 'unhealthy-ratio': { threshold: 'a tenth' } } },
			400,
			'invalid-argument',
			/"a tenth" is no percentage; write a whole number/,
		],
		[
			'an unknown gate',
			{ ...base, gates: { 'sad-ratio': { threshold: 1 } } },
			400,
			'invalid-argument',
			/sad-ratio|gates/,
		],
		[
			'a dwell that cannot be read',
			canary({ size: '100 %', dwell: '5 minutes' }),
			400,
			'invalid-argument',
			/write it like 90s, 5m/,
		],
		[
			'a step size that cannot be read',
			canary({ size: 'half' }),
			400,
			'invalid-argument',
			/strategy\.steps\[0\]\.size: "half"/,
		],
		['no version and no config', { group: 'shops' }, 400, 'invalid-argument', /either "version" .* or "config"/],
		['both', { ...base, version: 'edge@1' }, 400, 'invalid-argument', /not both/],
		[
			'an unknown strategy',
			{ ...base, strategy: { kind: 'yolo' } },
			400,
			'invalid-argument',
			/canary, canary-fast, percentage or batch/,
		],
		['an unknown group', { ...base, group: 'nowhere' }, 404, 'not-found', /there is no group "nowhere"/],
		['the built-in group', { ...base, group: 'ungrouped' }, 409, 'group-not-a-target', /built-in group "ungrouped"/],
		['an unknown version', { group: 'shops', version: 'edge@9' }, 404, 'not-found', /there is no version "edge@9"/],
		[
			'something that is no version',
			{ group: 'shops', version: 'edge' },
			400,
			'invalid-argument',
			/"edge" names no version/,
		],
		[
			'an unpublished version',
			{ group: 'shops', version: 'edge@1' },
			409,
			'version-not-published',
			/edge@1 is Draft, not Published/,
		],
		['YAML that does not parse', { ...base, config: 'receivers:\n  - [' }, 422, 'config-invalid', /line 2, column \d+/],
		['an empty config', { ...base, config: '# nothing\n' }, 422, 'config-invalid', /no settings|empty/],
		['a way back that is a draft', { ...base, rollbackTo: 'edge@1' }, 409, 'version-not-published', /rollbackTo/],
	])('%s', async (_, body, status, code, message) => {
		const answer = await stage.call('createRollout', { body });
		expect(answer).toMatchObject({ status, body: { code } });
		expect(answer.body.message).toMatch(message);
		expect(answer.body.action.length).toBeGreaterThan(10);
		expect((await stage.must('listRollouts', { query: { group: 'shops' } })).items).toEqual([]);
	});
});

test('a command nobody decides in time is accepted as pending, and can be asked for later', async () => {
	await stage.must('createGroup', { body: { name: 'waiting' } });
	const made = await stage.must('createRollout', {
		body: { group: 'waiting', config: goodYaml, start: 'manual' },
	});
	const { status, body } = await stage.call('startRollout', { params: { rollout: made.id }, token: tokens.Operator });
	expect({ status, body }).toMatchObject({
		status: 202,
		body: { decided: false, command: { kind: 'start', state: 'open' } },
	});
	expect(body.links.command).toBe(`/api/v1/rollouts/${made.id}/commands/${body.command.id}`);
	const later = await stage.must('getRolloutCommand', { params: { rollout: made.id, command: body.command.id } });
	expect(later).toMatchObject({ state: 'open', decidedAt: null });
});

test('two rollouts at once on one group: one is made, the other is told which', async () => {
	await stage.must('createGroup', { body: { name: 'busy' } });
	const config = goodYaml;
	await stage.must('createConfiguration', { body: { name: 'busy' } });
	await stage.must('createVersion', { params: { configuration: 'busy' }, body: { yaml: config } });
	await stage.must('publishVersion', { params: { configuration: 'busy', number: 1 } });
	const body = { group: 'busy', version: 'busy@1', start: 'manual' };
	const answers = await Promise.all([1, 2, 3, 4].map(() => stage.call('createRollout', { body })));
	const made = answers.filter(({ status }) => status === 202);
	expect(made).toHaveLength(1);
	for (const { status, body: error } of answers.filter((answer) => !made.includes(answer))) {
		expect({ status, error }).toMatchObject({
			status: 409,
			error: { code: 'rollout-active', details: { rollout: made[0]?.body.id, group: 'busy' } },
		});
	}
});

test('a database that is away is said, with the advice to try again', async () => {
	const away = await apiStage();
	await away.database.close();
	const answer = await away.call('listAgents');
	expect(answer).toMatchObject({ status: 503, body: { code: 'unavailable' } });
	await away[Symbol.asyncDispose]();
});
