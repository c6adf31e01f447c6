import type { GatewayId, RolloutId } from '@ampora/runtime';
import * as statements from '../gen/sql.js';
import type { CohortRow, EngineFigures, EngineStore, SessionRow } from '../ports.js';
import { uniqueViolation } from '../repositories/drizzle.js';
import { onlyRow, type Row, repeating, type Sql } from '../sql.js';
import { Conflict, commitBoth } from './commit_decision.js';
import { loadSnapshot } from './load_snapshot.js';

/** Agents marked in one call at most, so that a dead gateway's fifty thousand do not hold up a tick. */
const reapedMax = 5_000;

const onePerGroup = 'rollout_one_active_per_group';

type DueRow = Row & { readonly due: readonly RolloutId[]; readonly nextWakeInMs: number | null };
type ReapRow = Row & { readonly gateways: readonly GatewayId[]; readonly agents: number };

/** What the rollout engine asks of Postgres. */
export const createEngineStore = (sql: Sql): EngineStore => ({
	async takeLease(name, holder, ttlMs) {
		const [row] = await sql.query<{ epoch: number }>(statements.takeLease, [name, holder, ttlMs]);
		return row === undefined ? null : { name, holder, epoch: row.epoch };
	},
	async releaseLease({ name, holder, epoch }) {
		await sql.query(
			`update leader_lease set expires_at = least(expires_at, clock_timestamp())
			where name = $1 and holder = $2 and epoch = $3`,
			[name, holder, epoch],
		);
	},
	async dueRollouts(limit) {
		return onlyRow(await sql.query<DueRow>(statements.dueRollouts, [limit]));
	},
	loadSnapshot: (rolloutId, needs) => sql.transaction('snapshot', (tx) => loadSnapshot(tx, rolloutId, needs)),
	async commitDecision(lease, loaded, decision, journal, successor) {
		try {
			return await repeating(() =>
				sql.transaction('write', (tx) => commitBoth(tx, lease, { loaded, decision, journal }, successor)),
			);
		} catch (error) {
			// Somebody made a rollout of the group while this one took its turn (R15).
			if (error instanceof Conflict || uniqueViolation(error) === onePerGroup) return { kind: 'conflict' };
			throw error;
		}
	},
	async reapGateways({ name, holder, epoch }) {
		return onlyRow(
			await repeating(() => sql.query<ReapRow>(statements.reapGateways, [name, holder, epoch, reapedMax])),
		);
	},
	async archiveAgents({ name, holder, epoch }, { unseenMs, goodbyeMs }, limit) {
		const params = [name, holder, epoch, limit, goodbyeMs, unseenMs];
		const rows = await repeating(() => sql.query<{ archived: number }>(statements.archiveAgents, params));
		return onlyRow(rows).archived;
	},
	async lapsedGateways() {
		return (await sql.query<{ gateway: GatewayId }>(statements.lapsedGateways)).map(({ gateway }) => gateway);
	},
	async keepUnheard({ name, holder, epoch }, gateways) {
		const kept = await repeating(() =>
			sql.query<{ agents: number }>(statements.keepUnheard, [name, holder, epoch, gateways]),
		);
		return onlyRow(kept).agents;
	},
	sessionsOf: (agentIds) => sql.query<SessionRow & Row>(statements.readSessions, [agentIds]),
	async figures() {
		return onlyRow(await sql.query<EngineFigures & Row>(statements.readFigures));
	},
	cohorts: (limit) => sql.query<CohortRow & Row>(statements.readCohorts, [limit]),
});
