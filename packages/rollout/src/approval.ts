import type { Approval } from './model.js';

/** More agents than were foreseen, by both of these, is another rollout. */
const morePercent = 10;
const moreAgents = 10;

/** What has changed since the plan so that it binds nobody any more, in words; empty: it holds. */
export function voidedBy(
	approved: Approval,
	now: { readonly eligible: number; readonly nowMs: number },
): readonly string[] {
	const more = now.eligible - approved.eligible;
	const grown = more > moreAgents && 100 * more > morePercent * approved.eligible;
	return [
		...(grown ? [`${now.eligible} agents are to be pushed, ${approved.eligible} were when it was planned`] : []),
		...(now.nowMs > approved.untilMs ? ['it was planned more than 24 hours ago'] : []),
	];
}
