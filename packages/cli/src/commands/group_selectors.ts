import type { AnswerOf } from '@ampora/api-contract';
import { type Command, InvalidArgumentError } from 'commander';
import type { Io } from '../io.js';
import { table } from '../output/table.js';
import { collectPages, wholeNumber } from '../paging.js';
import { inSession } from '../session.js';

export interface SelectorOptions {
	readonly selector?: string;
	readonly priority?: number;
}

/** `--selector` and `--priority`. */
export const withSelector = (command: Command, note = ''): Command =>
	command
		.option(
			'--selector <expression>',
			`CEL over agent.attributes, agent.type, agent.version, agent.capabilities, agent.components${note}`,
		)
		.option('--priority <n>', 'of several dynamic groups that match, the highest wins', integer);

function integer(text: string): number {
	if (!/^-?\d{1,7}$/.test(text)) throw new InvalidArgumentError('write a whole number.');
	return Number(text);
}

type Preview = AnswerOf<'previewGroup'>;

type Counts = NonNullable<Preview['counts']>;

const errorText = ({ errorExample, errorFix }: Counts): string =>
	errorExample === null ? '' : `  for example: ${errorExample}\n    ${errorFix ?? ''}\n`;

const moreText = (left: number): string => (left > 0 ? `… ${left} more, raise --limit\n` : '');

export const previewText = ({ counts, items }: Preview): string =>
	[
		counts === null
			? ''
			: `of ${counts.agents} agents ${counts.comes} would come and ${counts.goes} would go${counts.passes === 0 ? '' : `, ${counts.passes} between other groups`}; the selector errors for ${counts.errors}\n${errorText(counts)}`,
		items.length === 0
			? ''
			: table(items, [
					{ title: 'CHANGE', value: ({ change }) => change },
					{ title: 'AGENT', value: ({ agent }) => agent },
					{ title: 'HOSTNAME', value: ({ hostname }) => hostname },
					{ title: 'FROM', value: ({ from }) => from },
					{ title: 'TO', value: ({ to }) => to },
					{ title: 'RUNS', value: ({ runs }) => runs },
					{ title: 'WOULD RUN', value: ({ wouldRun }) => wouldRun },
				]),
		counts === null ? '' : moreText(counts.comes + counts.goes + counts.passes - items.length),
	].join('');

export function addPreview(groups: Command, io: Io): void {
	const command = groups
		.command('preview')
		.description('who would come to a group and who would go; nothing changes')
		.argument('[group]', 'the group that would change; a new one when absent')
		.option('--limit <n>', 'name at most so many agents', wholeNumber, 100);
	withSelector(command).action(
		inSession(
			io,
			async (
				session,
				group: string | undefined,
				{ selector, priority, limit }: SelectorOptions & { limit: number },
			) => {
				let counts: Preview['counts'] = null;
				const items = await collectPages(limit, async (page) => {
					const answer = await session.call('previewGroup', { body: { group, selector, priority, ...page } });
					counts ??= answer.counts;
					return answer;
				});
				session.print({ counts, items, nextCursor: null }, previewText);
			},
		),
	);
}
