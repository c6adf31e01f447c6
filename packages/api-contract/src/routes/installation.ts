import { z } from 'zod';
import { changeWindow, changeWindowInput, freeze, freezeInput } from '../calendar.js';
import { pageOf, reference } from '../fields.js';
import { settings, settingsChange } from '../settings.js';
import { page, type Route, route } from './route.js';

export const installationRoutes = {
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
		errors: ['not-found', 'group-deleted', 'already-exists'],
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
		errors: ['not-found', 'group-deleted', 'already-exists'],
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
} as const satisfies Record<string, Route>;
