import { systemClock } from '@ampora/runtime';
import { type FleetStats, hostMonotonicMs, type OfferRecord } from '../support/fleet/ledger.js';
import type { FleetProcess } from '../support/fleet/process.js';
import { shortWindows } from '../support/stack/campaign.js';
import type { Stack } from '../support/stack/stack.js';
import { type Figures, figure } from './report.js';
import { inSetting, type ScenarioOptions } from './setting.js';

const agentsPerCall = 10_000;
const lookEveryMs = 10;
const appliedWithinMs = 120_000;
/** Rare enough that none falls into the few seconds that are measured. */
const heartbeatMs = 600_000;

const config = (version: string) => `receivers:
  otlp:
    protocols:
      grpc: {}
processors:
  batch: {}
exporters:
  debug/${version}: {}
service:
  pipelines:
    traces:
      receivers: [otlp]
      processors: [batch]
      exporters: [debug/${version}]
`;

/** All agents in one step, in flight unlimited, each answering at once: how long until all of it is durable. */
export function rollout({ agents, say }: ScenarioOptions): Promise<Figures> {
	return inSetting({}, async ({ stack, fleet, campaign }) => {
		await assertCommitsAreTimed(stack);
		say(`connecting ${agents} agents`);
		await fleet.add({ count: agents, heartbeatMs });
		await fleet.launch(1_000);
		await fleet.until(({ connected }) => connected === agents, appliedWithinMs);
		const uids = (await fleet.agents()).map(({ instanceUid }) => instanceUid);
		await campaign.call('createGroup', { body: { name: 'bench' } });
		for (let from = 0; from < agents; from += agentsPerCall) {
			const some = uids.slice(from, from + agentsPerCall);
			await campaign.call('addGroupAgents', { params: { group: 'bench' }, body: { agents: some } });
		}
		say('giving them the version to start from');
		await campaign.baseline('bench', await campaign.publish('bench', config('v1')), appliedWithinMs);
		const version = await campaign.publish('bench', config('v2'));
		const known = (await fleet.offers()).length;
		const before = structuredClone(fleet.stats);

		say('rolling out');
		const startedMs = hostMonotonicMs();
		const id = await campaign.start({
			group: 'bench',
			version,
			strategy: { kind: 'canary', steps: [{ size: '100 %', dwell: '1s' }] },
			maxInFlight: 'unlimited',
			gates: shortWindows('1s'),
			bake: '1s',
		});
		await allApplied(stack, id, agents);
		const appliedMs = hostMonotonicMs();
		const done = await campaign.until(id, ({ endedAt }) => endedAt !== null, appliedWithinMs);
		if (done.state !== 'Completed') throw new Error(`the rollout ended ${done.state}: ${done.headline}`);

		await fleet.until(({ offers }) => offers >= known + agents);
		const pushes = await pushTimes(stack, id, fleet, await fleet.offers(known));
		return {
			allAppliedDurable: figure((appliedMs - startedMs) / 1_000, 's'),
			pushP50: figure(percentile(pushes, 50), 'ms'),
			pushP99: figure(percentile(pushes, 99), 'ms'),
			framesPerAgent: figure(perAgent(before, fleet.stats, agents, ['messagesSent', 'messagesReceived']), 'frames'),
			bytesPerAgent: figure(perAgent(before, fleet.stats, agents, ['bytesSent', 'bytesReceived']), 'B'),
		};
	});
}

/** A setting that only the start of a server can change; servers of ours have it. */
async function assertCommitsAreTimed({ database }: Stack): Promise<void> {
	const [row] = await database.sql.query<{ on: string }>('select current_setting($1) as on', [
		'track_commit_timestamp',
	]);
	if (row?.on !== 'on') throw new Error('the Postgres of TEST_DATABASE_URL has to run with track_commit_timestamp=on');
}

/** Asks Postgres itself: what a service says is not what is durable. */
async function allApplied({ database }: Stack, rollout: string, agents: number): Promise<void> {
	const deadline = performance.now() + appliedWithinMs;
	for (;;) {
		const [row] = await database.sql.query<{ applied: number }>(
			"select count(*)::int as applied from rollout_target where rollout_id = $1 and state = 'Applied'",
			[rollout],
		);
		if (row?.applied === agents) return;
		if (performance.now() > deadline)
			throw new Error(`not all agents are applied: ${await standing(database, rollout)}`);
		await systemClock.sleep(lookEveryMs);
	}
}

/** Where everybody stands, by what the rollout knows and what the agent was last heard to answer. */
async function standing({ sql }: Stack['database'], rollout: string): Promise<string> {
	const rows = await sql.query<{ text: string }>(
		`select concat_ws(' ', count(*), t.state, 'seq', t.seq = s.seq, s.answer, a.gateway, a.reported_status) as text
		from rollout_target t join assignment s using (agent_id) join agent a on a.id = t.agent_id
		where t.rollout_id = $1 group by t.state, t.seq = s.seq, s.answer, a.gateway, a.reported_status`,
		[rollout],
	);
	return rows.map(({ text }) => text).join('; ');
}

type Counter = 'messagesSent' | 'messagesReceived' | 'bytesSent' | 'bytesReceived';

/** Both directions together. */
const perAgent = (before: FleetStats, after: FleetStats, agents: number, counters: readonly Counter[]): number =>
	counters.reduce((sum, counter) => sum + after[counter] - before[counter], 0) / agents;

/**
 * From the commit that admitted an agent to the receipt of its frame, ms. Postgres keeps the instant of every commit on the wall clock of
 * this host; its distance to the monotonic clock, which receipts are timed by, is taken here and now.
 */
async function pushTimes(
	{ database }: Stack,
	rollout: string,
	fleet: FleetProcess,
	offers: readonly OfferRecord[],
): Promise<number[]> {
	const rows = await database.sql.query<{ uid: string; committedMs: number | null }>(
		`select a.instance_uid as uid, (
			select extract(epoch from pg_xact_commit_timestamp(e.xmin))::float8 * 1000 from rollout_event e
			where e.rollout_id = t.rollout_id and e.at >= t.admitted_at order by e.seq limit 1
		) as "committedMs"
		from rollout_target t join agent a on a.id = t.agent_id where t.rollout_id = $1`,
		[rollout],
	);
	const committed = new Map(rows.map(({ uid, committedMs }) => [uid, committedMs]));
	const uids = new Map((await fleet.agents()).map(({ index, instanceUid }) => [index, instanceUid]));
	const toMonotonicMs = wallToMonotonicMs();
	return offers.map(({ agent, atMs }) => {
		const at = committed.get(uids.get(agent) ?? '');
		if (at === undefined || at === null) throw new Error('an offer belongs to no commit of the rollout');
		return atMs - (at + toMonotonicMs);
	});
}

/** Adding it to an instant of the wall clock gives that of the monotonic one, ms. Taken as the wall clock's millisecond changes. */
function wallToMonotonicMs(): number {
	const before = Date.now();
	let now = before;
	while (now === before) now = Date.now();
	return hostMonotonicMs() - now;
}

function percentile(values: readonly number[], percent: number): number {
	const sorted = values.toSorted((a, b) => a - b);
	return sorted[Math.min(sorted.length - 1, Math.ceil((percent / 100) * sorted.length) - 1)] ?? Number.NaN;
}
