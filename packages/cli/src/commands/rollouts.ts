import type {
	AnswerOf,
	CommandAnswer,
	OperationId,
	QueryOf,
	RolloutSummary,
	RolloutTargetAnswer,
} from '@ampora/api-contract';
import type { Command } from 'commander';
import { CommandFailed, exitCodes } from '../exit_codes.js';
import type { Io } from '../io.js';
import { rolloutText, stateText, stepText, tookNobodyBack, updatedText } from '../output/rollout_text.js';
import { facts, table, when } from '../output/table.js';
import { collectPages, wholeNumber } from '../paging.js';
import { inSession, type Session } from '../session.js';
import { badEnds, watchRollout } from '../watch.js';
import { readConfigFiles } from './configs.js';
import { addPlans } from './plans.js';
import {
	addCreateOptions,
	type CreateOptions,
	gateOption,
	type MetricGateEdits,
	mergedGates,
	mergedMetricEdits,
	metricEditOption,
	rolloutRequest,
	sampleOption,
} from './rollout_options.js';

export function addRollouts(program: Command, io: Io): void {
	const rollouts = program.command('rollouts').description('rollouts and what can be done to them');
	addCreateOptions(
		rollouts
			.command('create')
			.description('roll a version out to a group')
			.argument('<group>')
			.argument('[version]', 'configuration@number; or give --file'),
	).action(inSession(io, create));
	addPlans(rollouts, io);
	addLists(rollouts, io);
	rollouts
		.command('get')
		.description('everything about one rollout')
		.argument('<rollout>')
		.action(
			inSession(io, async (session, rollout: string) => {
				session.print(await session.call('getRollout', { params: { rollout } }), rolloutText);
			}),
		);
	rollouts
		.command('watch')
		.description('follow a rollout until it ends, or until it is paused by a gate')
		.argument('<rollout>')
		.action(inSession(io, watchRollout));
	addControls(rollouts, io);
}

async function create(
	session: Session,
	group: string,
	version: string | undefined,
	options: CreateOptions,
): Promise<void> {
	const { file = [], key, watch } = options;
	if ((version === undefined) === (file.length === 0)) {
		throw new CommandFailed(exitCodes.usage, 'name a version (like edge@3) or give --file, one of the two');
	}
	const source = version === undefined ? { config: await readConfigFiles(session.io, file) } : { version };
	const body = rolloutRequest(group, source, options);
	const made = await session.call('createRollout', { body, ...(key !== undefined && { idempotencyKey: key }) });
	if (watch === true) return watchRollout(session, made.id);
	session.print(
		made,
		({ id, state, version: ref }) =>
			`${id}\n${ref} → ${made.group}: ${state}.${hasEnded(state) ? '' : ` Follow it: ampora rollouts watch ${id}`}\n`,
	);
	// It may have ended at once, as one of an empty group does.
	if (!badEnds.includes(made.state)) return;
	const { headline } = await session.call('getRollout', { params: { rollout: made.id } });
	throw new CommandFailed(exitCodes.rolloutBad, headline);
}

const hasEnded = (state: string): boolean => state === 'Completed' || badEnds.includes(state);

function addLists(rollouts: Command, io: Io): void {
	rollouts
		.command('list')
		.description('list rollouts, newest first')
		.option('--group <group>', 'of this group')
		.option('--state <state>', 'in this state')
		.option('--active', 'only those that have not ended')
		.option('--limit <n>', 'at most so many', wholeNumber, 50)
		.action(
			inSession(io, async (session, options: { group?: string; state?: string; active?: boolean; limit: number }) => {
				const { group, state, active, limit } = options;
				const query = { group, state, active: active === true ? 'true' : undefined } as QueryOf<'listRollouts'>;
				const items = await collectPages(limit, (page) =>
					session.call('listRollouts', { query: { ...query, ...page } }),
				);
				session.print(items, rolloutTable);
			}),
		);
	rollouts
		.command('targets')
		.description('the agents of a rollout, in their order')
		.argument('<rollout>')
		.option('--state <state>', 'in this state, such as Failed')
		.option('--step <n>', 'of this step', wholeNumber)
		.option('--limit <n>', 'at most so many', wholeNumber, 1000)
		.action(
			inSession(
				io,
				async (session, rollout: string, { state, step, limit }: { state?: string; step?: number; limit: number }) => {
					const query = { state, step } as QueryOf<'listRolloutTargets'>;
					const items = await collectPages(limit, (page) =>
						session.call('listRolloutTargets', { params: { rollout }, query: { ...query, ...page } }),
					);
					session.print(items, targetTable);
				},
			),
		);
	rollouts
		.command('events')
		.description('what happened in a rollout')
		.argument('<rollout>')
		.action(inSession(io, events));
	rollouts
		.command('command')
		.description('whether a command was decided, and how')
		.argument('<rollout>')
		.argument('<command>', 'its id, as the audit and --json show it')
		.action(
			inSession(io, async (session, rollout: string, id: string) => {
				const params = { rollout, command: id };
				session.print(await session.call('getRolloutCommand', { params }), commandText);
			}),
		);
}

