import { type PlanAgentsAbout, type PlannedAgent, planAgentsAbout } from '@ampora/api-contract';
import { type Command, Option } from 'commander';
import { CommandFailed, exitCodes } from '../exit_codes.js';
import type { Io } from '../io.js';
import { planText } from '../output/plan_text.js';
import { table } from '../output/table.js';
import { collectPages, wholeNumber } from '../paging.js';
import { inSession } from '../session.js';
import { addSpecOptions, type CreateOptions, specRequest } from './rollout_options.js';

const isId = /^[0-9a-f]{8}-[0-9a-f-]{27}$/i;

/** `rollouts plan` makes one, or shows one that was made; `rollouts plan-agents` says who would be pushed when. */
export function addPlans(rollouts: Command, io: Io): void {
	addSpecOptions(
		rollouts
			.command('plan')
			.description('what a rollout would do, and its risks; or show a plan that was made')
			.argument('<group>', 'a group, or the id of a plan')
			.argument('[version]', 'configuration@number'),
	).action(
		inSession(io, async (session, group: string, version: string | undefined, options: CreateOptions) => {
			if (version === undefined && isId.test(group)) {
				return session.print(await session.call('getRolloutPlan', { params: { plan: group } }), planText);
			}
			if (version === undefined) throw new CommandFailed(exitCodes.usage, 'name a version (like edge@3)');
			session.print(await session.call('planRollout', { body: { group, version, ...specRequest(options) } }), planText);
		}),
	);
	rollouts
		.command('plan-agents')
		.description('the agents of a plan, in the order in which they would be pushed, then those left out and why')
		.argument('<plan>')
		.option('--step <n>', 'of this step', wholeNumber)
		.addOption(new Option('--about <which>', 'only those of whom this is so').choices(planAgentsAbout))
		.option('--csv', 'as comma-separated values')
		.option('--limit <n>', 'at most so many', wholeNumber, 1_000_000)
		.action(
			inSession(io, async (session, plan: string, { step, about, csv, limit }: AgentsOptions) => {
				const of = { ...(step !== undefined && { step }), ...(about !== undefined && { about }) };
				const items = await collectPages(limit, (page) =>
					session.call('listPlanAgents', { params: { plan }, query: { ...of, ...page } }),
				);
				session.print(items, csv === true ? agentsCsv : agentsTable);
			}),
		);
}

interface AgentsOptions {
	readonly step?: number;
	readonly about?: PlanAgentsAbout;
	readonly csv?: true;
	readonly limit: number;
}

function notesText({ excluded, sickBefore, noWayBack, fit, lacks }: PlannedAgent): string {
	const notes = [
		...(excluded === null ? [] : [`left out: ${excluded}`]),
		...(fit === 'lacks' ? [`lacks ${lacks.join(' ')}`] : fit === 'unknown' ? ['components unknown'] : []),
		...(sickBefore ? ['sick before'] : []),
		...(noWayBack ? ['no way back'] : []),
	];
	return notes.join(', ');
}

const agentsTable = (agents: readonly PlannedAgent[]): string =>
	table(agents, [
		{ title: 'PLACE', value: ({ place }) => place, align: 'right' },
		{ title: 'STEP', value: ({ step }) => step, align: 'right' },
		{ title: 'HOST', value: ({ hostname }) => hostname },
		{ title: 'AGENT', value: ({ id }) => id },
		{
			title: 'SESSION',
			value: ({ excluded, deferred }) => (excluded !== null ? null : deferred ? 'away' : 'connected'),
		},
		{ title: 'NOTES', value: notesText },
	]);

const cell = (value: string | number | boolean | null): string => {
	const text = value === null ? '' : String(value);
	return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

const csvColumns: readonly [string, (agent: PlannedAgent) => string | number | boolean | null][] = [
	['place', ({ place }) => place],
	['step', ({ step }) => step],
	['agent', ({ id }) => id],
	['instance_uid', ({ instanceUid }) => instanceUid],
	['hostname', ({ hostname }) => hostname],
	['deferred', ({ deferred }) => deferred],
	['excluded', ({ excluded }) => excluded],
	['sick_before', ({ sickBefore }) => sickBefore],
	['fit', ({ fit }) => fit],
	['lacks', ({ lacks }) => lacks.join(' ')],
	['no_way_back', ({ noWayBack }) => noWayBack],
];

function agentsCsv(agents: readonly PlannedAgent[]): string {
	const rows = agents.map((agent) => csvColumns.map(([, value]) => cell(value(agent))).join());
	return [csvColumns.map(([title]) => title).join(), ...rows, ''].join('\n');
}
