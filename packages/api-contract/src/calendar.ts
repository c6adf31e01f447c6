// When groups may change: weekly windows in local time, and freezes.
import { weekdays } from '@ampora/rollout';
import { z } from 'zod';
import { id, instant, reference } from './fields.js';

const name = z.string().trim().min(1).max(100);
const day = z.enum(weekdays, { error: `write ${weekdays.join(', ')}` });
const groups = z.array(reference).min(1).max(100).optional();
const clock = (last: string) =>
	z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$|^24:00$/, `write a time of the day, like ${last}`);
/** An instant with any offset. */
export const instantInput = z.iso
	.datetime({ offset: true, error: 'write an instant with its offset, like 2026-12-20T18:00:00+01:00' })
	.meta({ description: 'An instant, RFC 3339.' });

export const changeWindowInput = z.strictObject({
	name,
	/** On which it opens; one that ends at or before it starts crosses midnight. */
	days: z.array(day).min(1).max(7),
	from: clock('22:00'),
	to: clock('06:00'),
	/** IANA name, as Europe/Berlin. */
	timeZone: z.string().min(1).max(64),
	/** None: for all groups. */
	groups,
});
export const changeWindow = z
	.object({
		id,
		name: z.string(),
		days: z.array(day),
		from: z.string(),
		to: z.string(),
		timeZone: z.string(),
		/** Ids; empty: all groups. */
		groups: z.array(id),
		createdBy: z.string(),
		createdAt: instant,
	})
	.meta({ id: 'ChangeWindow' });
export type ChangeWindowAnswer = z.infer<typeof changeWindow>;

export const freezeInput = z.strictObject({
	name,
	reason: z.string().trim().min(1).max(1_000),
	from: instantInput,
	until: instantInput,
	/** None: for all groups. */
	groups,
});
export const freeze = z
	.object({
		id,
		name: z.string(),
		reason: z.string(),
		from: instant,
		until: instant,
		/** Ids; empty: all groups. */
		groups: z.array(id),
		createdBy: z.string(),
		createdAt: instant,
	})
	.meta({ id: 'Freeze' });
export type FreezeAnswer = z.infer<typeof freeze>;
