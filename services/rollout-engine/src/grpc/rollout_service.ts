import type { AnswerOf } from '@ampora/api-contract';
import { ok } from '@ampora/runtime';
import { spanNames } from '@ampora/telemetry';
import type { ServerUnaryCall, ServerWritableStream, sendUnaryData } from '@grpc/grpc-js';
import type * as messages from '../gen/ampora/rollout/v1/rollout.js';
import type { RolloutServiceServer } from '../gen/ampora/rollout/v1/rollout.js';
import { commandMessage, eventMessage, rolloutMessage, stateOf, summaryMessage, targetMessage } from './answers.js';
import { type CallDeps, callerOf, fault, type Operation, perform, reply, traceparentOf } from './calls.js';
import { grpcError } from './errors.js';
import { createRequest, durationText, gateEditsRequest } from './requests.js';

/** Parameters, query and body of one REST operation, before validation. */
type Raw = Readonly<Record<string, unknown>>;
interface CommandRequest {
	readonly id: string;
	readonly options?: messages.CommandOptions | undefined;
}
type Unary<Request, Response> = (call: ServerUnaryCall<Request, Response>, callback: sendUnaryData<Response>) => void;

/** The gRPC service over the same use cases and the same validation as the REST API. */
export function rolloutService(deps: CallDeps): RolloutServiceServer {
	/** One call: what is asked of which operation, and how its answer is put into a message. */
	function unary<Request, Response, Op extends Operation>(
		operation: Op,
		toRaw: (request: Request) => Raw,
		toMessage: (answer: AnswerOf<Op>) => Response,
		keyOf: (request: Request) => string | undefined = () => undefined,
	): Unary<Request, Response> {
		return (call, callback) =>
			reply(deps, callback, async () => {
				const asked = { raw: toRaw(call.request), idempotencyKey: keyOf(call.request) };
				const outcome = await perform(deps, call, operation, asked);
				return outcome.ok ? ok(toMessage(outcome.value)) : outcome;
			});
	}

	/** A control: REST's command routes by another name. */
	function command<Request extends CommandRequest, Op extends CommandOperation>(
		operation: Op,
		toRaw: (request: Request) => Raw = () => ({}),
	): Unary<Request, { result: messages.CommandResult | undefined }> {
		return unary(
			operation,
			(request: Request) => ({ rollout: request.id, ...reasonOf(operation, request), ...toRaw(request) }),
			(answer) => ({ result: commandResult(answer as AnswerOf<CommandOperation>) }),
			(request) => request.options?.idempotencyKey,
		);
	}

	return {
		createRollout: (call, callback) =>
			reply(deps, callback, async () => {
				const outcome = await createAndShow(deps, call);
				return outcome.ok ? ok({ rollout: rolloutMessage(outcome.value) }) : outcome;
			}),
		getRollout: unary(
			'getRollout',
			({ id }: messages.GetRolloutRequest) => ({ rollout: id }),
			(answer) => ({ rollout: rolloutMessage(answer) }),
		),
		listRollouts: unary('listRollouts', listRequest, ({ items, nextCursor }) => ({
			rollouts: items.map(summaryMessage),
			nextPageToken: nextCursor ?? '',
		})),
		listTargets: unary('listRolloutTargets', targetsRequest, ({ items, nextCursor }) => ({
			targets: items.map(targetMessage),
			nextPageToken: nextCursor ?? '',
		})),
		watchRollout: (call) => {
			watch(deps, call).catch((error: unknown) => call.emit('error', fault(deps, error)));
		},
		startRollout: command('startRollout', ({ replan }: messages.StartRolloutRequest) => (replan ? { replan } : {})),
		cancelRollout: command('cancelRollout'),
		pauseRollout: command('pauseRollout'),
		resumeRollout: command('resumeRollout', ({ reasons }: messages.ResumeRolloutRequest) =>
			reasons.length > 0 ? { reasons } : {},
		),
		advanceRollout: command('advanceRollout', ({ force, reason, options }: messages.AdvanceRolloutRequest) => ({
			...(force && { force }),
			...(!options?.reason && reason !== '' && { reason }),
		})),
		extendDwell: command('extendRollout', ({ by }: messages.ExtendDwellRequest) => ({ by: durationText(by) })),
		abortRollout: command('abortRollout'),
		retryAgents: command('retryRollout', ({ agentIds }: messages.RetryAgentsRequest) =>
			agentIds.length > 0 ? { agents: agentIds } : {},
		),
		excludeAgents: command('excludeRolloutAgents', ({ agentIds }: messages.ExcludeAgentsRequest) => ({
			agents: agentIds,
		})),
		editGates: command('editRolloutGates', gateEditsRequest),
		rollBackRollout: command('rollbackRollout'),
		getCommand: unary(
			'getRolloutCommand',
			({ rolloutId, commandId }: messages.GetCommandRequest) => ({ rollout: rolloutId, command: commandId }),
			(answer) => ({ command: commandMessage(answer) }),
		),
		listEvents: unary('listRolloutEvents', eventsRequest, ({ items, nextCursor }) => ({
			events: items.map(eventMessage),
			nextAfterSeq: nextCursor === null ? undefined : BigInt(nextCursor),
		})),
	};
}

