import { parseArgs } from 'node:util';
import { groups } from './groups.js';
import { idle } from './idle.js';
import { figuresTable, machineText, type Report, record, revision } from './report.js';
import { rollout } from './rollout.js';
import type { Scenario } from './setting.js';

const scenarios: Readonly<Record<string, { readonly run: Scenario; readonly agents: number }>> = {
	rollout: { run: rollout, agents: 2_000 },
	idle: { run: idle, agents: 10_000 },
	groups: { run: groups, agents: 100_000 },
};

const usage = `usage: npm run bench -- <${Object.keys(scenarios).join('|')}> [--agents <number>] [--json] [--record]
  --json    ends with one line of JSON and no table
  --record  keeps the result under test/load/results
`;

async function main(): Promise<number> {
	const { values, positionals } = parseArgs({
		allowPositionals: true,
		options: { agents: { type: 'string' }, json: { type: 'boolean' }, record: { type: 'boolean' } },
	});
	const [name = ''] = positionals;
	const scenario = Object.hasOwn(scenarios, name) ? scenarios[name] : undefined;
	const agents = Number(values.agents ?? scenario?.agents);
	if (!scenario || !Number.isSafeInteger(agents) || agents < 1) {
		process.stderr.write(usage);
		return 2;
	}
	const say = (line: string) => process.stderr.write(`${line}\n`);
	const figures = await scenario.run({ agents, say });
	const report: Report = { scenario: name, figures, machine: machineText(), commit: revision() };
	if (values.record) say(`recorded in ${record(report, agents)}`);
	process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : figuresTable(report, agents));
	return 0;
}

try {
	process.exitCode = await main();
} catch (error) {
	process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
	process.exitCode = 1;
}
