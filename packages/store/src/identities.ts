// Agents that are known by what they say of themselves: what is left to do after an agent came under a new uid while the one whose
// place it is seemed to be there still, and after other attributes were chosen.
import type { AgentId } from '@ampora/runtime';
import * as statements from './gen/sql.js';
import type { GatewayLease } from './ports.js';
import { onlyRow, type Row, repeating, type Sql } from './sql.js';

/** Value of this setting: `{attributes: [names], sweep: {after: agent id} | null}`. */
export const identitySetting = 'fleet.identity';

/** Agents in one transaction at most. */
const rekeyedAtOnce = 5_000;
const mergedAtOnce = 500;
/** So long an agent that shares the identity of a connected one waits for its place: longer than it takes to notice the end of a session. */
export const heirWaitsMs = 300_000;

const openHeirs = `select n.id as heir, o.id as holder
from agent n join agent o on o.id = n.heir_of
where n.heir_of is not null and n.gateway = $1 and n.gateway_incarnation = $2
	and o.gateway is null and o.disconnect_reason in ('goodbye', 'lost')
	and not exists (select from assignment s where s.agent_id = n.id)
order by n.id limit ${mergedAtOnce}`;

/** What waited long enough is an agent of its own; selectors look at it now. */
const letGo = `with waited as (
	select id, heir_of from agent
	where heir_of is not null and gateway = $1 and created_at < clock_timestamp() - $2::float8 * interval '1 millisecond'
	order by id for no key update
),
-- What failed on the other since this one came (R9).
inherited as (
	insert into quarantine (agent_id, version_id, reason, at)
	select w.id, q.version_id, q.reason, q.at from waited w join quarantine q on q.agent_id = w.heir_of
	on conflict (agent_id, version_id) do nothing
),
released as (
	update agent set heir_of = null where id in (select id from waited)
)
insert into selector_work (agent_id) select id from waited`;

async function rekey(sql: Sql): Promise<void> {
	await sql.transaction('write', async (tx) => {
		const held = await tx.query(
			`select from setting where name = $1 and value -> 'sweep' <> 'null' for update skip locked`,
			[identitySetting],
		);
		if (held.length > 0) await tx.query(statements.rekeyAgents, [rekeyedAtOnce]);
	});
}

interface HeirRow extends Row {
	readonly heir: AgentId;
	readonly holder: AgentId;
}

/** The rows are held first: whether the heir was assigned anything is known only then. */
const merge = (sql: Sql, { gateway, incarnation }: GatewayLease, open: readonly HeirRow[]) =>
	sql.transaction('write', async (tx) => {
		const ids = open.flatMap(({ heir, holder }) => [heir, holder]);
		await tx.query('select from agent where id = any($1::uuid[]) order by id for update', [ids]);
		const heirs = await tx.query<HeirRow>(statements.mergeHeirs, [gateway, incarnation, ids]);
		if (heirs.length > 0) await tx.query(statements.seatHeirs, [JSON.stringify(heirs)]);
		return heirs.map(({ heir }) => heir);
	});

export async function settleIdentities(sql: Sql, lease: GatewayLease): Promise<readonly AgentId[]> {
	const { gateway, incarnation } = lease;
	const { sweep, heirs } = onlyRow(
		await sql.query<{ sweep: boolean; heirs: boolean }>(
			`select
				exists (select from setting where name = $1 and value -> 'sweep' <> 'null') as sweep,
				exists (select from agent where heir_of is not null and gateway = $2) as heirs`,
			[identitySetting, gateway],
		),
	);
	if (sweep) await repeating(() => rekey(sql));
	if (!heirs) return [];
	const open = await sql.query<HeirRow>(openHeirs, [gateway, incarnation]);
	const merged = open.length === 0 ? [] : await repeating(() => merge(sql, lease, open));
	await repeating(() => sql.query(letGo, [gateway, heirWaitsMs]));
	return merged;
}
