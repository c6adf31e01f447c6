// The small schemas everything else is made of. Requests use strict objects, so that a misspelt key is an error and not a default.
import { parseDuration, type Result } from '@ampora/runtime';
import { z } from 'zod';
import { errorCodes } from './errors.js';
import { parsePercent, parseStepSize } from './percent.js';

function read<Given, Read>(parse: (given: Given) => Result<Read, string>) {
	return (given: Given, context: z.RefinementCtx<Given>): Read => {
		const outcome = parse(given);
		if (outcome.ok) return outcome.value;
		context.addIssue({ code: 'custom', message: outcome.error });
		return z.NEVER;
	};
}

/** Text on the wire, ms when parsed. */
export const duration = z
	.string()
	.meta({ description: 'A duration, like 90s, 5m, 1h30m or 7d.', examples: ['5m'] })
	.transform(read(parseDuration));

const textOrNumber = z.union([z.string(), z.number()]);
export const percent = textOrNumber
	.meta({ description: 'A whole percentage from 0 to 100.', examples: [20, '20 %'] })
	.transform(read(parsePercent));
export const stepSize = textOrNumber
	.meta({ description: 'Cumulative: "5 %" of the group, or a number of agents.', examples: ['5 %', 10] })
	.transform(read(parseStepSize));

/** Names people give: they appear in addresses, and never look like an id. */
export const name = z
	.string()
	.regex(
		/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/,
		'use 1 to 63 letters, digits, dots, underscores and dashes, beginning with a letter or digit',
	)
	.refine((text) => !uuidShape.test(text), 'a name must not look like an id');
export const uuidShape = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
export const id = z
	.string()
	.regex(uuidShape, 'this is no id (a UUID, as the lists show it)')
	.meta({ description: 'An id (UUID).' });
/** A name or an id. */
export const reference = z.string().min(1).max(200);
/** `configuration@number`, or the id of a version. */
export const versionReference = reference.meta({ examples: ['edge@3'] });

export const instant = z.iso.datetime().meta({ description: 'An instant, ISO 8601 in UTC.' });
export const links = z.record(z.string(), z.string());
export const empty = z.strictObject({});

const flagText = z.enum(['true', 'false']);
/** `true` or `false` in a query string. */
export const flag = flagText.transform((text) => text === 'true');
const pageLimitMax = 500;
export const pageQuery = {
	limit: z.coerce.number().int().min(1).max(pageLimitMax).default(100),
	cursor: z.string().max(500).optional().meta({ description: 'nextCursor of the page before.' }),
};

/** `nextCursor` is null on the last page. */
export const pageOf = <Item extends z.ZodType>(item: Item) =>
	z.object({ items: z.array(item), nextCursor: z.string().nullable() });

export const role = z.enum(['Viewer', 'Operator', 'Admin']);
export type Role = z.infer<typeof role>;

export const errorBody = z
	.object({
		code: z.enum(errorCodes),
		message: z.string(),
		details: z.record(z.string(), z.unknown()),
		action: z.string().meta({ description: 'What the caller should do.' }),
	})
	.meta({ id: 'Error' });
export type ErrorBody = z.infer<typeof errorBody>;
