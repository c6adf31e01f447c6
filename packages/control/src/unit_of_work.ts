import { ok, type Result } from '@ampora/runtime';
import type { ControlStore, Repositories } from '@ampora/store';
import type { ControlError, Outcome } from './errors.js';

class RolledBack extends Error {
	constructor(readonly result: Result<never, ControlError>) {
		super('rolled back');
	}
}

/** One transaction: committed when `work` answers ok, rolled back when it refuses. */
export async function unitOfWork<T>(store: ControlStore, work: (repositories: Repositories) => Outcome<T>): Outcome<T> {
	try {
		return await store.transaction(async (repositories) => {
			const result = await work(repositories);
			if (!result.ok) throw new RolledBack(result);
			return ok(result.value);
		});
	} catch (error) {
		if (error instanceof RolledBack) return error.result;
		throw error;
	}
}
