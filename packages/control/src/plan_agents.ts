// Who a plan is about, and what was known of each agent when it was made.
import type { PlanAgentsAbout, PlannedAgent } from '@ampora/api-contract';
import type { Compatibility } from '@ampora/collector-config';
import { type Forecast, type Member, planTargets, provenBefore, type Rollout } from '@ampora/rollout';
import type { PlannedAgentRow } from '@ampora/store';

/** What is known of an agent; few notes, however many agents there are. */
export interface AgentNote {
	/** Why it is left out; null: it is to be pushed. */
	readonly excluded: string | null;
	readonly sickBefore: boolean;
	readonly noWayBack: boolean;
	readonly fit: Compatibility;
}

export interface NotedAgents {
	/** As the forecast has them, then those left out. */
	readonly agentIds: readonly string[];
	readonly notes: readonly AgentNote[];
	/** Of each agent, the index of its note. */
	readonly agentNotes: readonly number[];
}

const nobodyKnows: Compatibility = { kind: 'unknown' };

/** In the order of the plan. `fits`: by agent; nobody knows of one that is not among them. */
export function noteAgents(
	rollout: Pick<Rollout, 'versionId' | 'spec'>,
	members: readonly Member[],
	{ steps }: Forecast,
	fits: ReadonlyMap<string, Compatibility>,
): NotedAgents {
	const canGoBack = new Set(
		members.flatMap(({ facts }) => (provenBefore(facts, rollout) === null ? [] : [facts.agentId])),
	);
	const notes = new Notes();
	const noted = new Map<string, number>();
	for (const { agentId, state, reason, sickBefore } of planTargets(rollout, members).targets) {
		const excluded = state === 'AlreadyApplied' ? 'already-applied' : reason;
		const noWayBack = excluded === null && rollout.spec.rollbackTo === null && !canGoBack.has(agentId);
		noted.set(agentId, notes.index({ excluded, sickBefore, noWayBack, fit: fits.get(agentId) ?? nobodyKnows }));
	}
	const pushed = steps.flatMap(({ agents, deferred }) => [...agents, ...deferred]);
	const agentIds = [...new Set<string>([...pushed, ...noted.keys()])];
	return { agentIds, notes: notes.all, agentNotes: agentIds.map((id) => noted.get(id) ?? -1) };
}

class Notes {
	readonly all: AgentNote[] = [];
	readonly #indexes = new Map<string, number>();

	index(note: AgentNote): number {
		const key = JSON.stringify(note);
		const known = this.#indexes.get(key);
		if (known !== undefined) return known;
		this.#indexes.set(key, this.all.length);
		return this.all.push(note) - 1;
	}
}

/** Of the agents that are to be pushed: how many lack a component, which, and of how many nobody knows. */
export function fitCounts({ notes, agentNotes }: NotedAgents) {
	const counts = new Map<number, number>();
	for (const index of agentNotes) counts.set(index, (counts.get(index) ?? 0) + 1);
	const count = (about: PlanAgentsAbout): number =>
		notesAbout(notes, about).reduce((sum, index) => sum + (counts.get(index) ?? 0), 0);
	const lacking = notes.flatMap(({ excluded, fit }) => (excluded === null ? lackedBy(fit) : []));
	return { lacking: [...new Set(lacking)].sort(), incompatible: count('incompatible'), unknown: count('unknown') };
}

const lackedBy = (fit: Compatibility): readonly string[] => (fit.kind === 'lacks' ? fit.components : []);

const isAbout: Readonly<Record<PlanAgentsAbout, (note: AgentNote) => boolean>> = {
	pushed: ({ excluded }) => excluded === null,
	excluded: ({ excluded }) => excluded !== null,
	'sick-before': ({ excluded, sickBefore }) => excluded === null && sickBefore,
	incompatible: ({ excluded, fit }) => excluded === null && fit.kind === 'lacks',
	unknown: ({ excluded, fit }) => excluded === null && fit.kind === 'unknown',
	'no-way-back': ({ noWayBack }) => noWayBack,
};

/** Indexes of the notes of such agents. */
export const notesAbout = (notes: readonly AgentNote[], about: PlanAgentsAbout): readonly number[] =>
	notes.flatMap((note, index) => (isAbout[about](note) ? [index] : []));

/** Plans from before agents had notes list only those to be pushed. */
const unnoted: AgentNote = { excluded: null, sickBefore: false, noWayBack: false, fit: nobodyKnows };

interface Place {
	readonly step: number;
	readonly from: number;
	/** Where its agents without a session begin. */
	readonly deferredFrom: number;
	/** Exclusive. */
	readonly to: number;
}

/** Places of the plan that its steps take. */
export function placesOf(steps: readonly { readonly agents: number; readonly deferred: number }[]): readonly Place[] {
	let from = 0;
	return steps.map(({ agents, deferred }, index) => {
		const place = { step: index + 1, from, deferredFrom: from + agents, to: from + agents + deferred };
		from = place.to;
		return place;
	});
}

export function toPlannedAgent(
	{ id, place, note, hostname, instanceUid }: PlannedAgentRow,
	places: readonly Place[],
	notes: readonly AgentNote[],
): PlannedAgent {
	const { excluded, sickBefore, noWayBack, fit } = notes[note ?? -1] ?? unnoted;
	const at = places.find(({ to }) => place < to);
	return {
		...{ id, hostname, instanceUid, place: place + 1, step: at?.step ?? null },
		deferred: at !== undefined && place >= at.deferredFrom,
		...{ excluded, sickBefore, noWayBack, fit: fit.kind, lacks: [...lackedBy(fit)] },
	};
}