async function createAndShow(
	deps: CallDeps,
	call: ServerUnaryCall<messages.CreateRolloutRequest, messages.CreateRolloutResponse>,
) {
	const { idempotencyKey } = call.request;
	const created = await perform(deps, call, 'createRollout', { raw: createRequest(call.request), idempotencyKey });
	return created.ok ? perform(deps, call, 'getRollout', { raw: { rollout: created.value.id } }) : created;
}

async function watch(
	deps: CallDeps,
	call: ServerWritableStream<messages.WatchRolloutRequest, messages.WatchRolloutResponse>,
): Promise<void> {
	const gone = new AbortController();
	call.on('cancelled', () => gone.abort());
	call.on('close', () => gone.abort());
	const span = deps.tracer.startSpan(spanNames.grpcCall, {
		parent: traceparentOf(call),
		attributes: { method: 'watchRollout' },
	});
	try {
		const caller = await callerOf(deps.control, call, span, null);
		const changes = caller.ok
			? await deps.control.watchRollout(caller.value, { rollout: call.request.id }, gone.signal)
			: caller;
		if (!changes.ok) {
			call.emit('error', grpcError(changes.error));
			return;
		}
		for await (const rollout of changes.value) {
			// A reader that does not keep up is waited for: it gets the newest state when it is back (D6).
			if (!call.write({ rollout: rolloutMessage(rollout) })) await drained(call, gone.signal);
		}
		call.end();
	} finally {
		gone.abort();
		span.end();
	}
}

function drained(
	call: ServerWritableStream<messages.WatchRolloutRequest, messages.WatchRolloutResponse>,
	gone: AbortSignal,
): Promise<void> {
	return new Promise((resolve) => {
		if (gone.aborted) return resolve();
		call.once('drain', resolve);
		gone.addEventListener('abort', () => resolve(), { once: true });
	});
}

type CommandOperation =
	| 'startRollout'
	| 'cancelRollout'
	| 'pauseRollout'
	| 'resumeRollout'
	| 'advanceRollout'
	| 'extendRollout'
	| 'abortRollout'
	| 'retryRollout'
	| 'excludeRolloutAgents'
	| 'editRolloutGates'
	| 'rollbackRollout';

const commandResult = (answer: AnswerOf<CommandOperation>): messages.CommandResult => ({
	commandId: answer.command?.id ?? '',
	decided: answer.decided,
	rollout: rolloutMessage(answer.rollout),
});

/** REST's start takes no reason, and refuses what it does not take. */
const reasonOf = (operation: CommandOperation, { options }: CommandRequest): Raw =>
	operation !== 'startRollout' && options?.reason ? { reason: options.reason } : {};

const listRequest = ({ group, state, pageSize, pageToken }: messages.ListRolloutsRequest): Raw => ({
	...(group !== '' && { group }),
	...(stateOf(state) !== undefined && { state: stateOf(state) }),
	...paging(pageSize, pageToken),
});

const targetsRequest = ({ rolloutId, state, pageSize, pageToken }: messages.ListTargetsRequest): Raw => ({
	rollout: rolloutId,
	...(state !== '' && { state }),
	...paging(pageSize, pageToken),
});

const eventsRequest = ({ rolloutId, afterSeq, pageSize }: messages.ListEventsRequest): Raw => ({
	rollout: rolloutId,
	after: Number(afterSeq),
	...(pageSize > 0 && { limit: pageSize }),
});

const paging = (pageSize: number, pageToken: string): Raw => ({
	...(pageSize > 0 && { limit: pageSize }),
	...(pageToken !== '' && { cursor: pageToken }),
});
