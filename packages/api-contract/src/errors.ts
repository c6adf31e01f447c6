/** What a caller can do about an error: the same request again later, another request, or nothing. */
export type Remedy = 'retry' | 'fix' | 'give-up';

interface ErrorRule {
	readonly http: number;
	/** Name of the gRPC status code. */
	readonly grpc: string;
	readonly remedy: Remedy;
	/** For people: what to do, where the place that raises the error knows nothing more precise. */
	readonly action: string;
}

/** Every error this API gives, with its status on each transport. Codes are stable: people script on them. */
export const errorCatalogue = {
	'invalid-argument': {
		http: 400,
		grpc: 'INVALID_ARGUMENT',
		remedy: 'fix',
		action: 'Correct the fields named in details and send the request again.',
	},
	unauthenticated: {
		http: 401,
		grpc: 'UNAUTHENTICATED',
		remedy: 'fix',
		action: 'Send a valid API token as "Authorization: Bearer <token>".',
	},
	forbidden: {
		http: 403,
		grpc: 'PERMISSION_DENIED',
		remedy: 'give-up',
		action: 'Use a token whose role allows this, or ask an Admin for one.',
	},
	'not-found': {
		http: 404,
		grpc: 'NOT_FOUND',
		remedy: 'fix',
		action: 'Check the name or id; list what exists to find it.',
	},
	'method-not-allowed': {
		http: 405,
		grpc: 'UNIMPLEMENTED',
		remedy: 'fix',
		action: 'Use one of the methods in the Allow header.',
	},
	'already-exists': {
		http: 409,
		grpc: 'ALREADY_EXISTS',
		remedy: 'fix',
		action: 'Use the existing one, or choose another name.',
	},
	'rollout-active': {
		http: 409,
		grpc: 'FAILED_PRECONDITION',
		remedy: 'fix',
		action: 'Wait until the rollout named here has ended, or abort, cancel or roll it back first.',
	},
	'plan-void': {
		http: 409,
		grpc: 'FAILED_PRECONDITION',
		remedy: 'fix',
		action: 'Look at what changed, make another plan, or go ahead with "replan" (--replan).',
	},
	'command-not-allowed': {
		http: 409,
		grpc: 'FAILED_PRECONDITION',
		remedy: 'fix',
		action: 'Use one of the commands listed in details.',
	},
	'command-refused': {
		http: 409,
		grpc: 'FAILED_PRECONDITION',
		remedy: 'fix',
		action: 'Look at the rollout, then decide again.',
	},
	'version-not-published': {
		http: 409,
		grpc: 'FAILED_PRECONDITION',
		remedy: 'fix',
		action: 'Publish the version first.',
	},
	'version-not-draft': {
		http: 409,
		grpc: 'FAILED_PRECONDITION',
		remedy: 'fix',
		action: 'Published versions never change: create a new version.',
	},
	'version-not-deletable': {
		http: 409,
		grpc: 'FAILED_PRECONDITION',
		remedy: 'fix',
		action: 'Archive it first; a published version is never deleted.',
	},
	'version-in-use': {
		http: 409,
		grpc: 'FAILED_PRECONDITION',
		remedy: 'fix',
		action: 'Roll out another version to those agents first.',
	},
	'config-invalid': {
		http: 422,
		grpc: 'INVALID_ARGUMENT',
		remedy: 'fix',
		action: 'Correct what the findings in details name, with file, line and column.',
	},
	'configuration-in-use': {
		http: 409,
		grpc: 'FAILED_PRECONDITION',
		remedy: 'give-up',
		action: 'Only a configuration that never had a published version can be deleted; archive its versions instead.',
	},
	'group-not-a-target': {
		http: 409,
		grpc: 'FAILED_PRECONDITION',
		remedy: 'fix',
		action: 'Put the agents into a group of their own and roll out to that.',
	},
	'group-dynamic': {
		http: 409,
		grpc: 'FAILED_PRECONDITION',
		remedy: 'fix',
		action:
			'Members of a dynamic group are found by its selector: change that, what the agent says of itself, or use a static group.',
	},
	'selector-invalid': {
		http: 422,
		grpc: 'INVALID_ARGUMENT',
		remedy: 'fix',
		action: 'Correct the selector where details say.',
	},
	'group-in-use': {
		http: 409,
		grpc: 'FAILED_PRECONDITION',
		remedy: 'fix',
		action: 'Let a rollout of it that has not ended end; move the agents of a static group to other groups first.',
	},
	'group-deleted': {
		http: 409,
		grpc: 'FAILED_PRECONDITION',
		remedy: 'fix',
		action: 'Restore the group, or use another one.',
	},
	'nothing-to-do': {
		http: 409,
		grpc: 'FAILED_PRECONDITION',
		remedy: 'give-up',
		action: 'No agent of this rollout is concerned; there is nothing to be done.',
	},
	'idempotency-mismatch': {
		http: 409,
		grpc: 'ALREADY_EXISTS',
		remedy: 'fix',
		action: 'Use a fresh Idempotency-Key for a different request.',
	},
	'payload-too-large': {
		http: 413,
		grpc: 'RESOURCE_EXHAUSTED',
		remedy: 'fix',
		action: 'Send less in one request.',
	},
	'unsupported-media-type': {
		http: 415,
		grpc: 'INVALID_ARGUMENT',
		remedy: 'fix',
		action: 'Send JSON with "Content-Type: application/json".',
	},
	unavailable: {
		http: 503,
		grpc: 'UNAVAILABLE',
		remedy: 'retry',
		action: 'Try again in a few seconds with the same Idempotency-Key.',
	},
	internal: {
		http: 500,
		grpc: 'INTERNAL',
		remedy: 'give-up',
		action: 'This is a fault of Ampora; report it with the time and the trace id.',
	},
} as const satisfies Record<string, ErrorRule>;

export type ErrorCode = keyof typeof errorCatalogue;
export const errorCodes = Object.keys(errorCatalogue) as readonly ErrorCode[];
