import { z } from 'zod';
import { id, instant, pageQuery, role } from './fields.js';

const label = z.string().trim().min(1).max(200);
export const apiTokenInput = z.strictObject({ name: label, role });
export const enrollmentTokenInput = z.strictObject({ name: label });

export const enrollmentToken = z
	.object({ id, name: z.string(), createdAt: instant, revokedAt: instant.nullable() })
	.meta({ id: 'EnrollmentToken' });
export const apiToken = enrollmentToken.extend({ role }).meta({ id: 'ApiToken' });
/** `token` is shown here and never again. */
const shownOnce = { token: z.string() };
export const newApiToken = apiToken.extend(shownOnce).meta({ id: 'NewApiToken' });
export const newEnrollmentToken = enrollmentToken.extend(shownOnce).meta({ id: 'NewEnrollmentToken' });

export const identity = z.object({ actor: z.string(), role }).meta({ id: 'Identity' });

export const auditQuery = z.strictObject({
	entityType: z.string().max(100).optional(),
	entity: z.string().max(200).optional(),
	actor: z.string().max(200).optional(),
	action: z.string().max(100).optional(),
	...pageQuery,
});
export const auditEvent = z
	.object({
		id: z.number().int(),
		at: instant,
		actor: z.string(),
		role: z.string(),
		action: z.string(),
		entityType: z.string(),
		entityId: z.string(),
		before: z.unknown(),
		after: z.unknown(),
		sourceAddress: z.string().nullable(),
		traceId: z.string().nullable(),
	})
	.meta({ id: 'AuditEvent' });
export type AuditEvent = z.infer<typeof auditEvent>;
