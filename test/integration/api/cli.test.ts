import { exitCodes, type Io, runCli } from '@ampora/cli';
import { createMemoryMetrics } from '@ampora/control/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decidingFleet, type Fleet } from './deciding.js';
import { type ApiStage, apiStage, goodYaml, namedYaml } from './stage.js';

let stage: ApiStage;
let fleet: Fleet;
let server: string;
beforeAll(async () => {
	const metrics = createMemoryMetrics();
	metrics.answer(() => 1);
	stage = await apiStage({ decisionWaitMs: 10_000, metrics });
	fleet = await decidingFleet(stage);
	({ url: server } = await stage.api.listen());
});
afterAll(async () => {
	await fleet[Symbol.asyncDispose]();
	await stage[Symbol.asyncDispose]();
});

interface Run {
	readonly code: number;
	readonly out: string;
	readonly err: string;
}

const files: Record<string, string> = {
	'good.yaml': goodYaml,
	'better.yaml': namedYaml('better'),
	'bad.yaml': 'receivers:\n  nop: ]\n',
};

/** One command line, as a shell would run it. */
async function ampora(
	line: string,
	{ env = {}, tty = false }: { env?: Record<string, string>; tty?: boolean } = {},
): Promise<Run> {
	const text = { out: '', err: '' };
	const sink = (to: 'out' | 'err') => ({
		write: (chunk: string) => {
			text[to] += chunk;
		},
		isTTY: tty,
		columns: 100,
	});
	const io: Io = {
		stdout: sink('out'),
		stderr: sink('err'),
		env: { AMPORA_SERVER: server, AMPORA_TOKEN: stage.admin, ...env },
		fetch,
		readFile: async (path) => {
			const body = files[path];
			if (body === undefined) throw new Error(`ENOENT: no such file, open '${path}'`);
			return body;
		},
		signal: new AbortController().signal,
	};
	const code = await runCli(line.split(' '), io);
	return { code, ...text };
}

const quick =
	'--steps canary=50%,100% --bake 0 --gate disconnect-ratio=20%:0 --gate effective-mismatch-ratio=20%:0 --gate unhealthy-ratio=10%:0 --max-in-flight unlimited';

test('a canary from a shell', async () => {
	expect(await ampora('configs create edge')).toMatchObject({ code: 0, out: 'edge created\n' });
	const published = await ampora('configs publish edge --file good.yaml');
	expect(published).toMatchObject({ code: 0, err: '' });
	expect(published.out).toMatch(/^edge@1 is Published \(content [0-9a-f]{12}\)\n$/);
	const again = await ampora('configs publish twice --file good.yaml').then(() =>
		ampora('configs publish twice --file good.yaml'),
	);
	expect(again.out).toMatch(/^good\.yaml:1:1: warning: this means the same .*\ntwice@2 is Published/);
	expect((await ampora('configs show edge@1')).out).toBe(goodYaml);
	expect((await ampora('configs list')).out).toMatch(
		/NAME +VERSIONS +LATEST +PUBLISHED +CREATED\n.*edge +1 +edge@1 \(Published\) +edge@1 /,
	);

	await ampora('groups create shops');
	const agents = await fleet.connect(4);
	const added = await ampora(`groups add shops ${agents.join(' ')}`);
	expect(added).toMatchObject({ code: 0, out: '4 agents added to shops, which has 4\n' });
	expect((await ampora('groups list')).out).toMatch(/shops +4 +4 +-/);

	const watched = await ampora(`rollouts create shops edge@1 ${quick} --accept-no-way-back --watch`);
	expect(watched).toMatchObject({ code: exitCodes.ok, err: '' });
	const lines = watched.out.trimEnd().split('\n');
	expect(lines.at(-1)).toBe('Completed step 2/2: 4 updated, 4 started, of 4');
	expect(watched.out).not.toContain('\u001b');

	const listed = JSON.parse((await ampora('rollouts list --group shops --json')).out);
	expect(listed).toMatchObject([{ state: 'Completed', updated: 4 }]);
	const [{ id }] = listed;
	expect((await ampora(`rollouts get ${id}`)).out).toContain('Completed: 4 of 4 agents run edge@1');
	expect((await ampora(`rollouts get ${id}`)).out).toMatch(/^bake: +0s \(at least the longest window\)$/m);
	expect((await ampora(`rollouts get ${id}`)).out).toContain('  apply-failed-ratio: fires above 20 %');
	const targets = (await ampora(`rollouts targets ${id} --state Applied`)).out.trimEnd().split('\n');
	expect(targets).toHaveLength(5);
	expect((await ampora(`agents get ${agents[0]}`)).out).toMatch(/assigned: +edge@1\nanswer: +applied\n/);
	expect((await ampora(`rollouts events ${id}`)).out).toMatch(/Pending → InProgress/);
});

