import type { Group, GroupFinding } from '@ampora/api-contract';
import { compileSelector } from '@ampora/policy';
import { ok, type Result } from '@ampora/runtime';
import type { GroupRow, OverlapRow, Repositories, SelectorErrorRow } from '@ampora/store';
import { type ControlError, type Outcome, refuse } from './errors.js';
import { findAnyGroup } from './references.js';

/** What to do about an error of a selector, by what it says. */
export function selectorErrorFix(message: string): string {
	if (message.startsWith('field not found'))
		return 'Ask for it before it is read: has(agent.attributes.env) && …, or "service.name" in agent.attributes && ….';
	if (message.endsWith('is no version'))
		return 'Ask for more than the version, such as agent.type, so that agents without such a version match something else.';
	if (/overload|convert|mismatch/.test(message))
		return 'Compare values of one kind: int(…), double(…), string(…) and bool(…) convert what can be converted.';
	if (message.includes('true or false')) return 'Compare it with something: agent.attributes.env == "prod".';
	return 'Change the selector so that it can be decided for such agents too.';
}

/** The selector as it is stored: null for a static group. */
export function usableSelector(text: string): Result<string | null, ControlError> {
	if (text.trim() === '') return ok(null);
	const compiled = compileSelector(text);
	if (compiled.ok) return ok(text);
	const { message, line, column, action } = compiled.error;
	const where = `line ${line}, column ${column}`;
	return refuse('selector-invalid', `${where}: ${message}`, { details: { field: 'selector', line, column }, action });
}

interface Found {
	readonly overlaps: readonly OverlapRow[];
	readonly errors: readonly SelectorErrorRow[];
	/** Dynamic groups by id. */
	readonly groups: ReadonlyMap<string, GroupRow>;
}

const count = (agents: number): string => `${agents} ${agents === 1 ? 'agent' : 'agents'}`;

function overlapFinding(group: GroupRow, other: GroupRow, agents: number): GroupFinding {
	const tie = group.priority === other.priority;
	const older =
		group.createdAt < other.createdAt ||
		(group.createdAt.getTime() === other.createdAt.getTime() && group.id < other.id);
	const wins = tie ? older : group.priority > other.priority;
	const winner = wins ? 'this group' : `"${other.name}"`;
	const why = tie
		? `both have priority ${group.priority}, and ${winner} is older`
		: `${winner} has the higher priority (${Math.max(group.priority, other.priority)} over ${Math.min(group.priority, other.priority)})`;
	return {
		code: tie ? 'selector-tie' : 'selector-overlap',
		message: `${count(agents)} ${agents === 1 ? 'matches' : 'match'} "${other.name}" too: ${winner} has them, since ${why}`,
		agents,
		fix: tie
			? 'Give the groups different priorities, or selectors that exclude each other.'
			: 'Nothing, if that is meant.',
	};
}

function findingsOf(group: GroupRow, { overlaps, errors, groups }: Found): GroupFinding[] {
	if (group.selector === null) return [];
	const findings: GroupFinding[] = [];
	const compiled = compileSelector(group.selector);
	if (!compiled.ok) {
		const { message, action } = compiled.error;
		findings.push({
			code: 'selector-unusable',
			message: `the stored selector cannot be used: ${message}`,
			agents: 0,
			fix: action,
		});
	}
	for (const { groupId, agents, example } of errors) {
		if (groupId !== group.id) continue;
		findings.push({
			code: 'selector-error',
			message: `the selector errors for ${count(agents)}, who stay where they are unless a group before this one matches: ${example}`,
			agents,
			fix: selectorErrorFix(example),
		});
	}
	for (const { groupId, otherId, agents } of overlaps) {
		const other = groups.get(otherId);
		if (groupId === group.id && other !== undefined) findings.push(overlapFinding(group, other, agents));
	}
	return findings;
}

const groupsMax = 10_000;

type Reads = Pick<Repositories, 'groups' | 'configurations'>;

/** Where the newcomers of a group with a default stand. */
function enrolmentOf({ defaultVersion, enrolment, awaiting, watched }: GroupRow): Group['enrolment'] {
	if (defaultVersion === null) return null;
	const { stopped = null, waitsFor = null, verdicts = [] } = enrolment ?? {};
	const bad = verdicts.flatMap(({ agentId, bad }) => (bad === null ? [] : [{ agent: agentId, why: bad }]));
	return {
		...{ waiting: Math.max(0, awaiting - watched), watched, judged: verdicts.length, bad },
		stopped: stopped && { at: new Date(stopped.atMs).toISOString(), why: stopped.why },
		waitsFor: stopped === null ? waitsFor : null,
	};
}

export async function toGroups(repositories: Reads, rows: readonly GroupRow[]): Promise<Group[]> {
	const found: Found = rows.some(({ selector }) => selector !== null)
		? await foundBy(repositories)
		: { overlaps: [], errors: [], groups: new Map() };
	const refs = await repositories.configurations.versionRefs(rows.flatMap((row) => row.defaultVersion ?? []));
	return rows.map((stored) => {
		const { awaiting: _, watched: __, ...row } = stored;
		return {
			...row,
			defaultVersion: row.defaultVersion === null ? null : (refs.get(row.defaultVersion) ?? row.defaultVersion),
			enrolment: enrolmentOf(stored),
			createdAt: row.createdAt.toISOString(),
			deletedAt: row.deletedAt?.toISOString() ?? null,
			findings: row.deletedAt === null ? findingsOf(stored, found) : [],
		};
	});
}

async function foundBy({ groups }: Pick<Repositories, 'groups'>): Promise<Found> {
	const overlaps = await groups.overlaps();
	const errors = await groups.selectorErrors();
	const dynamic =
		overlaps.length === 0 ? [] : (await groups.list(groupsMax, null)).filter((row) => row.selector !== null);
	return { overlaps, errors, groups: new Map(dynamic.map((row) => [row.id, row])) };
}

export async function toGroup(repositories: Reads, row: GroupRow): Promise<Group> {
	const [group] = await toGroups(repositories, [row]);
	if (group === undefined) throw new Error('one row is one group');
	return group;
}

/** The group as it is now, deleted or not. */
export async function groupAnswer(repositories: Reads, reference: string): Outcome<Group> {
	const found = await findAnyGroup(repositories, reference);
	return found.ok ? ok(await toGroup(repositories, found.value)) : found;
}
