import { z } from 'zod';
import { id, pageOf } from '../fields.js';
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
} from '../tokens.js';
import { page, type Route, route } from './route.js';

export const accessRoutes = {
	getIdentity: route('GET', '/identity', {
		tag: 'Tokens',
		role: 'Viewer',
		summary: 'Who the token belongs to, and its role',
		answers: { 200: identity },
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
