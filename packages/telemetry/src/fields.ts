/**
 * The names ids and facts go by, the same in log lines and (with the prefix `ampora.`) in span attributes, so that one search finds
 * both. Units are in the names.
 */
export const fieldNames = [
	'service',
	'instance',
	'gateway',
	'target_instance',
	'agent_id',
	'instance_uid',
	'session_epoch',
	'transport',
	'remote_address',
	'agent_type',
	'rollout_id',
	'step',
	'gate',
	'state',
	'from',
	'to',
	'group_id',
	'configuration_id',
	'version_id',
	'assignment_seq',
	'attempt',
	'cause',
	'command_id',
	'command',
	'actor',
	'lease',
	'lease_epoch',
	'envelope_id',
	'agents',
	'outcome',
	'reason',
	'method',
	'route',
	'status_code',
	'error_code',
	'bytes',
	'duration_ms',
	'trace_id',
	'span_id',
] as const;

export type FieldName = (typeof fieldNames)[number];
export type FieldValue = string | number | bigint | boolean;

/** The spans of one change, in the order in which they happen. */
export const spanNames = {
	apiRequest: 'api.request',
	grpcCall: 'grpc.call',
	rolloutCommand: 'rollout.command',
	rolloutTick: 'rollout.tick',
	/** One per envelope, at the engine. */
	dispatchEnvelope: 'dispatch.envelope',
	/** One per envelope, at the gateway. */
	dispatchConsume: 'dispatch.consume',
	/** Per agent: the first 20 of an envelope, and every failure. */
	agentOffer: 'agent.offer',
	/** From the push to the agent's own answer; what the first 20 is to `agentOffer` applies here too. */
	agentApply: 'agent.apply',
	reportFlush: 'report.flush',
} as const;

export type SpanName = (typeof spanNames)[keyof typeof spanNames];

/** Of one envelope, so many agents get spans of their own; failures always do. */
export const agentSpansPerEnvelope = 20;
