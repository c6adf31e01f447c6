import {
	type AgentFacts,
	type Command,
	changedTargetsMax,
	dueObservedMs,
	type Member,
	pageTargetsMax,
	type RolloutState,
	type Snapshot,
	type SnapshotNeeds,
	type Step,
	type TargetView,
} from '@ampora/rollout';
import type { AgentId, RolloutId } from '@ampora/runtime';
import * as statements from '../gen/sql.js';
import type { LoadedSnapshot, Rollout } from '../ports.js';
import {
	type FactsColumns,
	factsOf,
	type RolloutColumns,
	rolloutOf,
	type StepColumns,
	stepOf,
	type TargetColumns,
	targetOf,
} from '../rollout_rows.js';
import { onlyRow, type Row, type Sql } from '../sql.js';

export interface OpenCommand {
	readonly id: string;
	readonly kind: Command['kind'];
	readonly actor: string;
	readonly args: unknown;
}

interface RolloutRow extends Row, RolloutColumns {
	readonly steps: readonly StepColumns[];
	readonly commands: readonly OpenCommand[];
	readonly signals: readonly (readonly [id: number, agentId: AgentId])[];
	readonly membershipSeq: number;
	readonly groupMembershipSeq: number;
	readonly latestOfGroup: boolean;
	readonly calendar: NonNullable<Snapshot['environment']['calendar']>;
	readonly busyWith: RolloutId | null;
	readonly superseded: RolloutState | null;
	readonly protectedGroup: boolean;
	readonly nowMs: number;
	readonly traceparent: string | null;
}

type List = 'changed' | 'left' | 'fill' | 'admit' | 'back' | 'named';
interface TargetListRow extends Row, TargetColumns {
	readonly list: List;
	readonly facts: FactsColumns;
}
interface MemberRow extends Row, Omit<Member, 'facts' | 'domain'> {
	readonly domain: string | null;
	readonly agentId: AgentId;
	readonly facts: FactsColumns;
}
type EnvironmentRow = Row & Omit<Snapshot['environment'], keyof ReturnType<typeof ofGroup>>;

export const commandOf = ({ args, id, kind, actor }: OpenCommand): Command => ({
	...(args as object),
	id,
	kind,
	actor,
});

const ofGroup = ({ latestOfGroup, calendar, busyWith, superseded, protectedGroup }: RolloutRow) => ({
	...{ latestOfGroup, calendar, busyWith, superseded, protectedGroup },
});

/** Which targets the open commands speak of. */
export function namedBy(commands: readonly Command[]): { agentIds: readonly AgentId[]; allFailed: boolean } {
	const naming = commands.filter(({ kind }) => kind === 'retry' || kind === 'exclude');
	return {
		agentIds: [...new Set(naming.flatMap((command) => command.agentIds ?? []))].slice(0, pageTargetsMax),
		allFailed: naming.some(
			({ kind, agentIds }) => kind === 'retry' && (agentIds === undefined || agentIds.length === 0),
		),
	};
}

/** How many agents were pushed by the rollout, of which the control group has to be kept clean. */
const pushedBy = (steps: readonly Step[]): number =>
	steps.reduce((sum, { counters }) => sum + counters.gates['disconnect-ratio'].pushed, 0);

interface Wanted {
	readonly rollout: Rollout;
	readonly needs: SnapshotNeeds;
	readonly signalled: readonly AgentId[];
	readonly commands: readonly Command[];
	readonly lookForLeavers: boolean;
	readonly nowMs: number;
}

async function readTargets(sql: Sql, { rollout, needs, signalled, commands, lookForLeavers, nowMs }: Wanted) {
	const { agentIds, allFailed } = namedBy(commands);
	const rows = await sql.query<TargetListRow>(statements.readTargets, [
		rollout.id,
		signalled,
		dueObservedMs(rollout, nowMs),
		changedTargetsMax - signalled.length,
		lookForLeavers,
		needs.fill,
		needs.admit,
		rollout.state === 'Completed' ? null : rollout.currentStep,
		needs.back,
		agentIds,
		allFailed,
		agentIds.length > 0 || allFailed ? pageTargetsMax : 0,
	]);
	const lists: Record<List, TargetView[]> = { changed: [], left: [], fill: [], admit: [], back: [], named: [] };
	for (const row of rows) lists[row.list].push({ target: targetOf(row), facts: factsOf(row.agentId, row.facts) });
	const { left, ...others } = lists;
	const sawAllLeavers = left.length < changedTargetsMax - signalled.length;
	return { ...others, changed: [...others.changed, ...left], sawAllLeavers };
}

async function readMembers(sql: Sql, rolloutId: RolloutId, limit: number): Promise<readonly Member[]> {
	if (limit === 0) return [];
	const rows = await sql.query<MemberRow>(statements.readMembers, [rolloutId, limit]);
	return rows.map(({ agentId, key, hostname, lastSeenMs, domain, facts }) => ({
		key,
		hostname,
		lastSeenMs,
		domain,
		facts: factsOf(agentId, facts) satisfies AgentFacts,
	}));
}

/** All of it of one moment: the caller gives the transaction. */
export async function loadSnapshot(
	sql: Sql,
	rolloutId: RolloutId,
	needsOf: (rollout: Rollout, steps: readonly Step[]) => SnapshotNeeds,
): Promise<LoadedSnapshot | null> {
	const [row] = await sql.query<RolloutRow>(statements.readRollout, [rolloutId]);
	if (row === undefined) return null;
	const rollout = rolloutOf(row);
	const steps = row.steps.map(stepOf);
	const commands = row.commands.map(commandOf);
	const needs = needsOf(rollout, steps);
	const signalled = [...new Set(row.signals.map(([, agentId]) => agentId))];
	// Planning needs every member, also when a start was refused before.
	const moved = rollout.startedAtMs === null || row.membershipSeq !== row.groupMembershipSeq;
	const { sawAllLeavers, ...lists } = await readTargets(sql, {
		...{ rollout, needs, signalled, commands },
		lookForLeavers: moved,
		nowMs: row.nowMs,
	});
	const members = moved ? await readMembers(sql, rolloutId, needs.members) : [];
	const environment = onlyRow(
		await sql.query<EnvironmentRow>(statements.readEnvironment, [rolloutId, pushedBy(steps)]),
	);
	const sawAll = sawAllLeavers && members.length < needs.members;
	return {
		snapshot: {
			...{ rollout, steps, commands, members, nowMs: row.nowMs },
			...lists,
			environment: { ...environment, ...ofGroup(row) },
		},
		signalIds: row.signals.map(([id]) => id),
		membershipSeq: moved && sawAll ? row.groupMembershipSeq : row.membershipSeq,
		traceparent: row.traceparent,
	};
}
