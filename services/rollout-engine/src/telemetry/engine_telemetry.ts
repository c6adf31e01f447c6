import type { Decision } from '@ampora/rollout';
import type { CohortRow, EngineStore, LeaderLease, LoadedSnapshot } from '@ampora/store';
import {
	type CohortMember,
	createMetrics,
	type Logger,
	type MetricsRegistry,
	showCohorts,
	spanNames,
	type Tracer,
} from '@ampora/telemetry';
import type { DispatcherEvents } from '../dispatcher/dispatcher.js';
import { leaseName } from '../engine.js';
import type { CutOffEvents } from '../liveness/cut_off_gateways.js';
import type { RetentionEvents } from '../liveness/retention_keeper.js';
import type { EnrolmentEvents } from '../membership/enrolment_keeper.js';
import type { MembershipEvents } from '../membership/membership_keeper.js';
import type { TickerEvents } from '../ticker/ticker.js';

export interface EngineTelemetry {
	readonly ticker: TickerEvents;
	readonly dispatcher: DispatcherEvents;
	readonly cutOff: CutOffEvents;
	readonly retention: RetentionEvents;
	readonly membership: MembershipEvents;
	readonly enrolment: EnrolmentEvents;
	committed(loaded: LoadedSnapshot, decision: Decision): void;
	leaseChanged(name: string, lease: LeaderLease | null): void;
	leaseRenewed(name: string, expiresAtMs: number): void;
	leaseFailed(error: unknown): void;
	/** Reads the gauges anew; the cohorts of rollouts are the leader's to show. */
	refresh(store: Pick<EngineStore, 'figures' | 'cohorts'>, leading: boolean): Promise<void>;
}

export interface EngineTelemetryDeps {
	readonly logger: Logger;
	readonly tracer: Tracer;
	readonly registry: MetricsRegistry;
	/** In one process everything is local. */
	readonly dispatchCountsAs: 'forwarded' | 'local';
}

