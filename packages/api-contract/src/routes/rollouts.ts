import { z } from 'zod';
import { id, pageOf } from '../fields.js';
import { planAgentsQuery, plannedAgent, rolloutPlan } from '../plans.js';
import {
	command,
	commandDone,
	commandPending,
	rollout,
	rolloutAccepted,
	rolloutEvent,
	rolloutSummary,
	rolloutTarget,
} from '../rollout_answer.js';
import { commandInputs, eventsQuery, planInput, rolloutInput, rolloutsQuery, targetsQuery } from '../rollout_input.js';
import { type Route, route } from './route.js';

const inRollout = z.object({ rollout: id });

const commandRoute = <Kind extends keyof typeof commandInputs>(kind: Kind, summary: string) =>
	route('POST', `/rollouts/:rollout/${kind}`, {
		tag: 'Rollouts',
		role: 'Operator',
		summary,
		params: inRollout,
		body: commandInputs[kind],
		answers: { 200: commandDone, 202: commandPending },
		errors: [
			'not-found',
			'command-not-allowed',
			'command-refused',
			'rollout-active',
			'version-not-published',
			'group-deleted',
			'idempotency-mismatch',
		],
	});

export const rolloutRoutes = {
	planRollout: route('POST', '/rollout-plans', {
		tag: 'Plans',
		role: 'Operator',
		summary: 'What a rollout would do: agents per step, gates, risks; kept for 24 hours, to be started as it is',
		body: planInput,
		answers: { 201: rolloutPlan },
		errors: ['not-found', 'version-not-published', 'group-not-a-target', 'group-deleted', 'config-invalid'],
	}),
	getRolloutPlan: route('GET', '/rollout-plans/:plan', {
		tag: 'Plans',
		role: 'Viewer',
		summary: 'One plan',
		params: z.object({ plan: id }),
		answers: { 200: rolloutPlan },
		errors: ['not-found'],
	}),
	listPlanAgents: route('GET', '/rollout-plans/:plan/agents', {
		tag: 'Plans',
		role: 'Viewer',
		summary: 'The agents of a plan, in the order in which they would be pushed, then those left out and why',
		params: z.object({ plan: id }),
		query: planAgentsQuery,
		answers: { 200: pageOf(plannedAgent) },
		errors: ['not-found'],
	}),

	createRollout: route('POST', '/rollouts', {
		tag: 'Rollouts',
		role: 'Operator',
		summary: 'Roll a version out to a group',
		body: rolloutInput,
		answers: { 202: rolloutAccepted },
		errors: [
			'not-found',
			'rollout-active',
			'command-refused',
			'version-not-published',
			'group-not-a-target',
			'group-deleted',
			'config-invalid',
			'idempotency-mismatch',
			'plan-void',
		],
	}),
	listRollouts: route('GET', '/rollouts', {
		tag: 'Rollouts',
		role: 'Viewer',
		summary: 'List rollouts, newest first',
		query: rolloutsQuery,
		answers: { 200: pageOf(rolloutSummary) },
		errors: ['not-found'],
	}),
	getRollout: route('GET', '/rollouts/:rollout', {
		tag: 'Rollouts',
		role: 'Viewer',
		summary: 'Everything about one rollout',
		params: inRollout,
		answers: { 200: rollout },
		errors: ['not-found'],
	}),
	watchRollout: route('GET', '/rollouts/:rollout/watch', {
		tag: 'Rollouts',
		role: 'Viewer',
		summary: 'The rollout as server-sent events: one at once, one after each change, until it has ended',
		params: inRollout,
		answers: { 200: rollout },
		errors: ['not-found'],
		stream: true,
	}),
	listRolloutTargets: route('GET', '/rollouts/:rollout/targets', {
		tag: 'Rollouts',
		role: 'Viewer',
		summary: 'Its agents in rank order, by state',
		params: inRollout,
		query: targetsQuery,
		answers: { 200: pageOf(rolloutTarget) },
		errors: ['not-found'],
	}),
	listRolloutEvents: route('GET', '/rollouts/:rollout/events', {
		tag: 'Rollouts',
		role: 'Viewer',
		summary: 'What happened, in order',
		params: inRollout,
		query: eventsQuery,
		answers: { 200: pageOf(rolloutEvent) },
		errors: ['not-found'],
	}),
	startRollout: commandRoute('start', 'Start a rollout that was created to be started by hand'),
	cancelRollout: commandRoute('cancel', 'Cancel a rollout that has not started'),
	pauseRollout: commandRoute('pause', 'Stop handing out the version; what is on its way finishes'),
	resumeRollout: commandRoute('resume', 'Lift pause reasons and go on in the same step'),
	advanceRollout: commandRoute('advance', 'End the dwell now'),
	extendRollout: commandRoute('extend', 'Lengthen the dwell of the current step'),
	abortRollout: commandRoute('abort', 'Stop for good; agents stay as they are'),
	retryRollout: commandRoute('retry', 'Offer the version again to agents that failed'),
	excludeRolloutAgents: commandRoute('exclude', 'Leave agents out'),
	editRolloutGates: commandRoute('edit-gates', 'Make gates tighter, or while paused looser'),
	rollbackRollout: commandRoute('rollback', 'Take every touched agent back to the version it proved before'),
	getRolloutCommand: route('GET', '/rollouts/:rollout/commands/:command', {
		tag: 'Rollouts',
		role: 'Viewer',
		summary: 'Whether a command was decided, and how',
		params: z.object({ rollout: id, command: id }),
		answers: { 200: command },
		errors: ['not-found'],
	}),
} as const satisfies Record<string, Route>;
