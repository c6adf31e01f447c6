/** A label whose values are not known in advance; where they come from outside, `labelLimiter` bounds them. */
const text = null;

type LabelTable = Readonly<Record<string, readonly string[] | null>>;

export interface MetricEntry {
	readonly type: 'counter' | 'gauge' | 'histogram';
	readonly help: string;
	readonly labels: LabelTable;
	/** Upper bounds, seconds. */
	readonly buckets?: readonly number[];
}

const backplaneSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const applySeconds = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600];

const counter = <const L extends LabelTable>(labels: L, help: string) => ({ type: 'counter', labels, help }) as const;
const gauge = <const L extends LabelTable>(labels: L, help: string) => ({ type: 'gauge', labels, help }) as const;
const histogram = <const L extends LabelTable>(labels: L, buckets: readonly number[], help: string) =>
	({ type: 'histogram', labels, help, buckets }) as const;

/**
 * Every metric of Ampora, by concern. Names and labels are what dashboards and alerts are written against: they do not change.
 * Counters of dispatch count agents, not envelopes.
 */
export const metricTable = {
	dispatch: {
		ampora_dispatch_local_total: counter({}, 'Dispatches by the process that holds the session'),
		ampora_dispatch_forwarded_total: counter({ target_instance: text }, 'Dispatches sent over the backplane'),
		ampora_dispatch_no_session_total: counter(
			{ reason: ['offline', 'owner_unknown', 'owner_dead'] },
			'Dispatches whose agent had no live session',
		),
		ampora_dispatch_envelope_age_seconds: histogram(
			{},
			backplaneSeconds,
			'Time from publishing an envelope to consuming it',
		),
	},
	opamp: {
		ampora_session_ownership_acquires_total: counter(
			{ outcome: ['acquired', 'stolen', 'lost'] },
			'Claims of session ownership',
		),
		ampora_opamp_active_sessions: gauge({ transport: ['websocket', 'http'] }, 'Open sessions of this gateway'),
		ampora_opamp_frames_received_total: counter({ kind: text }, 'Inbound OpAMP messages'),
		ampora_opamp_frames_rejected_total: counter({ reason: text }, 'Inbound OpAMP messages refused'),
		ampora_opamp_apply_duration_seconds: histogram(
			{ agent_type: text },
			applySeconds,
			'Time from the push of a configuration to the agent reporting it APPLIED',
		),
		ampora_gateway_dirty_agents: gauge({}, 'Agents whose reports are not yet in Postgres'),
	},
	rollout: {
		ampora_rollout_state_transitions_total: counter({ from: text, to: text }, 'Changes of rollout state'),
		ampora_rollout_gate_fired_total: counter({ gate: text }, 'Gates fired'),
		ampora_rollouts: gauge({ state: text }, 'Rollouts by state'),
		ampora_rollout_agents: gauge({ state: text }, 'Agents of rollouts under way, by state'),
		ampora_agents: gauge({ connected: ['true', 'false'], healthy: ['true', 'false', 'unknown'] }, 'Known agents'),
		ampora_rollout_paused_seconds: gauge({}, 'Time since the longest paused rollout was paused'),
		ampora_rollout_oldest_unanswered_seconds: gauge({}, 'Age of the oldest push that its agent has not answered'),
		ampora_rollout_engine_last_tick_timestamp_seconds: gauge({}, 'When this engine last completed a tick as leader'),
	},
	groups: {
		ampora_selector_evaluations_total: counter(
			{ cause: ['change', 'sweep'] },
			'Evaluations of group selectors: because an agent changed, or because a selector did',
		),
		ampora_group_moves_total: counter({}, 'Agents moved by selectors'),
		ampora_enrolments_total: counter({}, 'Newcomers that were given the default of their group'),
		ampora_enrolment_gate_fired_total: counter({}, 'Enrolment gates that fired: 3 bad of the last 20'),
		ampora_enrolment_stopped_groups: gauge({}, 'Groups whose enrolment gate fired and that nobody let go on since'),
	},
	lease: {
		ampora_leader_lease_held: gauge({ name: text }, '1 while this process holds the lease'),
		ampora_leader_lease_expires_timestamp_seconds: gauge({ name: text }, 'When the lease this process holds expires'),
	},
} as const satisfies Readonly<Record<string, Readonly<Record<string, MetricEntry>>>>;

export type MetricGroup = keyof typeof metricTable;

export interface MetricDescription {
	readonly name: string;
	readonly group: MetricGroup;
	readonly type: MetricEntry['type'];
	readonly labels: readonly string[];
	readonly help: string;
}

/** Every metric, in the order of the table. */
export function describeMetrics(): MetricDescription[] {
	return (Object.entries(metricTable) as [MetricGroup, Readonly<Record<string, MetricEntry>>][]).flatMap(
		([group, entries]) =>
			Object.entries(entries).map(([name, { type, labels, help }]) => ({
				name,
				group,
				type,
				labels: Object.keys(labels),
				help,
			})),
	);
}

/** The reference of all metrics as a Markdown table. */
export function metricsReference(): string {
	const code = (names: readonly string[]) => names.map((name) => `\`${name}\``).join(', ');
	const rows = describeMetrics().map(
		({ name, type, labels, help }) => `| \`${name}\` | ${type} | ${code(labels)} | ${help} |`,
	);
	return ['| metric | type | labels | meaning |', '|---|---|---|---|', ...rows, ''].join('\n');
}
