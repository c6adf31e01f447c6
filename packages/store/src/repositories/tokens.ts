import { and, asc, eq, gt, isNull, sql } from 'drizzle-orm';
import type { Orm } from '../database.js';
import { apiToken, enrollmentToken } from '../schema.js';

export type ApiTokenRow = Omit<typeof apiToken.$inferSelect, 'tokenHash'>;
export type EnrollmentTokenRow = Omit<typeof enrollmentToken.$inferSelect, 'tokenHash'>;

// Hashes never leave this file.
const { id, name, createdAt, revokedAt, role } = apiToken;
const apiColumns = { id, name, createdAt, revokedAt, role };
const enrollmentColumns = {
	id: enrollmentToken.id,
	name: enrollmentToken.name,
	createdAt: enrollmentToken.createdAt,
	revokedAt: enrollmentToken.revokedAt,
};
const now = sql`clock_timestamp()`;

export function tokensOn(db: Orm) {
	return {
		/** The token with this sha256, unless it was revoked. The look-up by hash is what keeps it from leaking by timing. */
		async findApiToken(tokenHash: Uint8Array): Promise<ApiTokenRow | null> {
			const match = and(eq(apiToken.tokenHash, tokenHash), isNull(apiToken.revokedAt));
			return (await db.select(apiColumns).from(apiToken).where(match))[0] ?? null;
		},

		async insertApiToken(row: typeof apiToken.$inferInsert): Promise<ApiTokenRow> {
			return only(await db.insert(apiToken).values(row).returning(apiColumns));
		},

		async insertEnrollmentToken(row: typeof enrollmentToken.$inferInsert): Promise<EnrollmentTokenRow> {
			return only(await db.insert(enrollmentToken).values(row).returning(enrollmentColumns));
		},

		/** Oldest first; `after` is the last id of the page before (ids are in time order). */
		async listApiTokens(limit: number, after: string | null): Promise<readonly ApiTokenRow[]> {
			const query = db.select(apiColumns).from(apiToken);
			return (after === null ? query : query.where(gt(apiToken.id, after))).orderBy(asc(apiToken.id)).limit(limit);
		},

		async listEnrollmentTokens(limit: number, after: string | null): Promise<readonly EnrollmentTokenRow[]> {
			const query = db.select(enrollmentColumns).from(enrollmentToken);
			const paged = after === null ? query : query.where(gt(enrollmentToken.id, after));
			return paged.orderBy(asc(enrollmentToken.id)).limit(limit);
		},

		/** Null when there is none; one revoked before keeps its time. */
		async revokeApiToken(tokenId: string): Promise<ApiTokenRow | null> {
			const revokedAt = sql`coalesce(${apiToken.revokedAt}, ${now})`;
			const rows = await db.update(apiToken).set({ revokedAt }).where(eq(apiToken.id, tokenId)).returning(apiColumns);
			return rows[0] ?? null;
		},

		async revokeEnrollmentToken(tokenId: string): Promise<EnrollmentTokenRow | null> {
			const rows = await db
				.update(enrollmentToken)
				.set({ revokedAt: sql`coalesce(${enrollmentToken.revokedAt}, ${now})` })
				.where(eq(enrollmentToken.id, tokenId))
				.returning(enrollmentColumns);
			return rows[0] ?? null;
		},

		async activeApiTokenNamed(given: string): Promise<boolean> {
			const match = and(eq(name, given), isNull(revokedAt));
			return (await db.select({ id }).from(apiToken).where(match).limit(1)).length > 0;
		},

		/** Is there any API token that works. */
		async anyApiToken(): Promise<boolean> {
			return (await db.select({ id }).from(apiToken).where(isNull(apiToken.revokedAt)).limit(1)).length > 0;
		},
	};
}

function only<Row>(rows: readonly Row[]): Row {
	const [row] = rows;
	if (row === undefined) throw new Error('an insert returned no row');
	return row;
}
