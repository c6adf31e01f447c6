import type { RolloutEventAnswer } from '@ampora/api-contract';
import type { RolloutEvent } from '@ampora/rollout';
import { formatDuration } from '@ampora/runtime';
import type { EventRow } from '@ampora/store';

/** What one decision told people, each on a line of its own. */
export const toEvents = ({ seq, at, events }: EventRow): RolloutEventAnswer[] =>
	(events as RolloutEvent[]).map((event) => {
		const { kind, ...data } = event;
		return { seq, at: at.toISOString(), kind, text: textOf(event), data };
	});

function textOf(event: RolloutEvent): string {
	switch (event.kind) {
		case 'state':
			return `${event.from} → ${event.to}: ${event.why}`;
		case 'step-started':
			return `step ${event.step + 1} started`;
		case 'step-ended':
			return `step ${event.step + 1} ended`;
		case 'gate-fired':
			return event.message;
		case 'paused':
			return `paused (${event.reasons.join(', ')}): ${event.why}`;
		case 'resumed':
			return `resumed (${event.reasons.join(', ')}): ${event.why}`;
		case 'dwell-extended':
			return `dwell of step ${event.step + 1} extended by ${formatDuration(event.byMs)}: ${event.why}`;
		case 'gates-edited':
			return `gates edited: ${event.changes.join('; ')}: ${event.why}`;
		case 'tail-closed':
			return `agents that were deferred are not pushed any more: ${event.why}`;
		case 'hold-began':
			return `holding: ${event.cause}`;
		case 'hold-ended':
			return `no longer holding: ${event.cause}`;
		case 'command':
			return `${event.command} by ${event.actor} ${event.accepted ? 'accepted' : 'refused'}`;
	}
}
