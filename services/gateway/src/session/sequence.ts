import type { AgentCapabilities, ScannedMessage } from '@ampora/opamp';
import { type AgentSession, bounded } from './session.js';

/**
 * How a message stands to what was heard before. `repeat`: the same bytes again, a retry. `restart`: the agent's process began anew and
 * told all it has. `complete`: out of sequence, but it omits nothing. `gap`: something was said that we never heard.
 */
export type Standing = 'next' | 'repeat' | 'restart' | 'complete' | 'gap';

/** Clients count from 0 or from 1. */
const firstSequenceMax = 1;

export function standingOf(session: AgentSession, message: ScannedMessage, fingerprint: number): Standing {
	const sequence = bounded(message.sequenceNum);
	if (sequence === session.sequence && fingerprint === session.fingerprint) return 'repeat';
	const tellsAll = message.parts.agentDescription !== undefined;
	if (session.sequence >= 0 && sequence === session.sequence + 1) return 'next';
	if (sequence <= firstSequenceMax && tellsAll) return 'restart';
	return isComplete(message, session.capabilities) ? 'complete' : 'gap';
}

function isComplete({ parts, capabilities }: ScannedMessage, known: AgentCapabilities): boolean {
	const has = capabilities.word === 0n ? known : capabilities;
	return (
		parts.agentDescription !== undefined &&
		(parts.health !== undefined || !has.has('ReportsHealth')) &&
		(parts.remoteConfigStatus !== undefined || !has.has('ReportsRemoteConfig')) &&
		(parts.effectiveConfig !== undefined || !has.has('ReportsEffectiveConfig'))
	);
}
