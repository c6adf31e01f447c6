import {
	anyRouteErrors,
	type ErrorBody,
	type ErrorCode,
	errorCatalogue,
	fieldIssues,
	issuesText,
	type Route,
} from '@ampora/api-contract';
import { type ControlError, controlError } from '@ampora/control';
import { hasZodFastifySchemaValidationErrors, isResponseSerializationError } from 'fastify-type-provider-zod';

export interface ErrorAnswer {
	readonly status: number;
	readonly body: ErrorBody;
}

export const answerOf = (error: ControlError): ErrorAnswer => ({
	status: errorCatalogue[error.code].http,
	body: { ...error, details: { ...error.details } },
});

/** Statuses a route may answer besides success, each with the codes that lead to it. */
export function errorStatuses(route: Pick<Route, 'errors'>): ReadonlyMap<number, readonly ErrorCode[]> {
	const codes = new Map<number, ErrorCode[]>();
	for (const code of new Set([...anyRouteErrors, ...route.errors])) {
		const { http } = errorCatalogue[code];
		codes.set(http, [...(codes.get(http) ?? []), code]);
	}
	return new Map([...codes].sort(([a], [b]) => a - b));
}

const fastifyCodes: Readonly<Record<string, (message: string) => ControlError>> = {
	FST_ERR_CTP_BODY_TOO_LARGE: () =>
		controlError('payload-too-large', 'the request body is larger than this server takes'),
	FST_ERR_CTP_INVALID_MEDIA_TYPE: () => controlError('unsupported-media-type', 'the request body is not JSON'),
	FST_ERR_CTP_EMPTY_JSON_BODY: () => controlError('invalid-argument', 'the request body is empty'),
	FST_ERR_CTP_INVALID_JSON_BODY: (message) =>
		controlError('invalid-argument', `the request body is no JSON: ${message}`),
	FST_ERR_CTP_INVALID_CONTENT_LENGTH: () =>
		controlError('invalid-argument', 'the request body is not as long as Content-Length says'),
	FST_ERR_BAD_URL: () => controlError('invalid-argument', 'the address is not well formed'),
	FST_ERR_MAX_PARAM_LENGTH: () => controlError('invalid-argument', 'a part of the address is too long'),
};

/** What the framework or a bug threw, as the one error body; `bug` tells the caller to log it. */
export function thrownAnswer(error: unknown): ErrorAnswer & { readonly bug: boolean } {
	const bug = { ...answerOf(controlError('internal', 'something went wrong inside Ampora')), bug: true };
	if (!(error instanceof Error) || isResponseSerializationError(error)) return bug;
	if (hasZodFastifySchemaValidationErrors(error)) return { ...answerOf(validationError(error.validation)), bug: false };
	const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
	const known = fastifyCodes[code]?.(error.message);
	if (known !== undefined) return { ...answerOf(known), bug: false };
	// A body that is no JSON arrives as a plain SyntaxError with a status.
	if (error instanceof SyntaxError && 'statusCode' in error) {
		const unreadable = controlError('invalid-argument', `the request body is no JSON: ${error.message}`);
		return { ...answerOf(unreadable), bug: false };
	}
	return bug;
}

interface Invalid {
	readonly keyword: string;
	readonly instancePath: string;
	readonly message?: string | undefined;
	readonly params: object;
}

function validationError(problems: readonly Invalid[]): ControlError {
	const issues = fieldIssues(
		problems.map(({ keyword, instancePath, message = 'not valid', params }) => ({
			...params,
			...{ code: keyword, message, path: instancePath.split('/').filter((part) => part !== '') },
		})),
	);
	return controlError('invalid-argument', issuesText(issues), { details: { issues } });
}
