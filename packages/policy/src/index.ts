export { type AgentFacts, changedFields, type Field, mergedAttributes } from './agent_facts.js';
export {
	type Due,
	type DynamicGroup,
	decideMove,
	type Move,
	reevaluate,
	type Standing,
	sameStanding,
	type Where,
} from './membership.js';
export { compileSelector, type Selector, type SelectorFault, type Verdict } from './selector.js';
