import {
	type AnswerOf,
	type BodyOf,
	type ErrorBody,
	errorBody,
	type OperationId,
	type ParamsOf,
	type QueryOf,
	type RolloutAnswer,
	routes,
} from '@ampora/api-contract';
import { err, ok, type Result } from '@ampora/runtime';

export interface ClientOptions {
	/** `http://127.0.0.1:4321` */
	readonly server: string;
	readonly token: string | undefined;
	readonly fetch: typeof fetch;
	readonly signal: AbortSignal;
}

export type ClientError =
	| { readonly kind: 'refused'; readonly status: number; readonly body: ErrorBody }
	| { readonly kind: 'unreachable'; readonly message: string };

export interface CallInput<Op extends OperationId> {
	readonly params?: ParamsOf<Op>;
	readonly query?: QueryOf<Op>;
	readonly body?: BodyOf<Op>;
	readonly idempotencyKey?: string;
}

/** The REST API, typed by its contract. */
export interface Client {
	call<Op extends OperationId>(operation: Op, input?: CallInput<Op>): Promise<Result<AnswerOf<Op>, ClientError>>;
	/** Items of a rollout's event stream, until the server ends it. */
	watch(rollout: string): Promise<Result<AsyncIterable<RolloutAnswer>, ClientError>>;
}

export function createClient(options: ClientOptions): Client {
	const send = async (operation: OperationId, input: CallInput<OperationId>, accept: string) => {
		const { method, path } = routes[operation];
		const headers = new Headers({ accept });
		if (options.token !== undefined) headers.set('authorization', `Bearer ${options.token}`);
		if (input.idempotencyKey !== undefined) headers.set('idempotency-key', input.idempotencyKey);
		const hasBody = method === 'POST' || method === 'PUT';
		if (hasBody) headers.set('content-type', 'application/json');
		return answered(options, addressOf(options.server, path, input), {
			method,
			headers,
			signal: options.signal,
			...(hasBody && { body: JSON.stringify(input.body ?? {}) }),
		});
	};
	return {
		async call<Op extends OperationId>(operation: Op, input: CallInput<Op> = {}) {
			const response = await send(operation, input as CallInput<OperationId>, 'application/json');
			if (!response.ok) return response;
			// The server serialises with the same schema this type comes from.
			return ok((await response.value.json()) as AnswerOf<Op>);
		},
		async watch(rollout) {
			const response = await send('watchRollout', { params: { rollout } }, 'text/event-stream');
			if (!response.ok) return response;
			const { body } = response.value;
			return body === null ? err({ kind: 'unreachable', message: 'the server sent no stream' }) : ok(eventsIn(body));
		},
	};
}

function addressOf(server: string, path: string, { params, query }: CallInput<OperationId>): string {
	const filled = path.replaceAll(/:(\w+)/g, (_, name: string) =>
		encodeURIComponent(String((params as Record<string, unknown> | undefined)?.[name] ?? '')),
	);
	const search = new URLSearchParams();
	for (const [name, value] of Object.entries(query ?? {})) if (value !== undefined) search.set(name, String(value));
	const text = search.toString();
	return `${server.replace(/\/+$/, '')}${filled}${text === '' ? '' : `?${text}`}`;
}

async function answered(
	{ fetch, server, signal }: ClientOptions,
	address: string,
	init: RequestInit,
): Promise<Result<Response, ClientError>> {
	let response: Response;
	try {
		response = await fetch(address, init);
	} catch (error) {
		if (signal.aborted) throw error;
		return err({ kind: 'unreachable', message: `cannot reach ${server}: ${causeOf(error)}` });
	}
	if (response.ok) return ok(response);
	const body = errorBody.safeParse(await response.json().catch(() => undefined));
	if (body.success) return err({ kind: 'refused', status: response.status, body: body.data });
	return err({ kind: 'unreachable', message: `${server} answered ${response.status}, and not as Ampora does` });
}

/** fetch says only "fetch failed"; why is in its cause. */
function causeOf(error: unknown): string {
	const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
	if (cause instanceof Error && 'code' in cause && typeof cause.code === 'string') return cause.code;
	return cause instanceof Error ? cause.message : String(cause);
}

async function* eventsIn(body: ReadableStream<Uint8Array>): AsyncGenerator<RolloutAnswer> {
	let pending = '';
	const decoder = new TextDecoder();
	for await (const chunk of body) {
		pending += decoder.decode(chunk, { stream: true });
		const events = pending.split('\n\n');
		pending = events.pop() ?? '';
		for (const event of events) {
			const lines = event.split('\n');
			if (lines.includes('event: end')) return;
			const data = lines.find((line) => line.startsWith('data: '));
			if (lines.includes('event: rollout') && data !== undefined) yield JSON.parse(data.slice(6)) as RolloutAnswer;
		}
	}
	throw new StreamBroken();
}

/** The stream stopped without saying that it ended. */
export class StreamBroken extends Error {
	constructor() {
		super('the connection to the server broke off');
	}
}
