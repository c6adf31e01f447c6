/** How much one message may cost. Every number is a setting of the gateway; these are the defaults. */
export interface MessageLimits {
	/** Largest message accepted, bytes, WebSocket header included and after inflation (C-12, C-22). */
	readonly inboundBytesMax: number;
	/** Largest message sent, bytes, before compression (C-13, C-23). */
	readonly outboundBytesMax: number;
	/** How deep messages may nest inside one message; a component tree takes two levels per generation, an attribute list three. */
	readonly depthMax: number;
	/** How many fields, at all depths together, one sub-message may hold: 64 MiB of empty map entries would be a CPU attack. */
	readonly fieldsMax: number;
}

const MiB = 1024 * 1024;

/** protobuf decoders customarily stop at 100 levels, and so does the generated one. */
const customaryDepth = 100;

export const defaultMessageLimits: MessageLimits = {
	inboundBytesMax: 64 * MiB,
	outboundBytesMax: 64 * MiB,
	depthMax: customaryDepth,
	fieldsMax: 200_000,
};

/** Bytes of every instance_uid (C-38). */
export const instanceUidBytes = 16;
