import type { Enrolled } from '@ampora/rollout';
import { closesAtMs, newEnrolment } from '@ampora/rollout';
import type { AgentId, GroupId } from '@ampora/runtime';
import * as statements from '../gen/sql.js';
import type { EnrolmentStore, LoadedEnrolment } from '../ports.js';
import { type FactsColumns, factsOf } from '../rollout_rows.js';
import { onlyRow, type Row, repeating, type Sql } from '../sql.js';
import { Conflict, isStillOpen } from './commit_decision.js';

interface EnrolmentRow extends Row, Omit<LoadedEnrolment, 'state' | 'watched' | 'waiting'> {
	readonly state: LoadedEnrolment['state'] | null;
	readonly watched: readonly (Enrolled & { readonly facts: FactsColumns })[];
	readonly waiting: readonly { readonly agentId: AgentId; readonly placed: boolean; readonly facts: FactsColumns }[];
}

type Written = Row & {
	readonly leading: boolean;
	readonly held: boolean;
	readonly written: number;
	readonly taken: number;
};

/** What the keeper of enrolments asks of Postgres. */
export const createEnrolmentStore = (sql: Sql): EnrolmentStore => ({
	async enrolmentGroups(limit) {
		return (await sql.query<{ id: GroupId }>(statements.enrolmentGroups, [limit])).map(({ id }) => id);
	},
	async loadEnrolment(groupId, { watched: watchedMax, waiting: waitingMax }) {
		const [row] = await sql.query<EnrolmentRow>(statements.readEnrolment, [groupId, watchedMax, waitingMax]);
		if (row === undefined) return null;
		const { watched, waiting, state, ...rest } = row;
		return {
			...rest,
			state: state ?? newEnrolment,
			watched: watched.map(({ target, well, facts }) => ({ target, well, facts: factsOf(target.agentId, facts) })),
			waiting: waiting.map(({ agentId, placed, facts }) => ({ placed, facts: factsOf(agentId, facts) })),
		};
	},
	async commitEnrolment({ name, holder, epoch }, groupId, { seq, nowMs }, { decision, calendar }) {
		const opening = { windows: calendar.windows, closesAtMs: closesAtMs(calendar, nowMs) };
		const assignments = decision.assignments.map(({ agentId, versionId, attempt, expectedSeq }) => ({
			...{ agent_id: agentId, version_id: versionId, attempt, expected_seq: expectedSeq },
		}));
		const quarantine = decision.quarantine.map(({ agentId, reason }) => ({ agent_id: agentId, reason }));
		const params = [
			...[name, holder, epoch, groupId, seq, JSON.stringify(decision.state)],
			...[JSON.stringify(decision.enrolled), decision.dropped, decision.settled, JSON.stringify(assignments)],
			...[decision.withdraw, JSON.stringify(quarantine)],
			decision.fired ? JSON.stringify({ why: decision.state.stopped?.why }) : null,
		];
		try {
			return await repeating(() =>
				sql.transaction('write', async (tx) => {
					if (assignments.length > 0 && !(await isStillOpen(tx, groupId, opening))) return 'conflict';
					const done = onlyRow(await tx.query<Written>(statements.writeEnrolment, params));
					if (!done.leading) return 'lease-lost';
					const all = done.written === assignments.length && done.taken === decision.withdraw.length;
					if (!done.held || !all) throw new Conflict('an agent, or the group, moved');
					return 'committed';
				}),
			);
		} catch (error) {
			if (error instanceof Conflict) return 'conflict';
			throw error;
		}
	},
});
