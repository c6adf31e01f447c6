import { crc32 } from 'node:zlib';
import type { ScannedMessage } from '@ampora/opamp';
import type { Replier } from './carrier.js';

/** One message of an agent, scanned, with the way its answer goes. Its parts are views of the frame. */
export interface Inbound {
	readonly message: ScannedMessage;
	/** crc32 of its bytes. */
	readonly fingerprint: number;
	readonly replier: Replier;
}

export const inboundOf = (message: ScannedMessage, bytes: Uint8Array, replier: Replier): Inbound => ({
	message,
	fingerprint: crc32(bytes),
	replier,
});