const commandText = ({ id, kind, actor, state, message, createdAt, decidedAt }: CommandAnswer): string =>
	facts([
		['id', id],
		['command', kind],
		['state', state],
		...(message === null ? [] : [['message', message] as const]),
		['by', actor],
		['asked', when(createdAt)],
		['decided', when(decidedAt)],
	]);

async function events(session: Session, rollout: string): Promise<void> {
	const items: AnswerOf<'listRolloutEvents'>['items'] = [];
	for (let after = 0; ; ) {
		const page = await session.call('listRolloutEvents', { params: { rollout }, query: { after, limit: 500 } });
		items.push(...page.items);
		if (page.nextCursor === null) break;
		after = Number(page.nextCursor);
	}
	session.print(items, (rows) => rows.map(({ at, text }) => `${when(at)}  ${text}\n`).join(''));
}

type CommandOperation =
	| Extract<OperationId, 'startRollout' | 'cancelRollout' | 'pauseRollout' | 'resumeRollout'>
	| Others;
type Others = Extract<
	OperationId,
	| 'advanceRollout'
	| 'extendRollout'
	| 'abortRollout'
	| 'retryRollout'
	| 'excludeRolloutAgents'
	| 'editRolloutGates'
	| 'rollbackRollout'
>;

const nobodyBack = 'nobody is back: they still run the version; rollouts targets says why of each';

interface GateOptions extends Pick<CreateOptions, 'gate' | 'minSample'> {
	readonly metricGate?: MetricGateEdits;
	readonly failureLimit?: MetricGateEdits;
	readonly inconclusiveLimit?: MetricGateEdits;
	readonly errorLimit?: MetricGateEdits;
}

/** What is left out stays as it is. */
function gateEdits({ gate, minSample, metricGate, ...limits }: GateOptions) {
	const { failureLimit, inconclusiveLimit, errorLimit } = limits;
	return {
		gates: mergedGates(gate, minSample),
		metricGates: mergedMetricEdits(metricGate, failureLimit, inconclusiveLimit, errorLimit),
	};
}

interface ControlOptions {
	readonly reason?: string;
	readonly key?: string;
	readonly force?: boolean;
	readonly replan?: boolean;
	readonly lift?: string[];
}

async function command(
	session: Session,
	operation: CommandOperation,
	{ rollout, body, key }: { rollout: string; body: object; key: string | undefined },
): Promise<void> {
	// Bodies differ by command; each is checked by its schema on the server.
	const input = { params: { rollout }, body: body as never, ...(key !== undefined && { idempotencyKey: key }) };
	const done = await session.call(operation, input);
	session.print(done, (answer) => {
		if (!answer.decided) return `Not decided yet; it will be. Look again: ampora rollouts get ${rollout}\n`;
		const { id, headline } = answer.rollout;
		return answer.created ? `New rollout ${id}\n${headline}\n` : `${headline}\n`;
	});
	if (done.decided && tookNobodyBack(done.rollout)) throw new CommandFailed(exitCodes.rolloutBad, nobodyBack);
}