test('a gate ends the watch with its own exit code, and says what is possible', async () => {
	await ampora('groups create labs');
	const agents = await fleet.connect(4);
	await ampora(`groups add labs ${agents.join(' ')}`);
	expect((await ampora(`rollouts create labs edge@1 ${quick} --accept-no-way-back --watch`)).code).toBe(0);
	fleet.behave(agents, 'fails');
	const watched = await ampora(`rollouts create labs --file better.yaml ${quick} --watch`, { tty: true });
	expect(watched.code).toBe(exitCodes.rolloutBad);
	expect(watched.err).toMatch(/Paused \(gate\)/);
	expect(watched.err).toMatch(/apply-failed-ratio: \d+(\.\d)? % > 20 % \(\d of 2\)/);
	const [, id = ''] = /ampora rollouts rollback\S+ (\S+)/.exec(watched.err) ?? [];
	// In a terminal the picture is drawn over, a bar per step.
	expect(watched.out).toContain('\u001b[J');
	expect(watched.out).toContain('canary');
	expect(watched.out).toContain('unknown exporter "oltp"');

	const refused = await ampora(`rollouts start ${id}`);
	expect(refused).toMatchObject({ code: exitCodes.refused, out: '' });
	expect(refused.err).toBe(
		`ampora: a rollout that is Paused (gate) cannot be asked to start (command-not-allowed)\n  ${refused.err.split('\n  ')[1]}`,
	);
	expect(refused.err).toContain('Possible now: rollback, abort,');
	fleet.behave(agents, 'applies');
	const undone = await ampora(`rollouts rollback ${id} --reason broken`);
	expect(undone).toMatchObject({ code: 0 });
	expect(undone.out).toMatch(/^(Rolling back|Rolled back)/);
});

test('a metric gate that is wrong is edited by its name', async () => {
	await ampora('groups create gauged');
	await ampora(`groups add gauged ${(await fleet.connect(2)).join(' ')}`);
	const gate = '{"name":"points","query":"avg(p*$changed)","compare":"control","op":">=","value":0.9}';
	const created = await ampora(
		`rollouts create gauged edge@1 ${quick} --accept-no-way-back --manual --metric-gate ${gate} --json`,
	);
	expect(created.err).toBe('');
	const { id } = JSON.parse(created.out);
	const edit = (options: string) => ampora(`rollouts gates ${id} ${options}`);
	const looser = await edit('--metric-gate points=0.8 --failure-limit points=2');
	expect(looser.code).toBe(exitCodes.refused);
	expect(looser.err).toContain('Pause it first: ampora rollouts pause ');
	expect(looser.err).toContain(
		'points >= 0.8 is looser than >= 0.9; points with failureLimit 2 is looser than with 0; a gate is made looser only while',
	);
	const unknown = await edit('--error-limit point=1');
	expect(unknown.code).toBe(exitCodes.refused);
	expect(unknown.err).toContain('there is no metric gate point; it has points');
	expect((await edit('--gate unhealthy-ratio=5% --metric-gate points=0.95 --error-limit points=1')).err).toBe('');
	expect((await ampora(`rollouts get ${id}`)).out).toContain('points >= 0.95 × control: not asked yet');
	const events = await ampora(`rollouts events ${id}`);
	expect(events.out).toContain('unhealthy-ratio: 10 % → 5 %; points: value 0.9 → 0.95, errorLimit 4 → 1');
	expect((await ampora('audit list')).out).toContain('Rollout.EditGatesRequested');
	expect(await edit('')).toMatchObject({ code: exitCodes.usage });
	expect((await ampora(`rollouts cancel ${id}`)).code).toBe(0);
});

test('files that cannot be published leave no draft behind', async () => {
	await ampora('configs publish drafty --file good.yaml');
	expect((await ampora('configs publish drafty --file bad.yaml')).err).toMatch(
		/^ampora: this cannot be published\n {2}bad\.yaml:2:\d+: .+\. \w.+\.\n$/,
	);
	expect(JSON.parse((await ampora('configs show drafty --json')).out).items).toHaveLength(1);
});

