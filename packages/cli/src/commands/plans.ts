import type { PlannedAgent } from '@ampora/api-contract';
import type { Command } from 'commander';
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
		.description('the agents of a plan, in the order in which they would be pushed')
		.argument('<plan>')
		.option('--step <n>', 'of this step', wholeNumber)
		.option('--csv', 'as comma-separated values')
		.option('--limit <n>', 'at most so many', wholeNumber, 1_000_000)
		.action(
			inSession(
				io,
				async (session, plan: string, { step, csv, limit }: { step?: number; csv?: true; limit: number }) => {
					const of = step === undefined ? {} : { step };
					const items = await collectPages(limit, (page) =>
						session.call('listPlanAgents', { params: { plan }, query: { ...of, ...page } }),
					);
					session.print(items, csv === true ? agentsCsv : agentsTable);
				},
			),
		);
}

const agentsTable = (agents: readonly PlannedAgent[]): string =>
	table(agents, [
		{ title: 'PLACE', value: ({ place }) => place, align: 'right' },
		{ title: 'STEP', value: ({ step }) => step, align: 'right' },
		{ title: 'HOST', value: ({ hostname }) => hostname },
		{ title: 'AGENT', value: ({ id }) => id },
		{ title: 'SESSION', value: ({ deferred }) => (deferred ? 'away' : 'connected') },
	]);

const cell = (value: string | number | boolean | null): string => {
	const text = value === null ? '' : String(value);
	return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

function agentsCsv(agents: readonly PlannedAgent[]): string {
	const rows = agents.map(({ place, step, id, instanceUid, hostname, deferred }) =>
		[place, step, id, instanceUid, hostname, deferred].map(cell).join(),
	);
	return ['place,step,agent,instance_uid,hostname,deferred', ...rows, ''].join('\n');
}
