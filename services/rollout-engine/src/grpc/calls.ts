// From a gRPC call to a use case and back: who asks, is it well-formed, what came of it.
import { type AnswerOf, fieldIssues, type InputOf, issuesText, type OperationId, routes } from '@ampora/api-contract';
import { type Caller, type Control, type ControlError, controlError, type Outcome } from '@ampora/control';
import { err, ok, type Result } from '@ampora/runtime';
import { type Span, spanNames, type Tracer } from '@ampora/telemetry';
import type { Metadata, sendUnaryData } from '@grpc/grpc-js';
import { grpcError } from './errors.js';

export interface CallDeps {
	readonly control: Control;
	readonly tracer: Tracer;
	/** Told of what was no refusal but a fault; the caller only learns `internal`. */
	readonly onFault: (error: unknown) => void;
}

/** Everything that answers once. */
export type Operation = Exclude<OperationId, 'watchRollout'>;

/** The part of a call that is the same for one answer and for a stream. */
export interface AnyCall {
	readonly metadata: Metadata;
	getPeer(): string;
}

/** As long as REST keeps one. */
const keyMax = 200;

const first = (metadata: Metadata, name: string): string | undefined => metadata.get(name)[0]?.toString();

export const traceparentOf = (call: AnyCall): string | null => first(call.metadata, 'traceparent') ?? null;

export function callerOf(control: Control, call: AnyCall, span: Span, idempotencyKey: string | null): Outcome<Caller> {
	const token = /^Bearer +(\S+) *$/i.exec(first(call.metadata, 'authorization') ?? '')?.[1];
	return control.authenticate(token, { sourceAddress: call.getPeer(), traceparent: span.traceparent, idempotencyKey });
}

/** What a caller learns of a fault. */
export function fault({ onFault }: Pick<CallDeps, 'onFault'>, error: unknown) {
	onFault(error);
	return grpcError(controlError('internal', 'something went wrong inside Ampora'));
}

/** Sends what came of a call: the answer, or why there is none. */
export function reply<Answer>(
	deps: Pick<CallDeps, 'onFault'>,
	callback: sendUnaryData<Answer>,
	work: () => Outcome<Answer>,
): void {
	work().then(
		(outcome) => (outcome.ok ? callback(null, outcome.value) : callback(grpcError(outcome.error))),
		(error: unknown) => callback(fault(deps, error)),
	);
}

interface Asked {
	/** Parameters, query and body in one object, as they would be sent to the REST API. */
	readonly raw: Readonly<Record<string, unknown>>;
	/** Default: what the metadata says. */
	readonly idempotencyKey?: string | undefined;
}

/** One use case on behalf of the caller, in a span of its own. Throws only for bugs. */
export function perform<Op extends Operation>(
	{ control, tracer }: Pick<CallDeps, 'control' | 'tracer'>,
	call: AnyCall,
	operation: Op,
	{ raw, idempotencyKey }: Asked,
): Outcome<AnswerOf<Op>> {
	return tracer.inSpan(
		spanNames.grpcCall,
		{ parent: traceparentOf(call), attributes: { method: operation } },
		async (span) => {
			const key = idempotencyKey || first(call.metadata, 'idempotency-key')?.slice(0, keyMax) || null;
			const caller = await callerOf(control, call, span, key);
			if (!caller.ok) return caller;
			const input = inputOf(operation, raw);
			if (!input.ok) return input;
			// The schemas of the same operation made the input; the compiler cannot follow that through a lookup by name.
			const useCase = control[operation] as unknown as (caller: Caller, input: InputOf<Op>) => Outcome<AnswerOf<Op>>;
			return useCase(caller.value, input.value);
		},
	);
}

/** Validated by the schemas of the REST route of the same name. */
function inputOf<Op extends Operation>(operation: Op, raw: Asked['raw']): Result<InputOf<Op>, ControlError> {
	const { params, query, body } = routes[operation];
	const own = new Set(Object.keys(params.shape));
	const inParams = Object.fromEntries(Object.entries(raw).filter(([name]) => own.has(name)));
	const others = Object.fromEntries(Object.entries(raw).filter(([name]) => !own.has(name)));
	const parts = [params.safeParse(inParams), (body ?? query).safeParse(others)];
	const issues = parts.flatMap((part) => part.error?.issues ?? []);
	if (issues.length === 0) return ok(Object.assign({}, ...parts.map((part) => part.data)) as InputOf<Op>);
	const faults = fieldIssues(issues);
	return err(controlError('invalid-argument', issuesText(faults), { details: { issues: faults } }));
}
