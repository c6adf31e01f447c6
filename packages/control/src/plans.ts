// What a rollout would do, before it does: a forecast for people, and terms that its start is bound to.
import type { AnswerOf, InputOf, RolloutPlan, VersionComparison } from '@ampora/api-contract';
import type { Compatibility, ConfigDocument } from '@ampora/collector-config';
import {
	type Calendar,
	type Forecast,
	forecast,
	type GateForecast,
	gateNames,
	type MetricGateForecast,
	type Rollout,
	type RolloutSpec,
	type StepForecast,
} from '@ampora/rollout';
import { formatDuration, type GroupId, newId, ok, type VersionId } from '@ampora/runtime';
import type { GroupRow, PlannableMember, PlanRow, Repositories, VersionRow } from '@ampora/store';
import type { Caller } from './caller.js';
import { comparisonOf } from './comparison.js';
import { buildFits } from './compatibility.js';
import { numberAfter, numberCursor } from './cursor.js';
import { notFound, type Outcome, refuse } from './errors.js';
import { tryQueries } from './metrics_server/try_queries.js';
import { toSpec } from './new_rollout.js';
import { type AgentNote, fitCounts, noteAgents, notesAbout, placesOf, toPlannedAgent } from './plan_agents.js';
import { type Risk, risksOf } from './plan_risks.js';
import { askedOf, type Bound, type Current, changesSince, digestOf, groundsChanged, type Terms } from './plan_terms.js';
import type { ControlDeps } from './ports.js';
import { findGroup } from './references.js';
import { metricRule } from './rollout_progress.js';
import { publishedVersion, versionToReturnTo } from './rollout_sources.js';
import { gateDefaults } from './settings.js';
import { specView } from './spec_view.js';
import { refOf } from './version_view.js';
import { documentOf, findingsOf } from './versions.js';

/** A plan binds so long. */
const planLastsMs = 24 * 3_600_000;

/** What is kept of a plan besides its columns. */
interface PlanContent {
	readonly terms: Terms;
	/** Components that agents lack, each a class of its own. */
	readonly lacking: readonly string[];
	readonly incompatible: number;
	readonly unknown: number;
	readonly foreseen: Foreseen;
	readonly risks: readonly Risk[];
	readonly comparison: VersionComparison | null;
	/** Absent in plans from before agents had any. */
	readonly notes?: readonly AgentNote[];
}

type Foreseen = Omit<Forecast, 'steps' | 'sickBefore'> & {
	readonly sickBefore: number;
	readonly steps: readonly (Omit<StepForecast, 'agents' | 'deferred'> & {
		readonly agents: number;
		readonly deferred: number;
	})[];
};

interface Planning {
	readonly group: GroupRow;
	readonly version: VersionRow;
	readonly spec: RolloutSpec;
	/** When it starts by itself, ms; null: now, as far as is known. */
	readonly startAtMs: number | null;
}

interface Made {
	readonly nowMs: number;
	readonly spec: RolloutSpec;
	readonly digest: string;
	readonly content: PlanContent;
	readonly agentIds: readonly string[];
	readonly agentNotes: readonly number[];
}

/** Null: it was published when less was asked of a configuration, and cannot be read. */
function readableIn(row: VersionRow): ConfigDocument | null {
	const read = documentOf(row);
	return read.ok ? read.value : null;
}

/** The versions these members are assigned now, the most frequent first, and how many distinct ones are looked at. */
const versionsLookedAt = 20;

