import { agentCapabilities } from '@ampora/opamp';
import { type AgentFacts, mergedAttributes } from '@ampora/policy';
import type { SelectorSubject } from '@ampora/store';

/** A stored agent as expressions read it. */
export const factsOf = (
	subject: Pick<SelectorSubject, 'description' | 'agentType' | 'agentVersion' | 'capabilities' | 'components'>,
): AgentFacts => ({
	attributes: subject.description === null ? {} : mergedAttributes(subject.description),
	type: subject.agentType,
	version: subject.agentVersion,
	capabilities: agentCapabilities(BigInt(subject.capabilities)).names(),
	components: subject.components,
});