function addControls(rollouts: Command, io: Io): void {
	const control = (name: string, description: string): Command =>
		rollouts
			.command(name)
			.description(description)
			.argument('<rollout>')
			.option('--reason <text>', 'for the audit')
			.option('--key <text>', 'idempotency key: the same again changes nothing');
	const plain = [
		['cancel', 'cancelRollout', 'cancel a rollout that has not started'],
		['pause', 'pauseRollout', 'hand out the version to nobody else for now'],
		['abort', 'abortRollout', 'stop for good; agents stay as they are'],
		['rollback', 'rollbackRollout', 'take every touched agent back'],
	] as const;
	for (const [name, operation, description] of plain) {
		control(name, description).action(
			inSession(io, (session, rollout: string, { reason, key }: ControlOptions) =>
				command(session, operation, { rollout, body: { reason }, key }),
			),
		);
	}
	control('start', 'start a rollout created with --manual')
		.option('--replan', 'although what was planned does not hold any more')
		.action(
			inSession(io, (session, rollout: string, { key, replan }: ControlOptions) =>
				command(session, 'startRollout', { rollout, body: { replan }, key }),
			),
		);
	control('resume', 'go on in the same step')
		.option('--lift <reasons...>', 'only these pause reasons')
		.action(
			inSession(io, (session, rollout: string, { reason, key, lift: reasons }: ControlOptions) =>
				command(session, 'resumeRollout', { rollout, body: { reason, reasons }, key }),
			),
		);
	control('advance', 'end the dwell now')
		.option('--force', 'although gates lack evidence; needs --reason')
		.action(
			inSession(io, (session, rollout: string, { reason, key, force }: ControlOptions) =>
				command(session, 'advanceRollout', { rollout, body: { reason, force }, key }),
			),
		);
	control('extend', 'lengthen the dwell of the current step')
		.argument('<by>', 'how much, like 10m')
		.action(
			inSession(io, (session, rollout: string, by: string, { reason, key }: ControlOptions) =>
				command(session, 'extendRollout', { rollout, body: { by, reason }, key }),
			),
		);
	control('retry', 'offer the version again to agents that failed')
		.argument('[agents...]', 'only to these')
		.action(
			inSession(io, (session, rollout: string, agents: string[], { reason, key }: ControlOptions) =>
				command(session, 'retryRollout', { rollout, body: { reason, ...(agents.length > 0 && { agents }) }, key }),
			),
		);
	control('gates', 'make gates tighter, or while paused looser')
		.option('--gate <gate=threshold>', 'like unhealthy-ratio=5%; repeat for several', gateOption)
		.option('--min-sample <gate=agents>', 'advisory in smaller steps, like unhealthy-ratio=20; repeat', sampleOption)
		.option('--metric-gate <gate=value>', 'of a metric gate, like points=0.8; repeat', metricEditOption('value'))
		.option('--failure-limit <gate=n>', 'of a metric gate, like points=2; repeat', metricEditOption('failureLimit'))
		.option('--inconclusive-limit <gate=n>', 'likewise, in a row', metricEditOption('inconclusiveLimit'))
		.option('--error-limit <gate=n>', 'likewise, in a row', metricEditOption('errorLimit'))
		.action(
			inSession(io, (session, rollout: string, { reason, key, ...edits }: ControlOptions & GateOptions) =>
				command(session, 'editRolloutGates', { rollout, body: { ...gateEdits(edits), reason }, key }),
			),
		);
	control('exclude', 'leave agents out')
		.argument('<agents...>', 'ids or instance uids')
		.action(
			inSession(io, (session, rollout: string, agents: string[], { reason, key }: ControlOptions) =>
				command(session, 'excludeRolloutAgents', { rollout, body: { agents, reason }, key }),
			),
		);
}

const rolloutTable = (rows: readonly RolloutSummary[]): string =>
	table(rows, [
		{ title: 'ID', value: ({ id }) => id },
		{ title: 'GROUP', value: ({ group }) => group.name },
		{ title: 'VERSION', value: ({ version }) => version.ref },
		{ title: 'STATE', value: stateText },
		{ title: 'STEP', value: stepText },
		{ title: 'UPDATED', value: updatedText, align: 'right' },
		{ title: 'CREATED', value: ({ createdAt }) => when(createdAt) },
		{ title: 'BY', value: ({ createdBy }) => createdBy },
	]);

const targetTable = (rows: readonly RolloutTargetAnswer[]): string =>
	table(rows, [
		{ title: 'AGENT', value: ({ agent }) => agent },
		{ title: 'HOSTNAME', value: ({ hostname }) => hostname },
		{ title: 'RANK', value: ({ rank }) => rank, align: 'right' },
		{ title: 'STEP', value: ({ step }) => step, align: 'right' },
		{ title: 'STATE', value: ({ state, reason }) => (reason === null ? state : `${state} (${reason})`) },
		{ title: 'BACK', value: ({ back }) => back },
		{ title: 'ERROR', value: ({ error }) => error?.split('\n')[0] },
	]);
