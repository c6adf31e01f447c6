import { createHash, randomBytes } from 'node:crypto';
import { type AnswerOf, type InputOf, type Role, uuidShape } from '@ampora/api-contract';
import { newId, ok } from '@ampora/runtime';
import type { ApiTokenRow, EnrollmentTokenRow, Repositories } from '@ampora/store';
import { audit } from './audit.js';
import type { Caller, Origin } from './caller.js';
import { textAfter, textCursor } from './cursor.js';
import { notFound, type Outcome, refuse } from './errors.js';
import type { ControlDeps } from './ports.js';
import { unitOfWork } from './unit_of_work.js';

/** The prefixes let secret scanners and people tell a leaked token from other text. */
const prefixes = { api: 'ampora_api_', enrollment: 'ampora_enroll_' } as const;
const newToken = (kind: keyof typeof prefixes): string => prefixes[kind] + randomBytes(32).toString('base64url');
/** What is stored and compared: 256 random bits need no salt and no slow hash. */
export const tokenHash = (token: string): Uint8Array => createHash('sha256').update(token).digest();

const toApiToken = ({ id, name, role, createdAt, revokedAt }: ApiTokenRow) => ({
	id,
	name,
	role,
	createdAt: createdAt.toISOString(),
	revokedAt: revokedAt?.toISOString() ?? null,
});
const toEnrollmentToken = ({ id, name, createdAt, revokedAt }: EnrollmentTokenRow) => ({
	id,
	name,
	createdAt: createdAt.toISOString(),
	revokedAt: revokedAt?.toISOString() ?? null,
});

async function addApiToken({ tokens }: Repositories, name: string, role: Role) {
	const token = newToken('api');
	const row = await tokens.insertApiToken({ id: newId(), name, role, tokenHash: tokenHash(token) });
	return { ...toApiToken(row), token };
}

async function addEnrollmentToken({ tokens }: Repositories, name: string) {
	const token = newToken('enrollment');
	const row = await tokens.insertEnrollmentToken({ id: newId(), name, tokenHash: tokenHash(token) });
	return { ...toEnrollmentToken(row), token };
}

/** Ids are in time order, so the last one is where the next page begins. */
function page<Row extends { id: string }, Item>(rows: readonly Row[], limit: number, toItem: (row: Row) => Item) {
	const kept = rows.slice(0, limit);
	const last = kept.at(-1);
	return {
		items: kept.map(toItem),
		nextCursor: rows.length > limit && last !== undefined ? textCursor(last.id) : null,
	};
}

export const tokenUseCases = ({ store }: ControlDeps) => ({
	async createApiToken(caller: Caller, { name, role }: InputOf<'createApiToken'>): Outcome<AnswerOf<'createApiToken'>> {
		return unitOfWork(store, async (repositories) => {
			// The name is the actor that audit rows and idempotency keys belong to.
			if (await repositories.tokens.activeApiTokenNamed(name)) {
				return refuse('already-exists', `there is an API token "${name}" already`, { details: { name } });
			}
			const created = await addApiToken(repositories, name, role);
			await audit(repositories, caller, {
				action: 'ApiToken.Created',
				entity: ['api-token', created.id],
				after: { name, role },
			});
			return ok(created);
		});
	},

	async listApiTokens(_: Caller, { limit, cursor }: InputOf<'listApiTokens'>): Outcome<AnswerOf<'listApiTokens'>> {
		const after = textAfter(cursor, uuidShape);
		if (!after.ok) return after;
		return ok(page(await store.tokens.listApiTokens(limit + 1, after.value), limit, toApiToken));
	},

	async revokeApiToken(caller: Caller, { token }: InputOf<'revokeApiToken'>): Outcome<AnswerOf<'revokeApiToken'>> {
		return unitOfWork(store, async (repositories) => {
			const row = await repositories.tokens.revokeApiToken(token);
			if (row === null) return notFound('API token', token, 'the list of API tokens');
			await audit(repositories, caller, { action: 'ApiToken.Revoked', entity: ['api-token', token] });
			return ok(toApiToken(row));
		});
	},

	async createEnrollmentToken(
		caller: Caller,
		{ name }: InputOf<'createEnrollmentToken'>,
	): Outcome<AnswerOf<'createEnrollmentToken'>> {
		return unitOfWork(store, async (repositories) => {
			const created = await addEnrollmentToken(repositories, name);
			await audit(repositories, caller, {
				action: 'EnrollmentToken.Created',
				entity: ['enrollment-token', created.id],
				after: { name },
			});
			return ok(created);
		});
	},

	async listEnrollmentTokens(
		_: Caller,
		{ limit, cursor }: InputOf<'listEnrollmentTokens'>,
	): Outcome<AnswerOf<'listEnrollmentTokens'>> {
		const after = textAfter(cursor, uuidShape);
		if (!after.ok) return after;
		return ok(page(await store.tokens.listEnrollmentTokens(limit + 1, after.value), limit, toEnrollmentToken));
	},

	async revokeEnrollmentToken(
		caller: Caller,
		{ token }: InputOf<'revokeEnrollmentToken'>,
	): Outcome<AnswerOf<'revokeEnrollmentToken'>> {
		return unitOfWork(store, async (repositories) => {
			const row = await repositories.tokens.revokeEnrollmentToken(token);
			if (row === null) return notFound('enrollment token', token, 'the list of enrollment tokens');
			await audit(repositories, caller, { action: 'EnrollmentToken.Revoked', entity: ['enrollment-token', token] });
			return ok(toEnrollmentToken(row));
		});
	},
});

/** Who a bearer token belongs to. `token` is what follows `Bearer `; absent: none was sent. */
export async function authenticate({ store }: ControlDeps, token: string | undefined, origin: Origin): Outcome<Caller> {
	if (token === undefined) return refuse('unauthenticated', 'no API token was sent');
	const row = await store.tokens.findApiToken(tokenHash(token));
	if (row === null) {
		const action = 'Use a current API token; an Admin can create one.';
		return refuse('unauthenticated', 'this API token is unknown or was revoked', { action });
	}
	return ok({ ...origin, actor: `token:${row.name}`, role: row.role });
}

/** The first Admin token and the first enrollment token of a new installation; null when there is an API token already. */
export async function bootstrapTokens({
	store,
}: Pick<ControlDeps, 'store'>): Promise<{ admin: string; enrollment: string } | null> {
	return store.transaction(async (repositories) => {
		if (await repositories.tokens.anyApiToken()) return null;
		const origin: Origin = { sourceAddress: null, traceparent: null, idempotencyKey: null };
		const system: Caller = { ...origin, actor: 'system', role: 'Admin' };
		const admin = await addApiToken(repositories, 'first-admin', 'Admin');
		const enrollment = await addEnrollmentToken(repositories, 'first-agents');
		await audit(repositories, system, {
			action: 'Installation.Bootstrapped',
			entity: ['api-token', admin.id],
			after: { admin: admin.name, enrollment: enrollment.name },
		});
		return { admin: admin.token, enrollment: enrollment.token };
	});
}
