// What is known to go wrong with a rollout before it begins, each with what can be done about it.
import type { VersionComparison } from '@ampora/api-contract';
import { type Calendar, type Forecast, outlook } from '@ampora/rollout';
import { formatDuration } from '@ampora/runtime';

/** More agents than this are a risk of their own. */
const largeRollout = 1_000;
/** A group that may not change for so long cannot be rolled out to. */
const horizonMs = 14 * 86_400_000;

export interface Risk {
	readonly risk: string;
	readonly message: string;
	/** What to do about it. */
	readonly action: string;
	/** It is so at this hour, and the hour at which somebody looks is no term. */
	readonly passing?: true;
}

export interface Found {
	readonly foreseen: Forecast;
	readonly differences: readonly VersionComparison[];
	/** Paths by which agents find to their server, as far as they change. */
	readonly management: readonly string[];
	/** Components that agents lack. */
	readonly lacking: readonly string[];
	readonly incompatible: number;
	readonly unknown: number;
	readonly protectedGroup: boolean;
	readonly calendar: Calendar;
	/** When it would start, ms. */
	readonly fromMs: number;
}

export const noWayBackAction =
	'Accept it with acceptNoWayBack (--accept-no-way-back), or name the version they would go back to with rollbackTo (--rollback-to).';
export const protectedAction = 'Accept it with acceptProtected (--accept-protected) when it is meant for this group.';

const agentsText = (count: number): string => (count === 1 ? '1 agent' : `${count} agents`);

export function risksOf(found: Found): readonly Risk[] {
	const { foreseen, differences, management, lacking, incompatible, unknown } = found;
	const endpoints = [...new Set(differences.flatMap((one) => one.endpoints))];
	const pipelines = [...new Set(differences.flatMap((one) => one.removedPipelines))];
	const unable = unableGates(foreseen);
	const risk = (holds: boolean, name: string, message: string, action: string): readonly Risk[] =>
		holds ? [{ risk: name, message, action }] : [];
	return [
		...risk(
			foreseen.noWayBack > 0,
			'no-way-back',
			`${agentsText(foreseen.noWayBack)} never proved a version and could not be rolled back`,
			noWayBackAction,
		),
		...risk(
			management.length > 0,
			'management-path',
			`agents may not find back to their server (${management.join(', ')}); the first step is one agent`,
			'Watch that agent come back with the new version; where the change is not meant, take it out.',
		),
		...risk(
			endpoints.length > 0,
			'endpoint-changed',
			`data goes elsewhere: ${endpoints.join(', ')}`,
			'Make sure that the new address takes it, with the credentials the agents have.',
		),
		...risk(
			pipelines.length > 0,
			'pipeline-removed',
			`pipelines end: ${pipelines.join(', ')}`,
			'Make sure that nobody needs their data any more.',
		),
		...risk(
			incompatible > 0,
			'incompatible-agents',
			`${agentsText(incompatible)} lack ${lacking.join(', ')}`,
			'Give them a group and a version of their own, or a build that has it; "ampora configs compatibility" names the builds.',
		),
		...risk(
			unknown > 0,
			'unknown-catalogue',
			`nobody knows which components ${agentsText(unknown)} have`,
			'Let them report their components, or begin with a step that is small enough to be lost.',
		),
		...risk(
			unable.length > 0,
			'gates-advisory',
			`gates that cannot fire: ${unable.map(({ gate, why }) => (why === null ? gate : `${gate} (${why})`)).join('; ')}`,
			[
				...(unable.some(({ why }) => why === null) ? [weakAction] : []),
				...(unable.some(({ why }) => why !== null)
					? ['Mend agents before, or look at them yourself when it pauses and resume it.']
					: []),
			].join(' '),
		),
		...risk(
			foreseen.eligible > largeRollout,
			`over-size:${largeRollout}`,
			`${foreseen.eligible} agents are more than ${largeRollout}`,
			'Begin with small steps, and let somebody be there.',
		),
		...risk(
			found.protectedGroup,
			'protected-group',
			'the group is protected: a rollout to it has to be meant',
			protectedAction,
		),
		...windowRisk(found),
	];
}

const weakAction =
	'Make the steps larger, or minSample or the threshold smaller, or watch these steps yourself before the next one.';

interface UnableGate {
	readonly gate: string;
	/** Why it cannot pass; null: it could, and cannot fire. */
	readonly why: string | null;
}

/**
 * `disconnect-ratio in step 1`: over the step and over all pushed by then it could not fire, though there is somebody to judge; or it
 * cannot pass, and why. Where it judges nobody there is nothing to be done about it.
 */
const unableGates = ({ steps }: Forecast): readonly UnableGate[] =>
	steps.flatMap(({ gates }, index) =>
		Object.entries(gates).flatMap(([name, { step, rollout }]): readonly UnableGate[] => {
			const gate = `${name} in step ${index + 1}`;
			if (step.kind === 'inconclusive') return [{ gate, why: step.why }];
			const weak = step.kind === 'advisory' || rollout.kind === 'advisory';
			return weak && step.kind !== 'armed' && rollout.kind !== 'armed' ? [{ gate, why: null }] : [];
		}),
	);

const minute = (ms: number): string => `${new Date(ms).toISOString().slice(0, 16)}Z`;

const calendarAction =
	'Look at "ampora windows list" and "ampora freezes list"; start at another time (--start-at), or have them changed.';

/** It cannot begin, or not be done before the group closes. */
function windowRisk({ calendar, fromMs, foreseen }: Found): readonly Risk[] {
	const { leastMs } = foreseen.duration;
	const { beginsMs, closesMs, endsMs } = outlook(calendar, fromMs, leastMs);
	const risk = { risk: 'no-window', action: calendarAction };
	if (beginsMs === null) return [{ ...risk, message: 'no change window ever opens, as windows and freezes stand' }];
	if (beginsMs - fromMs > horizonMs) {
		return [{ ...risk, message: `the group may not change before ${minute(beginsMs)}` }];
	}
	if (closesMs === null) return [];
	const end = endsMs === null ? 'its end is not in sight' : `it ends at ${minute(endsMs)} at the earliest`;
	const message = `it takes at least ${formatDuration(leastMs)}, and the group closes at ${minute(closesMs)}; it goes on by itself when it opens, and ${end}`;
	return [{ ...risk, message, passing: true }];
}