function assignedVersions(members: readonly PlannableMember[], but: string): readonly VersionId[] {
	const counts = new Map<VersionId, number>();
	for (const { assigned } of members) {
		if (assigned !== null && assigned !== but) counts.set(assigned, (counts.get(assigned) ?? 0) + 1);
	}
	const byCount = [...counts].toSorted(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
	return byCount.slice(0, versionsLookedAt).map(([id]) => id);
}

/** The differences from each version that agents are assigned now. */
async function comparisons(
	repositories: Repositories,
	members: readonly PlannableMember[],
	version: VersionRow,
): Promise<readonly VersionComparison[]> {
	const document = readableIn(version);
	if (document === null) return [];
	const rows = await Promise.all(
		assignedVersions(members, version.id).map((id) => repositories.configurations.findVersion({ id }, false)),
	);
	return rows.flatMap((row) => {
		const before = row === null ? null : readableIn(row);
		return row === null || before === null ? [] : [comparisonOf({ row, document: before }, { row: version, document })];
	});
}

async function makePlan(repositories: Repositories, planning: Planning): Promise<Made> {
	const { group, version, spec: asked, startAtMs } = planning;
	const nowMs = await repositories.rollouts.databaseNowMs();
	const members = await repositories.plans.members(group.id, version.id, asked.spreadBy ?? null);
	const differences = await comparisons(repositories, members, version);
	const management = [...new Set(differences.flatMap(({ managementPath }) => managementPath))];
	const spec = management.length > 0 ? { ...asked, strategy: { ...asked.strategy, firstAgentAlone: true } } : asked;
	const rollout = { versionId: version.id as VersionId, spec };
	const foreseen = forecast(rollout, members);
	const noted = noteAgents(rollout, members, foreseen, await fitsOf(repositories, group.id, version));
	const fits = fitCounts(noted);
	const calendar = await calendarFrom(repositories, group.id, nowMs);
	const risks = risksOf({
		...{ foreseen, differences, management, ...fits, calendar, protectedGroup: group.protected },
		fromMs: Math.max(nowMs, startAtMs ?? nowMs),
	});
	const terms: Terms = {
		group: group.id,
		selector: group.selector,
		contentHash: Buffer.from(version.contentHash).toString('hex'),
		...{ spec, calendar },
		risks: risks.filter(({ passing }) => passing !== true).map(({ risk }) => risk),
	};
	const steps = foreseen.steps.map((step) => ({
		...step,
		agents: step.agents.length,
		deferred: step.deferred.length,
	}));
	return {
		...{ nowMs, spec },
		digest: digestOf(terms),
		...{ agentIds: noted.agentIds, agentNotes: noted.agentNotes },
		content: {
			...{ terms, risks, ...fits, notes: noted.notes },
			foreseen: { ...foreseen, steps, sickBefore: foreseen.sickBefore.length },
			comparison: differences[0] ?? null,
		},
	};
}

/** Windows of the group, and freezes that are not over. */
async function calendarFrom(repositories: Repositories, groupId: GroupId, nowMs: number): Promise<Calendar> {
	const { windows, freezes } = await repositories.calendar.of(groupId);
	return { windows, freezes: freezes.filter(({ untilMs }) => untilMs > nowMs) };
}

/** By agent, whether it has what the version needs. */
async function fitsOf(
	repositories: Repositories,
	groupId: GroupId,
	version: VersionRow,
): Promise<ReadonlyMap<string, Compatibility>> {
	const document = readableIn(version);
	const fits = document === null ? [] : await buildFits(repositories, document, { groupId });
	return new Map(fits.flatMap(({ build, fit }) => build.agentIds.map((id) => [id, fit] as const)));
}

function boundOf({ content, createdAt }: PlanRow): Bound {
	const { terms, lacking, foreseen } = content as PlanContent;
	return { ...terms, lacking, eligible: foreseen.eligible, untilMs: createdAt.getTime() + planLastsMs };
}

const currentOf = ({ content: { terms, lacking, foreseen }, nowMs }: Made): Current => ({
	...{ terms, lacking, nowMs },
	eligible: foreseen.eligible,
});

/** What a rollout under this plan is created with, or what changed since. `replan` goes ahead on the grounds of now. */
export async function boundBy(
	repositories: Repositories,
	reference: string,
	{ replan, ...wanted }: Omit<Planning, 'spec'> & { readonly replan: boolean },
): Outcome<RolloutSpec> {
	const plan = await repositories.plans.find(reference);
	if (plan === null) return notFound('plan', reference, 'ampora rollouts plan');
	if (plan.groupId !== wanted.group.id || plan.versionId !== wanted.version.id) {
		const message = `plan ${plan.id} is for another group or version`;
		return refuse('invalid-argument', message, { details: { field: 'plan', plan: plan.id } });
	}
	const now = await makePlan(repositories, { ...wanted, spec: askedOf(plan.spec) });
	const changes = changesSince(boundOf(plan), currentOf(now));
	if (changes.length > 0 && !replan) {
		const message = `plan ${plan.id} does not hold any more: ${changes.join('; ')}`;
		return refuse('plan-void', message, { details: { plan: plan.id, changes } });
	}
	return ok(approvedSpec(now));
}

/** What it would be created on now; null: its group or its version is gone. */
async function groundsNow(store: Repositories, { groupId, versionId, spec }: Rollout): Promise<Grounds | null> {
	const { approved: _, startAtMs, ...own } = spec;
	const [group, version] = await Promise.all([
		store.groups.find({ id: groupId }),
		store.configurations.findVersion({ id: versionId }, false),
	]);
	if (group === null || version === null) return null;
	const now = await makePlan(store, { group, version, spec: askedOf(own), startAtMs: null });
	return { now, spec: { ...approvedSpec(now), ...(startAtMs !== undefined && { startAtMs }) } };
}

interface Grounds {
	readonly now: Made;
	/** That of the rollout, bound to what is so now. */
	readonly spec: RolloutSpec;
}

/** What it was created on; null: it is bound to nothing. */
function groundsBefore({ spec: { approved, startAtMs, ...spec } }: Rollout): Bound | null {
	if (!approved?.grounds) return null;
	return {
		...approved,
		...approved.grounds,
		untilMs: Math.max(approved.untilMs, (startAtMs ?? 0) + planLastsMs),
		spec,
	};
}

/** Whom it is for had still to come when it was made: what it starts on is looked at when it does. */
const isUnbound = ({ spec: { approved } }: Rollout): boolean => approved === undefined;

/**
 * Before a rollout is started by hand: does what it was created on still hold? The engine looks again at how many agents there are and
 * at the time. `replan` binds it to what is so now, and so is one bound that is bound to nothing yet.
 */
export async function boundAtStart(store: Repositories, rollout: Rollout, replan: boolean): Outcome<null> {
	const before = groundsBefore(rollout);
	const grounds = before === null && !isUnbound(rollout) ? null : await groundsNow(store, rollout);
	if (grounds === null) return ok(null);
	const { id } = rollout;
	const changes = before === null ? [] : changesSince(before, currentOf(grounds.now));
	if (changes.length > 0 && !replan) {
		const message = `what rollout ${id} was created on does not hold any more: ${changes.join('; ')}`;
		return refuse('plan-void', message, { details: { rollout: id, changes } });
	}
	if (before !== null && !replan) return ok(null);
	if (await store.rollouts.rebind(id, grounds.spec)) return ok(null);
	const message = `start: rollout ${id} cannot be bound to what is so now while another command on it is undecided`;
	const action = 'Ask again when that command is decided, which takes a moment while an engine leads.';
	return refuse('command-refused', message, { details: { rollout: id, command: 'start', reason: 'busy' }, action });
}

/** Before a rollout starts by itself: what of its grounds does not hold any more, as far as the rollout core cannot see it. */
export const startChecks = (store: Repositories) => ({
	async changesAtStart(rollout: Rollout): Promise<readonly string[]> {
		const before = groundsBefore(rollout);
		const grounds = before === null ? null : await groundsNow(store, rollout);
		return before === null || grounds === null ? [] : groundsChanged(before, currentOf(grounds.now));
	},
});

/** What a rollout without a plan of its own is bound to: what is so now. */
export const boundNow = async (repositories: Repositories, planning: Planning): Promise<RolloutSpec> =>
	approvedSpec(await makePlan(repositories, planning));

const approvedSpec = ({ spec, digest, nowMs, content: { terms, lacking, foreseen } }: Made): RolloutSpec => ({
	...spec,
	approved: {
		...{ eligible: foreseen.eligible, untilMs: nowMs + planLastsMs, digest },
		grounds: {
			...{ selector: terms.selector, risks: terms.risks, lacking },
			...(terms.calendar !== undefined && { calendar: terms.calendar }),
		},
	},
});

function toGateForecast(gate: GateForecast): RolloutPlan['steps'][number]['gates'][number]['step'] {
	switch (gate.kind) {
		case 'armed':
			return { kind: gate.kind, k: gate.k, n: gate.n, why: null };
		case 'advisory':
			return { kind: gate.kind, k: null, n: gate.n, why: gate.why };
		case 'inconclusive':
		case 'not-applicable':
			return { kind: gate.kind, k: null, n: null, why: gate.why };
	}
}

function toMetricGate(forecast: MetricGateForecast, { metricGates = [] }: RolloutSpec) {
	const { gate, kind } = forecast;
	const spec = metricGates.find(({ name }) => `metric:${name}` === gate);
	const rule = spec === undefined ? '' : metricRule(spec);
	if (forecast.kind === 'not-applicable') {
		return { gate, kind, rule, failures: null, first: null, every: null, why: forecast.why };
	}
	const [first, every] = [formatDuration(forecast.firstMs), formatDuration(forecast.everyMs)];
	return { gate, kind, rule, failures: forecast.failures, first, every, why: null };
}

function toStep(step: Foreseen['steps'][number], spec: RolloutSpec, at: number) {
	// Plans from before metric gates were foreseen have none.
	const { name, agents, deferred, dwellMs, gates, metricGates = [] } = step;
	return {
		...{ number: at + 1, name, agents, deferred, dwellMs, dwell: formatDuration(dwellMs) },
		metricGates: metricGates.map((gate) => toMetricGate(gate, spec)),
		gates: gateNames.map((gate) => ({
			gate,
			thresholdPercent: spec.gates[gate].thresholdPercent,
			step: toGateForecast(gates[gate].step),
			rollout: toGateForecast(gates[gate].rollout),
		})),
	};
}

async function toPlan(repositories: Repositories, plan: PlanRow): Promise<RolloutPlan> {
	const { foreseen, incompatible, unknown, risks, comparison } = plan.content as PlanContent;
	const [group, version] = await Promise.all([
		repositories.groups.find({ id: plan.groupId }),
		repositories.configurations.findVersion({ id: plan.versionId }, false),
	]);
	const { leastMs, mostMs } = foreseen.duration;
	return {
		...{ id: plan.id, digest: plan.digest, createdBy: plan.createdBy, createdAt: plan.createdAt.toISOString() },
		expiresAt: new Date(plan.createdAt.getTime() + planLastsMs).toISOString(),
		...{ group: group?.name ?? plan.groupId, version: version === null ? plan.versionId : refOf(version) },
		spec: specView(plan.spec, null),
		...{ eligible: foreseen.eligible, alreadyApplied: foreseen.alreadyApplied, skipped: { ...foreseen.skipped } },
		...{ sickBefore: foreseen.sickBefore, noWayBack: foreseen.noWayBack, incompatible, unknown },
		steps: foreseen.steps.map((step, at) => toStep(step, plan.spec, at)),
		duration: { least: formatDuration(leastMs), leastMs, most: formatDuration(mostMs), mostMs },
		...{ advancedByHand: foreseen.advancedByHand, waitsForAgents: foreseen.waitsForAgents },
		// Plans from before risks had one are without.
		risks: risks.map(({ risk, message, action = '' }) => ({ risk, message, action })),
		comparison,
		findings: version === null ? [] : findingsOf(version),
	};
}

export const planUseCases = ({ store, ...deps }: ControlDeps) => ({
	async planRollout(caller: Caller, input: InputOf<'planRollout'>): Outcome<RolloutPlan> {
		const group = await findGroup(store, input.group);
		if (!group.ok) return group;
		if (group.value.builtIn) {
			const message = `the built-in group "${group.value.name}" is no target of rollouts`;
			return refuse('group-not-a-target', message, { details: { group: group.value.name } });
		}
		const version = await publishedVersion(store, input.version);
		if (!version.ok) return version;
		const rollbackTo = await versionToReturnTo(store, input.rollbackTo);
		if (!rollbackTo.ok) return rollbackTo;
		const spec = toSpec(input, rollbackTo.value, await gateDefaults(store));
		if (!spec.ok) return spec;
		const tried = await tryQueries(deps, spec.value);
		if (!tried.ok) return tried;
		const made = await makePlan(store, {
			...{ group: group.value, version: version.value, spec: spec.value, startAtMs: null },
		});
		const kept = await store.plans.insert(
			{
				...made,
				id: newId<string>(),
				groupId: group.value.id,
				versionId: version.value.id as VersionId,
				createdBy: caller.actor,
			},
			planLastsMs,
		);
		return ok(await toPlan(store, kept));
	},

	async getRolloutPlan(_: Caller, { plan: id }: InputOf<'getRolloutPlan'>): Outcome<RolloutPlan> {
		const plan = await store.plans.find(id);
		return plan === null ? notFound('plan', id, 'ampora rollouts plan') : ok(await toPlan(store, plan));
	},

	async listPlanAgents(
		_: Caller,
		{ plan: id, step, about, limit, cursor }: InputOf<'listPlanAgents'>,
	): Outcome<AnswerOf<'listPlanAgents'>> {
		const [plan, after] = [await store.plans.find(id), numberAfter(cursor)];
		if (plan === null) return notFound('plan', id, 'ampora rollouts plan');
		if (!after.ok) return after;
		const { foreseen, notes } = plan.content as PlanContent;
		if (about !== undefined && notes === undefined) {
			const message = `plan ${id} was made before it was kept who is ${about}; make it again`;
			return refuse('invalid-argument', message, { details: { field: 'about' } });
		}
		const places = placesOf(foreseen.steps);
		const at = step === undefined ? { from: 0, to: null } : places[step - 1];
		if (at === undefined) return ok({ items: [], nextCursor: null });
		const from = after.value ?? at.from;
		const to = about === undefined ? Math.min(from + limit + 1, at.to ?? Number.POSITIVE_INFINITY) : at.to;
		const wanted = about === undefined ? null : notesAbout(notes ?? [], about);
		const rows = await store.plans.agents(id, { from, to, notes: wanted }, limit + 1);
		const items = rows.slice(0, limit).map((row) => toPlannedAgent(row, places, notes ?? []));
		const next = rows[limit];
		return ok({ items, nextCursor: next === undefined ? null : numberCursor(next.place) });
	},
});
