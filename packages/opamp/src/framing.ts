import { err, ok, type Result } from '@ampora/runtime';
import type { DecodeError } from './errors.js';

/** A WebSocket message: header `00`, then the protobuf bytes. `messageOf` gives what a plain HTTP body carries. */
export type Frame = Uint8Array;

const varintBytesMax = 10;
/** Tag of instance_uid, the first byte of every message from an agent too old to send a header (C-18). */
const instanceUidTag = 0x0a;

const malformed = (message: string): Result<never, DecodeError> => err({ code: 'malformed-header', message });

/**
 * The protobuf bytes of a WebSocket message, as a view. The header is a varint of 1 to 10 bytes whose value is 0 in any
 * spelling; no data after it is legal (C-14 to C-17). A message that starts like an instance_uid has no header.
 */
export function unframe(frame: Uint8Array): Result<Uint8Array, DecodeError> {
	if (frame[0] === 0) return ok(frame.subarray(1));
	if (frame[0] === instanceUidTag) return ok(frame);
	for (let at = 0; at < varintBytesMax; at++) {
		const byte = frame[at];
		if (byte === undefined) return malformed('the message ends inside its header');
		if ((byte & 0x7f) !== 0) return malformed('the header is not 0, the only value that is defined');
		if (byte === 0) return ok(frame.subarray(at + 1));
	}
	return malformed('the header is longer than 10 bytes');
}

/** The protobuf bytes of a frame made by this package, as a view. */
export const messageOf = (frame: Frame): Uint8Array => frame.subarray(1);
