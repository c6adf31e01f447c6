import { z } from 'zod';
import { agent, agentSummary, agentsQuery, catalogue, fleet } from './agents.js';
import { changeWindow, changeWindowInput, freeze, freezeInput } from './calendar.js';
import {
	comparisonQuery,
	compatibilityQuery,
	configuration,
	configurationInput,
	filesInput,
	filesValidation,
	published,
	validation,
	validationQuery,
	version,
	versionComparison,
	versionCompatibility,
	versionSummary,
} from './configurations.js';
import type { ErrorCode } from './errors.js';
import { empty, id, pageOf, pageQuery, type Role, reference } from './fields.js';
import {
	agentListInput,
	group,
	groupChange,
	groupInput,
	groupPreview,
	groupPreviewInput,
	membershipChange,
} from './groups.js';
import { planAgentsQuery, plannedAgent, rolloutPlan } from './plans.js';
import {
	command,
	commandDone,
	commandPending,
	rollout,
	rolloutAccepted,
	rolloutEvent,
	rolloutSummary,
	rolloutTarget,
} from './rollout_answer.js';
import { commandInputs, eventsQuery, planInput, rolloutInput, rolloutsQuery, targetsQuery } from './rollout_input.js';
import { settings, settingsChange } from './settings.js';
import {
	apiToken,
	apiTokenInput,
	auditEvent,
	auditQuery,
	enrollmentToken,
	enrollmentTokenInput,
	identity,
	newApiToken,
	newEnrollmentToken,
} from './tokens.js';

export interface Route {
	readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
	/** With `:name` for parameters. */
	readonly path: string;
	/** The least role that may call it. */
	readonly role: Role;
	readonly summary: string;
	readonly tag: string;
	readonly params: z.ZodObject;
	readonly query: z.ZodType;
	readonly body: z.ZodType | null;
	/** Schema per success status. */
	readonly answers: Readonly<Record<number, z.ZodType>>;
	/** Errors besides those any route may give. */
	readonly errors: readonly ErrorCode[];
	/** Answers with server-sent events of this schema instead of one body. */
	readonly stream?: true;
}

/** What any route with a role may answer besides its own errors. */
export const anyRouteErrors: readonly ErrorCode[] = [
	'invalid-argument',
	'unauthenticated',
	'forbidden',
	'unavailable',
	'internal',
];

const none = z.strictObject({});
const page = z.strictObject(pageQuery);
const base = '/api/v1';
const inConfiguration = z.object({ configuration: reference });
const inVersion = z.object({ configuration: reference, number: z.coerce.number().int().min(1) });
const inGroup = z.object({ group: reference });
const inRollout = z.object({ rollout: id });

type Verb = Route['method'];
const defaults = { params: none, query: none, body: null, errors: [] as const };
/** Fills what a route does not say, and keeps the exact schemas for the types of clients and handlers. */
function route<const Given extends Partial<Route> & Pick<Route, 'role' | 'summary' | 'tag' | 'answers'>>(
	method: Verb,
	path: string,
	given: Given,
): Omit<typeof defaults, keyof Given> & Given & { readonly method: Verb; readonly path: string } {
	return { ...defaults, ...given, method, path: `${base}${path}` };
}

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
			'idempotency-mismatch',
		],
	});

