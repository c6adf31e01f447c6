import type { ServerErrorType } from './server_message.js';

/** Why a message, or a connection, was refused. */
export type RefusalCode =
	| 'malformed-header'
	| 'malformed-message'
	| 'malformed-text'
	| 'malformed-uid'
	| 'text-frame'
	| 'too-deep'
	| 'too-many-fields'
	| 'too-large'
	| 'corrupt-encoding'
	| 'unsupported-encoding'
	| 'unsupported-media-type'
	| 'unauthorized'
	| 'forbidden'
	| 'overloaded'
	| 'draining'
	| 'internal';

/** What the peer should do: send something else, send the same again later, or stop. */
export type PeerAction = 'fix' | 'retry' | 'give-up';

export interface Refusal {
	readonly peerShould: PeerAction;
	/** Type of the error_response on either transport. */
	readonly opampErrorType: ServerErrorType;
	/** Status where the refusal is told by HTTP: plain HTTP, or the upgrade. */
	readonly httpStatus: 400 | 401 | 403 | 413 | 415 | 500 | 503;
	/** WebSocket close code when the socket cannot go on; absent means answer and stay. */
	readonly closeCode?: 1003 | 1008 | 1009 | 1012;
}

/** The one table from a refusal to what each transport says. */
export const refusals: Readonly<Record<RefusalCode, Refusal>> = {
	'malformed-header': { peerShould: 'fix', opampErrorType: 'bad-request', httpStatus: 400 },
	'malformed-message': { peerShould: 'fix', opampErrorType: 'bad-request', httpStatus: 400 },
	'malformed-text': { peerShould: 'fix', opampErrorType: 'bad-request', httpStatus: 400 },
	'malformed-uid': { peerShould: 'fix', opampErrorType: 'bad-request', httpStatus: 400 },
	'text-frame': { peerShould: 'fix', opampErrorType: 'bad-request', httpStatus: 400, closeCode: 1003 },
	'too-deep': { peerShould: 'fix', opampErrorType: 'bad-request', httpStatus: 400 },
	'too-many-fields': { peerShould: 'fix', opampErrorType: 'bad-request', httpStatus: 400 },
	'too-large': { peerShould: 'fix', opampErrorType: 'bad-request', httpStatus: 413, closeCode: 1009 },
	'corrupt-encoding': { peerShould: 'fix', opampErrorType: 'bad-request', httpStatus: 400 },
	'unsupported-encoding': { peerShould: 'fix', opampErrorType: 'bad-request', httpStatus: 415 },
	'unsupported-media-type': { peerShould: 'fix', opampErrorType: 'bad-request', httpStatus: 415 },
	unauthorized: { peerShould: 'give-up', opampErrorType: 'bad-request', httpStatus: 401, closeCode: 1008 },
	forbidden: { peerShould: 'give-up', opampErrorType: 'bad-request', httpStatus: 403, closeCode: 1008 },
	overloaded: { peerShould: 'retry', opampErrorType: 'unavailable', httpStatus: 503 },
	draining: { peerShould: 'retry', opampErrorType: 'unavailable', httpStatus: 503, closeCode: 1012 },
	internal: { peerShould: 'retry', opampErrorType: 'unknown', httpStatus: 500 },
};

/** A message that cannot be read. */
export interface DecodeError {
	readonly code: Extract<
		RefusalCode,
		| 'malformed-header'
		| 'malformed-message'
		| 'malformed-text'
		| 'malformed-uid'
		| 'too-deep'
		| 'too-many-fields'
		| 'too-large'
	>;
	/** For the agent's log: what is wrong and where. */
	readonly message: string;
}

/** Carries a DecodeError from deep inside a decoder to its entry; it never leaves this package. */
export class Undecodable extends Error {
	constructor(
		readonly code: DecodeError['code'],
		message: string,
	) {
		super(message);
	}
}
