import { describe, expect, test } from 'vitest';
import { repeating } from './sql.js';
import { asStoreError, isRepeatable, StoreUnavailable } from './store_unavailable.js';

const failure = (code: string | undefined, message = 'something') => Object.assign(new Error(message), { code });

describe('which errors mean that Postgres is away', () => {
	test.each(['ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', '57P01', '57P03', '57014', '53300', '08006', '25006', '25P03'])(
		'%s does',
		(code) => {
			const cause = failure(code);
			expect(asStoreError(cause)).toMatchObject({ name: 'StoreUnavailable', reason: 'away', cause });
		},
	);

	test.each([
		'Connection terminated unexpectedly',
		'timeout exceeded when trying to connect',
		'Query read timeout',
		'PGlite is closed',
	])('"%s" without a code does', (message) => {
		expect(asStoreError(failure(undefined, message))).toBeInstanceOf(StoreUnavailable);
	});

	test.each(['23505', '42P01', '40001', '22P02'])('%s does not: it stays what it is', (code) => {
		const error = failure(code);
		expect(asStoreError(error)).toBe(error);
	});

	test('one that already says so is not wrapped again', () => {
		const error = new StoreUnavailable('lapsed', 'over');
		expect(asStoreError(error)).toBe(error);
	});
});

describe('repeating', () => {
	test('does again what Postgres broke up, but not for ever', async () => {
		let calls = 0;
		const failing = (times: number) =>
			repeating(async () => {
				calls += 1;
				if (calls <= times) throw failure('40P01');
				return 'done';
			});
		expect(await failing(3)).toBe('done');
		expect(calls).toBe(4);
		calls = 0;
		await expect(failing(100)).rejects.toSatisfy(isRepeatable);
		expect(calls).toBe(6);
	});

	test('lets everything else through at once', async () => {
		let calls = 0;
		const work = async () => {
			calls += 1;
			throw failure('23505');
		};
		await expect(repeating(work)).rejects.toMatchObject({ code: '23505' });
		expect(calls).toBe(1);
	});
});