test('nobody to add is no mistake, nobody to roll out to is one', async () => {
	await ampora('configs publish lonely --file good.yaml');
	await ampora('groups create lonely');
	expect(await ampora('groups add lonely --search no-such-host')).toMatchObject({
		code: 0,
		out: '0 agents added to lonely, which has 0\n',
	});
	const created = await ampora('rollouts create lonely lonely@1');
	expect(created).toMatchObject({ code: exitCodes.rolloutBad, err: 'ampora: Failed: the group has no agents\n' });
});

describe('exit codes', () => {
	test('1: wrong usage', async () => {
		for (const line of [
			'rollouts',
			'nonsense',
			'agents list --limit many',
			'rollouts create shops',
			'configs publish edge',
			'agents list --nope',
			'groups add shops',
			'rollouts create shops edge@1 --dwell 5m',
			'rollouts create shops edge@1 --strategy percentage --steps 100%',
		]) {
			const { code, err } = await ampora(line);
			expect({ line, code }).toEqual({ line, code: exitCodes.usage });
			expect(err.length).toBeGreaterThan(10);
		}
		expect(await ampora('configs validate missing.yaml')).toMatchObject({
			code: 1,
			err: expect.stringMatching(/cannot read missing\.yaml/),
		});
		expect(await ampora('agents list', { env: { AMPORA_SERVER: 'here' } })).toMatchObject({
			code: 1,
			err: expect.stringMatching(/"here" is no address/),
		});
	});

	test('2: refused', async () => {
		const missing = await ampora('groups show nowhere');
		expect(missing).toMatchObject({ code: exitCodes.refused, out: '' });
		expect(missing.err).toBe(
			'ampora: there is no group "nowhere" (not-found)\n  Check the name; ampora groups list shows what exists.\n',
		);
		const nobody = await ampora('agents list', { env: { AMPORA_TOKEN: 'wrong' } });
		expect(nobody).toMatchObject({ code: 2, err: expect.stringMatching(/AMPORA_TOKEN/) });
		const findings = await ampora('configs publish edge --file bad.yaml');
		expect(findings).toMatchObject({ code: 2, err: expect.stringMatching(/\n {2}bad\.yaml:2:\d+: /) });
		expect(await ampora('configs validate bad.yaml')).toMatchObject({
			code: 2,
			out: expect.stringMatching(/^bad\.yaml:2:\d+: error: .*\nIt cannot be published\.\n/),
		});
		expect(await ampora('configs validate good.yaml')).toMatchObject({ code: 0 });
	});

	test('3: nobody there', async () => {
		const { code, err } = await ampora('agents list', { env: { AMPORA_SERVER: 'http://127.0.0.1:9' } });
		expect(code).toBe(exitCodes.unreachable);
		expect(err).toMatch(/^ampora: cannot reach http:\/\/127\.0\.0\.1:9: .+\n {2}Is Ampora running there\?/);
	});

	test('help documents them, and goes to stdout', async () => {
		const { code, out, err } = await ampora('--help');
		expect({ code, err }).toEqual({ code: 0, err: '' });
		expect(out).toMatch(/4 {2}a rollout .*ended badly/);
		expect(await ampora('--version')).toMatchObject({ code: 0, out: '0.1.0\n' });
	});
});

test('tokens are shown once and work', async () => {
	const { out } = await ampora('tokens create ci --role Operator');
	const token = out.trim();
	expect(token).toMatch(/^ampora_api_[\w-]{43}$/);
	expect(await ampora('tokens whoami', { env: { AMPORA_TOKEN: token } })).toMatchObject({
		out: 'token:ci, Operator\n',
	});
	expect(await ampora('tokens list', { env: { AMPORA_TOKEN: token } })).toMatchObject({
		code: 2,
		err: expect.stringMatching(/needs the role Admin/),
	});
	const listed = JSON.parse((await ampora('tokens list --json')).out);
	const { id } = listed.find(({ name }: { name: string }) => name === 'ci');
	expect(await ampora(`tokens revoke ${id}`)).toMatchObject({ code: 0, out: 'ci revoked\n' });
	expect(await ampora('tokens whoami', { env: { AMPORA_TOKEN: token } })).toMatchObject({ code: 2 });
});

test('a refusal is JSON too, where JSON was asked for', async () => {
	const refused = await ampora('groups show nobody --json');
	expect(refused).toMatchObject({ code: exitCodes.refused, out: '' });
	expect(JSON.parse(refused.err)).toMatchObject({
		exitCode: exitCodes.refused,
		code: 'not-found',
		message: 'there is no group "nobody"',
	});
});