/** Every operation of the REST API by its operation id. The server, its OpenAPI document, the CLI and the console are made from it. */
export const routes = {
	getIdentity: route('GET', '/identity', {
		tag: 'Tokens',
		role: 'Viewer',
		summary: 'Who the token belongs to, and its role',
		answers: { 200: identity },
	}),

	createConfiguration: route('POST', '/configurations', {
		tag: 'Configurations',
		role: 'Operator',
		summary: 'Create a configuration without versions',
		body: configurationInput,
		answers: { 201: configuration },
		errors: ['already-exists'],
	}),
	listConfigurations: route('GET', '/configurations', {
		tag: 'Configurations',
		role: 'Viewer',
		summary: 'List configurations by name',
		query: page,
		answers: { 200: pageOf(configuration) },
	}),
	getConfiguration: route('GET', '/configurations/:configuration', {
		tag: 'Configurations',
		role: 'Viewer',
		summary: 'One configuration',
		params: inConfiguration,
		answers: { 200: configuration },
		errors: ['not-found'],
	}),
	deleteConfiguration: route('DELETE', '/configurations/:configuration', {
		tag: 'Configurations',
		role: 'Operator',
		summary: 'Delete a configuration that has nothing but drafts',
		params: inConfiguration,
		answers: { 200: empty },
		errors: ['not-found', 'configuration-in-use'],
	}),
	validateFiles: route('POST', '/config-validations', {
		tag: 'Configurations',
		role: 'Viewer',
		summary: 'Findings for files that are not stored',
		body: filesValidation,
		answers: { 200: validation },
		errors: ['payload-too-large', 'not-found'],
	}),

	createVersion: route('POST', '/configurations/:configuration/versions', {
		tag: 'Versions',
		role: 'Operator',
		summary: 'Create a draft',
		params: inConfiguration,
		body: filesInput,
		answers: { 201: versionSummary },
		errors: ['not-found', 'payload-too-large'],
	}),
	listVersions: route('GET', '/configurations/:configuration/versions', {
		tag: 'Versions',
		role: 'Viewer',
		summary: 'List versions, newest first',
		params: inConfiguration,
		query: page,
		answers: { 200: pageOf(versionSummary) },
		errors: ['not-found'],
	}),
	getVersion: route('GET', '/configurations/:configuration/versions/:number', {
		tag: 'Versions',
		role: 'Viewer',
		summary: 'One version with its files',
		params: inVersion,
		answers: { 200: version },
		errors: ['not-found'],
	}),
	updateVersion: route('PUT', '/configurations/:configuration/versions/:number/files', {
		tag: 'Versions',
		role: 'Operator',
		summary: 'Replace the files of a draft',
		params: inVersion,
		body: filesInput,
		answers: { 200: versionSummary },
		errors: ['not-found', 'version-not-draft', 'payload-too-large'],
	}),
	deleteVersion: route('DELETE', '/configurations/:configuration/versions/:number', {
		tag: 'Versions',
		role: 'Operator',
		summary: 'Delete a draft, or an archived version that nothing leads to any more',
		params: inVersion,
		answers: { 200: empty },
		errors: ['not-found', 'version-not-deletable', 'version-in-use'],
	}),
	validateVersion: route('POST', '/configurations/:configuration/versions/:number/validate', {
		tag: 'Versions',
		role: 'Viewer',
		summary: 'Findings for a stored version',
		params: inVersion,
		query: validationQuery,
		answers: { 200: validation },
		errors: ['not-found'],
	}),
	publishVersion: route('POST', '/configurations/:configuration/versions/:number/publish', {
		tag: 'Versions',
		role: 'Operator',
		summary: 'Publish a draft: it never changes again and can be rolled out',
		params: inVersion,
		answers: { 200: published },
		errors: ['not-found', 'version-not-draft', 'config-invalid'],
	}),
	archiveVersion: route('POST', '/configurations/:configuration/versions/:number/archive', {
		tag: 'Versions',
		role: 'Operator',
		summary: 'Archive a published version that no agent is assigned',
		params: inVersion,
		answers: { 200: versionSummary },
		errors: ['not-found', 'version-not-published', 'version-in-use'],
	}),

	compareVersions: route('GET', '/configurations/:configuration/versions/:number/diff', {
		tag: 'Versions',
		role: 'Viewer',
		summary: 'What differs between two versions, by meaning and in text',
		params: inVersion,
		query: comparisonQuery,
		answers: { 200: versionComparison },
		errors: ['not-found', 'config-invalid'],
	}),
	getVersionCompatibility: route('GET', '/configurations/:configuration/versions/:number/compatibility', {
		tag: 'Versions',
		role: 'Viewer',
		summary: 'How many agents have, lack, or may lack the components of a version',
		params: inVersion,
		query: compatibilityQuery,
		answers: { 200: versionCompatibility },
		errors: ['not-found', 'config-invalid'],
	}),

	createGroup: route('POST', '/groups', {
		tag: 'Groups',
		role: 'Operator',
		summary: 'Create a group: static, or dynamic with a selector',
		body: groupInput,
		answers: { 201: group },
		errors: ['already-exists', 'selector-invalid'],
	}),
	listGroups: route('GET', '/groups', {
		tag: 'Groups',
		role: 'Viewer',
		summary: 'List groups by name',
		query: page,
		answers: { 200: pageOf(group) },
	}),
	getGroup: route('GET', '/groups/:group', {
		tag: 'Groups',
		role: 'Viewer',
		summary: 'One group',
		params: inGroup,
		answers: { 200: group },
		errors: ['not-found'],
	}),
	updateGroup: route('PUT', '/groups/:group', {
		tag: 'Groups',
		role: 'Operator',
		summary: 'Change the selector or the priority of a group',
		params: inGroup,
		body: groupChange,
		answers: { 200: group },
		errors: ['not-found', 'group-not-a-target', 'selector-invalid'],
	}),
	previewGroup: route('POST', '/group-previews', {
		tag: 'Groups',
		role: 'Viewer',
		summary: 'Who would come to a group and who would go, with another selector or priority; nothing changes',
		body: groupPreviewInput,
		answers: { 200: groupPreview },
		errors: ['not-found', 'group-not-a-target', 'selector-invalid'],
	}),
	deleteGroup: route('DELETE', '/groups/:group', {
		tag: 'Groups',
		role: 'Operator',
		summary: 'Delete an empty group that never had a rollout',
		params: inGroup,
		answers: { 200: empty },
		errors: ['not-found', 'group-in-use'],
	}),
	addGroupAgents: route('POST', '/groups/:group/add', {
		tag: 'Groups',
		role: 'Operator',
		summary: 'Move agents into a group, from whichever they are in',
		params: inGroup,
		body: agentListInput,
		answers: { 200: membershipChange },
		errors: ['not-found', 'group-not-a-target', 'group-dynamic'],
	}),
	removeGroupAgents: route('POST', '/groups/:group/remove', {
		tag: 'Groups',
		role: 'Operator',
		summary: 'Move agents of a group to the built-in one',
		params: inGroup,
		body: agentListInput,
		answers: { 200: membershipChange },
		errors: ['not-found', 'group-not-a-target', 'group-dynamic'],
	}),

	getFleet: route('GET', '/fleet', {
		tag: 'Agents',
		role: 'Viewer',
		summary: 'How many agents there are, by connection, health, group and version',
		answers: { 200: fleet },
	}),
	listAgents: route('GET', '/agents', {
		tag: 'Agents',
		role: 'Viewer',
		summary: 'List agents, filtered and sorted, page by page',
		query: agentsQuery,
		answers: { 200: pageOf(agentSummary) },
		errors: ['not-found'],
	}),
	getAgent: route('GET', '/agents/:agent', {
		tag: 'Agents',
		role: 'Viewer',
		summary: 'One agent with its assignment, health, apply error and effective config',
		params: z.object({ agent: id }),
		answers: { 200: agent },
		errors: ['not-found'],
	}),

	listCatalogues: route('GET', '/component-catalogues', {
		tag: 'Agents',
		role: 'Viewer',
		summary: 'What components the builds of agents have',
		query: page,
		answers: { 200: pageOf(catalogue) },
	}),

	planRollout: route('POST', '/rollout-plans', {
		tag: 'Plans',
		role: 'Operator',
		summary: 'What a rollout would do: agents per step, gates, risks; kept for 24 hours, to be started as it is',
		body: planInput,
		answers: { 201: rolloutPlan },
		errors: ['not-found', 'version-not-published', 'group-not-a-target', 'config-invalid'],
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
		summary: 'The agents of a plan, in the order in which they would be pushed',
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

	getSettings: route('GET', '/settings', {
		tag: 'Settings',
		role: 'Viewer',
		summary: 'Defaults of this installation',
		answers: { 200: settings },
	}),
	updateSettings: route('PUT', '/settings', {
		tag: 'Settings',
		role: 'Admin',
		summary: 'Change defaults; rollouts and plans that exist already keep theirs',
		body: settingsChange,
		answers: { 200: settings },
	}),
	createChangeWindow: route('POST', '/change-windows', {
		tag: 'Calendar',
		role: 'Admin',
		summary: 'Allow changes at some times of the week only, for some groups or all',
		body: changeWindowInput,
		answers: { 201: changeWindow },
		errors: ['not-found', 'already-exists'],
	}),
	listChangeWindows: route('GET', '/change-windows', {
		tag: 'Calendar',
		role: 'Viewer',
		summary: 'List change windows by name',
		query: page,
		answers: { 200: pageOf(changeWindow) },
	}),
	deleteChangeWindow: route('DELETE', '/change-windows/:name', {
		tag: 'Calendar',
		role: 'Admin',
		summary: 'Delete a change window',
		params: z.object({ name: reference }),
		answers: { 200: changeWindow },
		errors: ['not-found'],
	}),
	createFreeze: route('POST', '/freezes', {
		tag: 'Calendar',
		role: 'Operator',
		summary: 'Let nothing change for a time, in some groups or all',
		body: freezeInput,
		answers: { 201: freeze },
		errors: ['not-found', 'already-exists'],
	}),
	listFreezes: route('GET', '/freezes', {
		tag: 'Calendar',
		role: 'Viewer',
		summary: 'List freezes by name',
		query: page,
		answers: { 200: pageOf(freeze) },
	}),
	deleteFreeze: route('DELETE', '/freezes/:name', {
		tag: 'Calendar',
		role: 'Admin',
		summary: 'End a freeze',
		params: z.object({ name: reference }),
		answers: { 200: freeze },
		errors: ['not-found'],
	}),

	createApiToken: route('POST', '/api-tokens', {
		tag: 'Tokens',
		role: 'Admin',
		summary: 'Create an API token; it is shown once',
		body: apiTokenInput,
		answers: { 201: newApiToken },
	}),
	listApiTokens: route('GET', '/api-tokens', {
		tag: 'Tokens',
		role: 'Admin',
		summary: 'List API tokens',
		query: page,
		answers: { 200: pageOf(apiToken) },
	}),
	revokeApiToken: route('DELETE', '/api-tokens/:token', {
		tag: 'Tokens',
		role: 'Admin',
		summary: 'Revoke an API token',
		params: z.object({ token: id }),
		answers: { 200: apiToken },
		errors: ['not-found'],
	}),
	createEnrollmentToken: route('POST', '/enrollment-tokens', {
		tag: 'Tokens',
		role: 'Admin',
		summary: 'Create a token agents connect with; it is shown once',
		body: enrollmentTokenInput,
		answers: { 201: newEnrollmentToken },
	}),
	listEnrollmentTokens: route('GET', '/enrollment-tokens', {
		tag: 'Tokens',
		role: 'Admin',
		summary: 'List enrollment tokens',
		query: page,
		answers: { 200: pageOf(enrollmentToken) },
	}),
	revokeEnrollmentToken: route('DELETE', '/enrollment-tokens/:token', {
		tag: 'Tokens',
		role: 'Admin',
		summary: 'Revoke an enrollment token',
		params: z.object({ token: id }),
		answers: { 200: enrollmentToken },
		errors: ['not-found'],
	}),
	listAudit: route('GET', '/audit', {
		tag: 'Audit',
		role: 'Viewer',
		summary: 'State changes, newest first',
		query: auditQuery,
		answers: { 200: pageOf(auditEvent) },
	}),
} as const satisfies Record<string, Route>;

export type Routes = typeof routes;
export type OperationId = keyof Routes;
export const openApiPath = `${base}/openapi.json`;

/** What a caller of an operation writes, before parsing. */
export type ParamsOf<Op extends OperationId> = z.input<Routes[Op]['params']>;
export type QueryOf<Op extends OperationId> = z.input<Routes[Op]['query']>;
export type BodyOf<Op extends OperationId> = Routes[Op]['body'] extends z.ZodType
	? z.input<Routes[Op]['body']>
	: undefined;
/** Any of its successful answers. */
export type AnswerOf<Op extends OperationId> = {
	[Status in keyof Routes[Op]['answers']]: Routes[Op]['answers'][Status] extends z.ZodType
		? z.infer<Routes[Op]['answers'][Status]>
		: never;
}[keyof Routes[Op]['answers']];

type Parsed<Schema> = Schema extends z.ZodType
	? z.output<Schema> extends Record<string, never>
		? unknown
		: z.output<Schema>
	: unknown;
/** What a use case is given: parameters, query and body in one object, parsed (durations in ms, percentages as numbers). */
export type InputOf<Op extends OperationId> = Parsed<Routes[Op]['params']> &
	Parsed<Routes[Op]['query']> &
	Parsed<Routes[Op]['body']>;
