import { type ErrorCode, errorCatalogue } from '@ampora/api-contract';
import { type Err, err, type Result } from '@ampora/runtime';

/** A refusal, in the words of the API's error body. */
export interface ControlError {
	readonly code: ErrorCode;
	/** What is wrong, naming what it is about. */
	readonly message: string;
	readonly details: Readonly<Record<string, unknown>>;
	/** What the caller should do. */
	readonly action: string;
}

export type Outcome<T> = Promise<Result<T, ControlError>>;

export function controlError(
	code: ErrorCode,
	message: string,
	{ details = {}, action }: { details?: Readonly<Record<string, unknown>>; action?: string } = {},
): ControlError {
	return { code, message, details, action: action ?? errorCatalogue[code].action };
}

export const refuse = (...given: Parameters<typeof controlError>): Err<ControlError> => err(controlError(...given));

/** `there is no group "edge"`, with where to look. */
export const notFound = (kind: string, reference: string, listedBy?: string): Err<ControlError> =>
	refuse('not-found', `there is no ${kind} "${reference}"`, {
		details: { kind, reference },
		...(listedBy !== undefined && { action: `Check the name; ${listedBy} shows what exists.` }),
	});
