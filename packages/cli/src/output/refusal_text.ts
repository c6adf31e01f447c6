// A refusal of the server, said of the command line: fields by the options that set them.
import { type ErrorBody, type ErrorCode, errorCatalogue } from '@ampora/api-contract';

/** Fields whose options have other names. */
const otherNames: readonly (readonly [field: RegExp, option: string])[] = [
	[/^(gates|gateDefaults)\..+\.minSample$/, '--min-sample'],
	[/^gateDefaults\b/, '--gate'],
	[/^defaultVersion$/, '--default'],
	[/^agentIdentity\b/, '--identity'],
	[/^fleetRetention\.unseen$/, '--archive-unseen'],
	[/^fleetRetention\.goodbye$/, '--archive-goodbye'],
	[/^strategy\.kind$/, '--strategy'],
];

const kebab = (name: string): string => `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/** The option of the command that sets the field, or the field itself where there is none. */
export function optionOf(field: string, options: readonly string[]): string {
	const other = otherNames.find(([pattern]) => pattern.test(field))?.[1];
	const parts = field.replaceAll(/\[\d+\]/g, '').split('.');
	const inside = parts[0] === 'strategy' && parts.length > 1 ? parts.slice(1) : parts;
	const names = inside.flatMap((part) => [kebab(part), kebab(part.replace(/s$/, ''))]);
	return [...(other === undefined ? [] : [other]), ...names].find((name) => options.includes(name)) ?? field;
}

interface IssueLike {
	readonly field: string;
	readonly message: string;
}
const isIssue = (value: unknown): value is IssueLike =>
	typeof value === 'object' &&
	value !== null &&
	'field' in value &&
	typeof value.field === 'string' &&
	'message' in value;

/** What is wrong; several things stand in lines of their own. */
export function messageOf({ message, details }: ErrorBody, options: readonly string[]): string {
	const { issues, field } = details;
	if (Array.isArray(issues) && issues.length > 0 && issues.every(isIssue)) {
		return issues
			.map((issue) => (issue.field === '' ? issue.message : `${optionOf(issue.field, options)}: ${issue.message}`))
			.join('\n  ');
	}
	if (typeof field === 'string' && message.startsWith(`${field}: `))
		return `${optionOf(field, options)}${message.slice(field.length)}`;
	return message;
}

/** Where the catalogue speaks of requests. */
const actions: Partial<Record<ErrorCode, string>> = {
	'invalid-argument': 'Correct that and try again; --help says what the command takes.',
	'command-not-allowed': 'ampora rollouts get lists the commands that are possible now.',
	'config-invalid': 'Correct what the findings name.',
};

export function actionOf({ code, action }: ErrorBody): string {
	if (code === 'unauthenticated') return `${action} Give it with --token or AMPORA_TOKEN.`;
	return action === errorCatalogue[code].action ? (actions[code] ?? action) : action;
}