/** Everything the engine says about itself: one place that turns what happened into metrics, log lines and spans. */
export function createEngineTelemetry({
	logger,
	tracer,
	registry,
	dispatchCountsAs,
}: EngineTelemetryDeps): EngineTelemetry {
	const dispatch = createMetrics(registry, 'dispatch');
	const rollout = createMetrics(registry, 'rollout');
	const lease = createMetrics(registry, 'lease');
	const groups = createMetrics(registry, 'groups');
	// A replica that never led shows that it does not.
	lease.ampora_leader_lease_held.set({ name: leaseName }, 0);
	return {
		ticker: {
			ticked: (atMs) => rollout.ampora_rollout_engine_last_tick_timestamp_seconds.set(atMs / 1000),
			rolloutFailed: (rolloutId, error, retryInMs) =>
				logger.error('a rollout could not be ticked; it rests and is tried again', {
					rollout_id: rolloutId,
					error,
					duration_ms: retryInMs,
				}),
			storeFailed: (error) => logger.warn('the store could not be asked; nothing is decided meanwhile', { error }),
			gatewaysLost(gateways, agents) {
				const fields = { reason: gateways.join(', '), agents };
				// One that was stopped in order leaves its row to expire, and nobody behind.
				if (agents > 0) logger.warn('gateways lost', fields);
				else logger.info('gateways gone', fields);
			},
		},
		cutOff: {
			gatewaysCutOff: (gateways, agents) =>
				logger.warn('gateways cannot reach Postgres; their agents count as unheard, not as lost', {
					reason: gateways.join(', '),
					agents,
				}),
			storeFailed: (error) => logger.warn('lapsed gateways could not be asked after', { error }),
		},
		retention: {
			agentsArchived: (agents) => logger.info('agents that were away for long are archived', { agents }),
			storeFailed: (error) => logger.warn('the store could not be asked; nobody is archived meanwhile', { error }),
		},
		membership: {
			looked(cause, evaluations, moved) {
				groups.ampora_selector_evaluations_total.inc({ cause }, evaluations);
				if (moved === 0) return;
				groups.ampora_group_moves_total.inc(moved);
				logger.info('agents moved to the groups whose selectors they match', { cause, agents: moved });
			},
			storeFailed: (error) => logger.warn('the store could not be asked; nobody is moved meanwhile', { error }),
		},
		enrolment: {
			enrolled(groupId, { assignments, fired, state }) {
				groups.ampora_enrolments_total.inc(assignments.length);
				if (!fired || state.stopped === null) return;
				groups.ampora_enrolment_gate_fired_total.inc();
				logger.error(
					'the enrolment gate of a group fired; its newcomers keep what they run until somebody lets it go on',
					{
						group_id: groupId,
						reason: state.stopped.why,
					},
				);
			},
			enrolmentFailed: (error) =>
				logger.warn('the store could not be asked; no newcomer is given anything meanwhile', { error }),
		},
		dispatcher: {
			sent(gateway, { agents, cause, traceparent }) {
				if (dispatchCountsAs === 'local') dispatch.ampora_dispatch_local_total.inc(agents);
				else dispatch.ampora_dispatch_forwarded_total.inc({ target_instance: gateway }, agents);
				const attributes = { target_instance: gateway, agents, cause };
				const span = tracer.startSpan(spanNames.dispatchEnvelope, { parent: traceparent, attributes });
				return {
					traceparent: span.traceparent,
					ended(how) {
						span.setAttribute('outcome', how);
						span.end();
					},
				};
			},
			noSession: (reason, agents) => dispatch.ampora_dispatch_no_session_total.inc({ reason }, agents),
			lost: (gateway, agents) =>
				logger.info('no reply to a dispatch; it will be repeated', { target_instance: gateway, agents }),
			directoryAway: (error) => logger.warn('routes could not be looked up', { error }),
		},
		committed(loaded, decision) {
			for (const event of decision.events) {
				if (event.kind === 'state')
					rollout.ampora_rollout_state_transitions_total.inc({ from: event.from, to: event.to });
				if (event.kind === 'gate-fired') rollout.ampora_rollout_gate_fired_total.inc({ gate: gateLabel(event.gate) });
				logger.info(event.kind, { rollout_id: decision.rollout.id, ...describe(event) });
			}
			if (decision.assignments.length > 0 || decision.events.length > 0) {
				const attributes = {
					rollout_id: decision.rollout.id,
					agents: decision.assignments.length,
					state: decision.rollout.state,
				};
				tracer.startSpan(spanNames.rolloutTick, { parent: loaded.traceparent, attributes }).end();
			}
		},
		leaseChanged(name, held) {
			lease.ampora_leader_lease_held.set({ name }, held ? 1 : 0);
			logger.info(held ? 'leading' : 'not leading any more', { lease: name, ...(held && { lease_epoch: held.epoch }) });
		},
		leaseRenewed: (name, expiresAtMs) =>
			lease.ampora_leader_lease_expires_timestamp_seconds.set({ name }, expiresAtMs / 1000),
		leaseFailed: (error) => logger.warn('the leader lease could not be asked for', { error }),
		async refresh(store, leading) {
			const cohorts = leading ? await store.cohorts(cohortMax) : [];
			showCohorts(registry, cohorts.flatMap(membersOf));
			const figures = await store.figures();
			setByState(rollout.ampora_rollouts, figures.rollouts);
			setByState(rollout.ampora_rollout_agents, figures.rolloutAgents);
			rollout.ampora_agents.reset();
			for (const { connected, healthy, count } of figures.agents)
				rollout.ampora_agents.set({ connected: connected ? 'true' : 'false', healthy: healthyLabel(healthy) }, count);
			groups.ampora_enrolment_stopped_groups.set(figures.stoppedGroups);
			rollout.ampora_rollout_paused_seconds.set(figures.pausedSeconds);
			rollout.ampora_rollout_oldest_unanswered_seconds.set(figures.oldestUnansweredSeconds);
		},
	};
}

/** Agents of each cohort that are shown at most. */
const cohortMax = 2_000;

const membersOf = ({ rolloutId: rollout, cohort, label, agents }: CohortRow): CohortMember[] =>
	agents.map((agent) => ({ rollout, cohort, label, agent }));

/** Metric gates are named by people: they count as one. */
const gateLabel = (gate: string): string => (gate.startsWith('metric:') ? 'metric' : gate);

const healthyLabel = (healthy: boolean | null) => (healthy === null ? 'unknown' : healthy ? 'true' : 'false');

interface StateGauge {
	reset(): void;
	set(labels: { readonly state: string }, value: number): void;
}

function setByState(gauge: StateGauge, counts: Readonly<Record<string, number>>): void {
	gauge.reset();
	for (const [state, count] of Object.entries(counts)) gauge.set({ state }, count);
}

/** The event's own fields under names that do not collide with the log's. */
function describe(event: Decision['events'][number]): Record<string, unknown> {
	const { kind: _, ...fields } = event;
	return { ...fields };
}
