import { type AnswerOf, type InputOf, type OperationId, type RolloutAnswer, routes } from '@ampora/api-contract';
import type { Result } from '@ampora/runtime';
import { isStoreAway } from '@ampora/store';
import { agentUseCases } from './agents.js';
import { auditUseCases } from './audit.js';
import { calendarUseCases } from './calendar.js';
import { authorise, type Caller, type Origin } from './caller.js';
import { comparisonUseCases } from './comparison.js';
import { compatibilityUseCases } from './compatibility.js';
import { configurationUseCases } from './configurations.js';
import { type ControlError, type Outcome, refuse } from './errors.js';
import { groupPreviewUseCases } from './group_preview.js';
import { groupUseCases } from './groups.js';
import { identityUseCases } from './identity.js';
import { planUseCases } from './plans.js';
import type { ControlDeps } from './ports.js';
import { rolloutUseCases } from './rollouts.js';
import { settingsUseCases } from './settings.js';
import { authenticate, tokenUseCases } from './tokens.js';
import { versionUseCases } from './versions.js';
import { watchRollout } from './watch.js';

type Unary = Exclude<OperationId, 'watchRollout'>;

/**
 * Every operation of the API, free of any transport: by operation id, from a caller and parsed input to an answer or a refusal. Each
 * checks the caller's role itself. They throw only for bugs; a database that is away is the refusal `unavailable`.
 */
export type Control = {
	readonly [Op in Unary]: (caller: Caller, input: InputOf<Op>) => Outcome<AnswerOf<Op>>;
} & {
	/** `token`: what followed `Bearer `; undefined: none was sent. */
	authenticate(token: string | undefined, origin: Origin): Outcome<Caller>;
	/** The rollout now, and again after each change, until it has ended or `signal` aborts. */
	watchRollout(
		caller: Caller,
		input: InputOf<'watchRollout'>,
		signal: AbortSignal,
	): Promise<Result<AsyncIterable<RolloutAnswer>, ControlError>>;
};

type UseCases = { readonly [Op in Unary]: (caller: Caller, input: InputOf<Op>) => Outcome<AnswerOf<Op>> };

async function unlessAway<T>(work: () => Outcome<T>): Outcome<T> {
	try {
		return await work();
	} catch (error) {
		if (isStoreAway(error)) return refuse('unavailable', 'the database does not answer');
		throw error;
	}
}

export function createControl(deps: ControlDeps): Control {
	const useCases: UseCases = {
		...identityUseCases(),
		...configurationUseCases(deps),
		...versionUseCases(deps),
		...comparisonUseCases(deps),
		...planUseCases(deps),
		...compatibilityUseCases(deps),
		...groupUseCases(deps),
		...groupPreviewUseCases(deps),
		...agentUseCases(deps),
		...rolloutUseCases(deps),
		...settingsUseCases(deps),
		...calendarUseCases(deps),
		...tokenUseCases(deps),
		...auditUseCases(deps),
	};
	const guard =
		<Op extends OperationId, Rest extends unknown[], T>(
			operation: Op,
			useCase: (caller: Caller, ...rest: Rest) => Outcome<T>,
		) =>
		async (caller: Caller, ...rest: Rest): Outcome<T> => {
			const allowed = authorise(caller, routes[operation].role);
			return allowed.ok ? unlessAway(() => useCase(caller, ...rest)) : allowed;
		};
	const guarded = Object.fromEntries(
		Object.entries(useCases).map(([operation, useCase]) => [
			operation,
			guard(operation as Unary, useCase as (caller: Caller, input: never) => Outcome<unknown>),
		]),
	) as unknown as UseCases;
	return {
		...guarded,
		authenticate: (token, origin) => unlessAway(() => authenticate(deps, token, origin)),
		watchRollout: guard('watchRollout', (_caller, input: InputOf<'watchRollout'>, signal: AbortSignal) =>
			watchRollout(deps, input, signal),
		),
	};
}