test('what is gone is shown on request, and comes back', async () => {
	await ampora('groups create old --selector agent.type=="old"');
	expect(await ampora('groups delete old')).toMatchObject({ code: 0, out: 'old deleted\n' });
	expect((await ampora('groups list')).out).not.toMatch(/^old /m);
	expect((await ampora('groups list --deleted')).out).toMatch(/^old /m);
	expect(await ampora('groups update old --priority 3')).toMatchObject({
		code: exitCodes.refused,
		err: expect.stringContaining('ampora groups restore old'),
	});
	expect((await ampora('groups restore old')).out).toMatch(/selector: +agent\.type=="old"/);

	const set = await ampora('settings set --archive-unseen 14d --archive-goodbye 30m');
	expect(set.out).toMatch(/archived unseen for: +14d\n.*archived after a goodbye: +30m/);
	expect((await ampora('settings set --reset-retention')).out).toMatch(/archived unseen for: +30d/);
	const [agent] = await stage.agents(1, { hostname: 'attic', gateway: null });
	await stage.database.sql.query('update agent set archived_at = now() where id = $1', [agent]);
	expect((await ampora('agents list --search attic')).out).not.toContain(agent);
	expect((await ampora('agents list --archived')).out).toContain(agent);
	expect((await ampora(`agents get ${agent}`)).out).toMatch(/archived: +\d{4}-/);
});

test('what agents are known by is set and taken back', async () => {
	const set = await ampora('settings set --identity service.namespace,host.name');
	expect(set).toMatchObject({ code: 0, err: '' });
	expect(set.out).toMatch(/agents known by: +service\.namespace, host\.name \(agents are being looked at anew\)\n/);
	expect((await ampora('settings set --identity a,a')).err).toContain('name each attribute once');
	expect((await ampora('settings set --reset-identity')).out).toMatch(/agents known by: +instance uid/);
});

test('groups are called by their names, drafts say that they are wrong, and findings stand in their order', async () => {
	await ampora('groups create named');
	const times = '--days mon --from 22:00 --to 06:00 --time-zone UTC';
	expect((await ampora(`windows create nights ${times} --group named`)).out).toMatch(/UTC +named\n/);
	expect((await ampora('windows list')).out).toMatch(/nights .* named\n/);
	await ampora('windows delete nights');
	expect((await ampora('groups restore named')).out).toContain('It was not deleted');

	const draft = await ampora('configs create wrong --file bad.yaml');
	expect(draft).toMatchObject({ code: 0 });
	expect(draft.out).toContain('1 error keeps it from being published; ampora configs validate wrong@1 shows them');
	const both = await ampora('settings set --gate unhealthy-ratio=5% --reset-gate unhealthy-ratio');
	expect(both).toMatchObject({ code: exitCodes.refused });
	expect(both.err).toBe(
		'ampora: --reset-gate: a gate is set or reset, not both (invalid-argument)\n  Correct that and try again; --help says what the command takes.\n',
	);
});

test('of a group without agents nothing is offered', async () => {
	await ampora('groups create nobody');
	const plan = await ampora('rollouts plan nobody edge@1');
	expect(plan).toMatchObject({ code: 0, err: '' });
	expect(plan.out).toContain('Nobody would be pushed: there is nothing to start now.');
	expect(plan.out).not.toMatch(/Start it|No risks/);
	const made = await ampora('rollouts create nobody edge@1');
	expect(made.code).toBe(exitCodes.rolloutBad);
	expect(made.out).toMatch(/nobody: Failed\.\n$/);
	expect(made.err).toBe('ampora: Failed: the group has no agents\n');
});

test('a rollback that could take nobody back is refused with what to do', async () => {
	await ampora('groups create firsts');
	await ampora(`groups add firsts ${(await fleet.connect(2)).join(' ')}`);
	const made = JSON.parse((await ampora(`rollouts create firsts edge@1 ${quick} --accept-no-way-back --json`)).out);
	expect((await ampora(`rollouts watch ${made.id}`)).code).toBe(exitCodes.ok);
	const refused = await ampora(`rollouts rollback ${made.id}`);
	expect(refused.code).toBe(exitCodes.refused);
	expect(refused.err).toMatch(/^ampora: 0 of 2 agents can go back: none has a version it proved before \(/);
});
