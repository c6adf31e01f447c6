import type { AgentId, RolloutId } from '@ampora/runtime';
import {
	DeliveryOutcome as DeliveryOutcomeMessage,
	DispatchCause,
	DispatchRequest,
	DispatchResponse,
	EvictRequest,
	RolloutHint,
} from '../gen/ampora/dispatch/v1/dispatch.js';
import type { DeliveryOutcome, DispatchEnvelope, Eviction, Hint } from '../ports.js';

const uuidBytes = (id: string): Buffer => Buffer.from(id.replaceAll('-', ''), 'hex');

function uuidText(bytes: Uint8Array): string {
	const hex = Buffer.from(bytes).toString('hex');
	return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** A new outcome without a number does not compile. */
const outcomeNumber = {
	offered: DeliveryOutcomeMessage.DELIVERY_OUTCOME_OFFERED,
	'not-mine': DeliveryOutcomeMessage.DELIVERY_OUTCOME_NOT_MINE,
	'not-capable': DeliveryOutcomeMessage.DELIVERY_OUTCOME_NOT_CAPABLE,
	'queue-full': DeliveryOutcomeMessage.DELIVERY_OUTCOME_QUEUE_FULL,
	'nothing-to-offer': DeliveryOutcomeMessage.DELIVERY_OUTCOME_NOTHING_TO_OFFER,
} satisfies Record<DeliveryOutcome, DeliveryOutcomeMessage>;

const outcomeOf = new Map<DeliveryOutcomeMessage, DeliveryOutcome>(
	(Object.keys(outcomeNumber) as DeliveryOutcome[]).map((name) => [outcomeNumber[name], name]),
);

export function encodeEnvelope(envelope: DispatchEnvelope): Uint8Array {
	return DispatchRequest.encode({
		agentIds: envelope.agentIds.map(uuidBytes),
		cause:
			envelope.cause === 'rollout' ? DispatchCause.DISPATCH_CAUSE_ROLLOUT : DispatchCause.DISPATCH_CAUSE_REDELIVERY,
		publishedAtUnixMs: BigInt(Math.max(0, Math.round(envelope.publishedAtMs))),
		traceparent: envelope.traceparent ?? '',
	}).finish();
}

export function decodeEnvelope(bytes: Uint8Array): DispatchEnvelope {
	const message = DispatchRequest.decode(bytes);
	return {
		agentIds: message.agentIds.map((id) => uuidText(id) as AgentId),
		cause: message.cause === DispatchCause.DISPATCH_CAUSE_REDELIVERY ? 'redelivery' : 'rollout',
		publishedAtMs: Number(message.publishedAtUnixMs),
		traceparent: message.traceparent || null,
	};
}

export const encodeOutcomes = (outcomes: readonly DeliveryOutcome[]): Uint8Array =>
	DispatchResponse.encode({ outcomes: outcomes.map((outcome) => outcomeNumber[outcome]) }).finish();

/** An outcome of a newer version that is not known here counts as undelivered: it will be dispatched again. */
export const decodeOutcomes = (bytes: Uint8Array): DeliveryOutcome[] =>
	DispatchResponse.decode(bytes).outcomes.map((outcome) => outcomeOf.get(outcome) ?? 'not-mine');

export const encodeEvictions = (evictions: readonly Eviction[]): Uint8Array =>
	EvictRequest.encode({
		sessions: evictions.map(({ agentId, sessionEpoch }) => ({
			agentId: uuidBytes(agentId),
			sessionEpoch: BigInt(sessionEpoch),
		})),
	}).finish();

export const decodeEvictions = (bytes: Uint8Array): Eviction[] =>
	EvictRequest.decode(bytes).sessions.map(({ agentId, sessionEpoch }) => ({
		agentId: uuidText(agentId) as AgentId,
		sessionEpoch: Number(sessionEpoch),
	}));

export const encodeHint = (hint: Hint): Uint8Array =>
	RolloutHint.encode({ rolloutIds: hint.rolloutIds.map(uuidBytes) }).finish();

export const decodeHint = (bytes: Uint8Array): Hint => ({
	rolloutIds: RolloutHint.decode(bytes).rolloutIds.map((id) => uuidText(id) as RolloutId),
});
