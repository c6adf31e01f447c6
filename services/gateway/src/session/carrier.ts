import type { Frame, InstanceUid, RefusalCode } from '@ampora/opamp';
import type { AgentSession } from './session.js';

/** Where the answer to one inbound message goes: the socket it came on, or the response of its HTTP request. */
export interface Replier {
	/** Exactly once per inbound message, unless it was refused. */
	reply(frame: Frame): void;
	/** Says why not. On HTTP the status tells it too; on a WebSocket the socket may be closed, as the table of refusals says. */
	refuse(uid: InstanceUid, code: RefusalCode, message: string): void;
	/** Answers what nobody wants to hear any more: the other side is gone. */
	readonly gone: boolean;
}

/** What carries a session: a WebSocket, which may carry several, or the polls of one agent. */
export interface Carrier {
	readonly transport: 'websocket' | 'http';
	readonly remoteAddress: string;
	/** The Authorization header it came with. */
	readonly authorization: string | null;
	/** `now`: a push is written at once. `full`: its buffer is. `polls`: it can only be answered. `closed`: it is gone. */
	readonly pushable: 'now' | 'full' | 'polls' | 'closed';
	push(frame: Frame): void;
	/** The session, or the application for one, ended: forget it. */
	forget(uid: InstanceUid): void;
	/** Another name for the same session, for messages in flight during a rename. */
	alias(uid: InstanceUid, session: AgentSession): void;
	/** Ends the carrier when nobody is left on it. */
	closeIfUnused(code: number, reason: string): void;
}
