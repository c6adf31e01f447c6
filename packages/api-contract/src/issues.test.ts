import { expect, test } from 'vitest';
import { z } from 'zod';
import { fieldIssues, issuesText } from './issues.js';

const said = (schema: z.ZodType, value: unknown) =>
	issuesText(fieldIssues(schema.safeParse(value).error?.issues ?? []));

test('what is wrong with a field is a sentence', () => {
	const schema = z.strictObject({
		name: z.string().min(1).max(3).optional(),
		limit: z.coerce.number().int().min(1).max(5).optional(),
		kind: z.enum(['pause', 'rollback']).optional(),
		list: z.array(z.boolean()).max(1).optional(),
	});
	expect(said(schema, { name: 'four' })).toBe('name: has more than 3 characters');
	expect(said(schema, { name: '' })).toBe('name: is empty');
	expect(said(schema, { limit: 'x' })).toBe('limit: write a number');
	expect(said(schema, { limit: 1.5 })).toBe('limit: write a whole number');
	expect(said(schema, { limit: 6 })).toBe('limit: is more than 5');
	expect(said(schema, { kind: 'x' })).toBe('kind: write one of pause, rollback');
	expect(said(schema, { list: [true, true] })).toBe('list: has more than 1 entries');
	expect(said(schema, { window: 1, door: 2 })).toBe('window: there is no such field; door: there is no such field');
	expect(said(z.object({ name: z.string() }), {})).toBe('name: is missing');
});

test('of one field one thing is said, and of several forms the one that was meant', () => {
	const schema = z.object({ name: z.string().max(3, 'too long').regex(/^a/, 'begins with a') });
	expect(said(schema, { name: 'bbbb' })).toBe('name: too long');
	const either = z.object({ config: z.union([z.string(), z.strictObject({ yaml: z.string() })]) });
	expect(said(either, { config: { yaml: 5 } })).toBe('config.yaml: write text');
	expect(said(either, { config: 5 })).toBe('config: this has none of the forms it may have');
});
