import { z } from 'zod';
import { agent, agentSummary, agentsQuery, catalogue, fleet } from '../agents.js';
import { id, pageOf, reference } from '../fields.js';
import {
	agentListInput,
	group,
	groupChange,
	groupDeletion,
	groupInput,
	groupPreview,
	groupPreviewInput,
	groupsQuery,
	groupUpdate,
	membershipChange,
} from '../groups.js';
import { page, type Route, route } from './route.js';

const inGroup = z.object({ group: reference });

export const fleetRoutes = {
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
		query: groupsQuery,
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
		summary: 'Change the selector, the priority, the default version or the protection of a group',
		params: inGroup,
		body: groupChange,
		answers: { 200: groupUpdate },
		errors: [
			'not-found',
			'group-not-a-target',
			'group-deleted',
			'selector-invalid',
			'version-not-published',
			'rollout-active',
		],
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
		summary: 'Delete a group without a rollout under way, a static one without agents; it can be restored',
		params: inGroup,
		answers: { 200: groupDeletion },
		errors: ['not-found', 'group-in-use', 'group-deleted', 'rollout-active'],
	}),
	restoreGroup: route('POST', '/groups/:group/restore', {
		tag: 'Groups',
		role: 'Operator',
		summary: 'Bring a deleted group back with its selector, priority and change windows',
		params: inGroup,
		answers: { 200: groupUpdate },
		errors: ['not-found', 'rollout-active'],
	}),
	resumeEnrolment: route('POST', '/groups/:group/enrolment/resume', {
		tag: 'Groups',
		role: 'Operator',
		summary: 'Let newcomers of a group be given its default again after its enrolment gate fired',
		params: inGroup,
		answers: { 200: group },
		errors: ['not-found', 'group-not-a-target', 'group-deleted'],
	}),
	addGroupAgents: route('POST', '/groups/:group/add', {
		tag: 'Groups',
		role: 'Operator',
		summary: 'Move agents into a group, from whichever they are in',
		params: inGroup,
		body: agentListInput,
		answers: { 200: membershipChange },
		errors: ['not-found', 'group-not-a-target', 'group-deleted', 'group-dynamic'],
	}),
	removeGroupAgents: route('POST', '/groups/:group/remove', {
		tag: 'Groups',
		role: 'Operator',
		summary: 'Move agents of a group to the built-in one',
		params: inGroup,
		body: agentListInput,
		answers: { 200: membershipChange },
		errors: ['not-found', 'group-not-a-target', 'group-deleted', 'group-dynamic'],
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
} as const satisfies Record<string, Route>;
