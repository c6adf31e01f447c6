import type { AnswerOf } from '@ampora/api-contract';
import { ok } from '@ampora/runtime';
import type { Caller } from './caller.js';
import type { Outcome } from './errors.js';

export const identityUseCases = () => ({
	async getIdentity({ actor, role }: Caller): Outcome<AnswerOf<'getIdentity'>> {
		return ok({ actor, role });
	},
});
