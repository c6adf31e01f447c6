// What is wrong with a request, in sentences: one place for all of them, on every transport.
import { z } from 'zod';

/** A field of a request, as `strategy.steps[0].size`, and what is wrong with it. Empty: the request as a whole. */
export interface FieldIssue {
	readonly field: string;
	readonly message: string;
}

/** As a validation reports it. */
export interface RawIssue {
	readonly code?: string | undefined;
	readonly path: readonly PropertyKey[];
	readonly message: string;
	readonly keys?: readonly string[] | undefined;
	/** Of a union: what each of its forms says. */
	readonly errors?: readonly (readonly RawIssue[])[] | undefined;
}

const kinds: Readonly<Record<string, string>> = {
	string: 'text',
	number: 'a number',
	int: 'a whole number',
	boolean: 'true or false',
	array: 'a list',
	object: 'an object',
	record: 'an object',
};
const units: Readonly<Record<string, string>> = { string: ' characters', array: ' entries' };
const unknownField = 'there is no such field';
const noForm = 'this has none of the forms it may have';

const limit = (words: string, origin: string | undefined, bound: unknown): string =>
	`${origin !== undefined && origin in units ? 'has' : 'is'} ${words} ${bound}${units[origin ?? ''] ?? ''}`;

const choice = (values: readonly unknown[]): string =>
	values.length === 1 ? `write ${values[0]}` : `write one of ${values.join(', ')}`;

/** For whatever a schema itself says nothing more precise about. */
function sentence(issue: z.core.$ZodRawIssue): string | undefined {
	switch (issue.code) {
		case 'invalid_type':
			return issue.input === undefined ? 'is missing' : `write ${kinds[issue.expected] ?? issue.expected}`;
		case 'too_big':
			return limit('more than', issue.origin, issue.maximum);
		case 'too_small':
			return issue.origin === 'string' && issue.minimum === 1
				? 'is empty'
				: limit('less than', issue.origin, issue.minimum);
		case 'invalid_value':
			return choice(issue.values);
		case 'invalid_format':
			return issue.format === 'datetime' ? 'write an instant like 2026-03-01T22:00:00Z' : 'is not well formed';
		case 'unrecognized_keys':
			return unknownField;
		case 'invalid_union':
			return noForm;
		default:
			return undefined;
	}
}

z.config({ customError: sentence });

const fieldOf = (path: readonly PropertyKey[]): string =>
	path
		.map((part) => (/^\d+$/.test(String(part)) ? `[${String(part)}]` : `.${String(part)}`))
		.join('')
		.replace(/^\./, '');

function flattened({ code, path, message, keys = [], errors = [] }: RawIssue): readonly FieldIssue[] {
	if (code === 'unrecognized_keys' && message === unknownField)
		return keys.map((key) => ({ field: fieldOf([...path, key]), message }));
	if (code === 'invalid_union' && message === noForm) {
		// The form that was meant is the one with something wrong inside.
		const meant = errors.find((form) => form.length > 0 && form.every((inner) => inner.path.length > 0 || inner.keys));
		if (meant !== undefined) return meant.flatMap((inner) => flattened({ ...inner, path: [...path, ...inner.path] }));
	}
	return [{ field: fieldOf(path), message }];
}

/** Each field once: what is wrong with it first is what has to be put right first. */
export function fieldIssues(issues: readonly RawIssue[]): readonly FieldIssue[] {
	const found = issues.flatMap(flattened);
	return found.filter(({ field }, index) => found.findIndex((earlier) => earlier.field === field) === index);
}

export const issuesText = (issues: readonly FieldIssue[]): string =>
	issues.map(({ field, message }) => (field === '' ? message : `${field}: ${message}`)).join('; ');
