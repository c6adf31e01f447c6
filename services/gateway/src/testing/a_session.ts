import { createHash } from 'node:crypto';
import type { Frame } from '@ampora/opamp';
import { type AgentId, newId } from '@ampora/runtime';
import type { ConnectedAgent } from '@ampora/store';
import type { Carrier } from '../session/carrier.js';
import { AgentSession, live } from '../session/session.js';
import { fullCapabilities, newUid } from './test_agent.js';

export const hashOf = (text: string): Uint8Array => Uint8Array.from(createHash('sha256').update(text).digest());

/** A carrier that keeps what is pushed to it. */
class TestCarrier implements Carrier {
	transport: Carrier['transport'] = 'websocket';
	readonly remoteAddress = 'test';
	readonly authorization = null;
	pushable: Carrier['pushable'] = 'now';
	readonly pushed: Frame[] = [];
	push(frame: Frame): void {
		this.pushed.push(frame);
	}
	forget(): void {}
	alias(): void {}
	closeIfUnused(): void {
		this.pushable = 'closed';
	}
}

/** A live session that nobody opened. */
export function aSession(known: Partial<ConnectedAgent> = {}, carrier: Carrier = new TestCarrier()): AgentSession {
	const connected: ConnectedAgent = {
		...{ agentId: newId<AgentId>(), instanceUid: newUid(), sessionEpoch: 1, isNew: false, sequenceNum: 0 },
		...{ placeOf: null, heirOf: null },
		...{ capabilities: fullCapabilities, described: true, healthy: null, startTimeNanos: null },
		...{ reportedHash: null, reportedStatus: null, effectiveHash: null, componentsHash: null, previous: null },
		...known,
	};
	const session = new AgentSession(carrier, connected, [], 0, 100);
	session.phase = live;
	return session;
}
